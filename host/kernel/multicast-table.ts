/** The tables of mode multicast in a kernel: what an earlier run left in them, and what no packet can tell new ones. */
import { Ip } from '../edge/ip.js';
import { type Nft, runProgram } from '../edge/nft.js';
import { arpLines, FLOWS_MAX, type MulticastFrame, rememberText } from './multicast-ruleset.js';
import { clearedText } from './ruleset-change.js';

/** Takes out what an earlier run left but the connections that packets are remembered of; empty where it left nothing. */
export async function leftText(prefix: readonly string[], table: string): Promise<string> {
  const listed = await runProgram([...prefix, 'nft', '-j', '-t', 'list', 'table', 'inet', table]);
  if (listed.code !== 0) return '';
  const objects = (JSON.parse(listed.stdout) as { nftables: Record<string, { name: string }>[] }).nftables;
  const names = (kind: string) => objects.flatMap((each) => (each[kind] ? [each[kind].name] : []));
  return clearedText(table, names('chain'), names('map'));
}

/** Makes table `arp` anew. */
export function arpText(name: string, frame: MulticastFrame): string {
  const [hook, ...rules] = arpLines(frame);
  const table = `arp ${name}`;
  const lines = [`add table ${table}`, `add chain ${table} leaving { ${hook} }`, `flush chain ${table} leaving`];
  return [...lines, ...rules.map((rule) => `add rule ${table} leaving ${rule}`)].map((line) => `${line}\n`).join('');
}

/**
 * Connections that this host has and no packet told these rules of: of another mode, or of rules that somebody flushed. Where
 * they cannot be listed they end, as without this.
 */
export async function remember(
  nft: Nft,
  prefix: readonly string[],
  table: string,
  virtualIps: readonly string[],
): Promise<void> {
  const connections = await new Ip(prefix).connections(virtualIps).catch(() => []);
  const text = rememberText(table, connections.slice(0, FLOWS_MAX));
  if (text !== '') await nft.run(text, 'the open connections of this host').catch(() => {});
}
