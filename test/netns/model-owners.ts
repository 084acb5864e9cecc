/** Owners as the Python model of docs/decision.md names them, which shares no code with what it judges. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScoredHost } from '../../host/edge/decision.js';
import type { KeySettings } from './oracle-markings.js';

/** @param of  clients, with their family told by the address */
export function modelOwners(
  settings: KeySettings,
  hosts: readonly ScoredHost[],
  of: readonly { address: string; port: number }[],
): string[] {
  const endpoints = of.map(({ address, port }) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
  );
  const weights = Object.fromEntries(hosts.map(({ name, loadWeight }) => [name, loadWeight]));
  const program = fileURLToPath(new URL('oracle-model.py', import.meta.url));
  const input = JSON.stringify({ ...settings, weights, clients: endpoints });
  const { status, stdout, stderr } = spawnSync('python3', [program], { input, encoding: 'utf8', maxBuffer: 16 << 20 });
  if (status !== 0) throw new Error(`oracle-model.py: ${stderr}`);
  return JSON.parse(stdout) as string[];
}
