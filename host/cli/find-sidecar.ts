/**
 * Which sidecar a verb is for. Nearly always there is one on a machine, at the default place; a test cluster has several,
 * each in a directory of its own below a common one.
 *
 *     /var/lib/envoy-nlb/nlb.sock             one host
 *     /var/lib/envoy-nlb/mail1/nlb.sock       several: chosen by --host
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ClusterStatus } from '../admin/status.js';
import type { Call } from './args.js';
import { statusOf } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/envoy-nlb';

/** Absolute, because Envoy is started in another working directory than ours. */
export function stateDirectoryOf(call: Call, terminal: Terminal): string {
  return resolve(call.text('state-dir') ?? terminal.env.NLB_STATE_DIR ?? DEFAULT_STATE_DIRECTORY);
}

/**
 * The control socket of the sidecar that `--state-dir` and `--host` choose.
 *
 * @throws CliError usage where several are there and none is chosen, unreachable where the chosen one is not there
 */
export async function findSidecar(call: Call, terminal: Terminal): Promise<string> {
  const directory = stateDirectoryOf(call, terminal);
  const wanted = call.text('host');
  const sockets = socketsUnder(directory);
  const [only] = sockets;
  // Nothing found: let the client say what is wrong with the place where it should be.
  if (only === undefined) return join(directory, 'nlb.sock');
  if (wanted !== null) return chosen(sockets, wanted, directory);
  if (sockets.length === 1) return only;
  const names = sockets.map((socket) => socket.slice(directory.length + 1).replace(/\/?nlb\.sock$/, '') || '.');
  const text = `Several sidecars are under ${directory}: ${names.join(', ')}. Choose one with --host`;
  throw new CliError(EXIT.usage, text);
}

function socketsUnder(directory: string): string[] {
  const found = isSocket(join(directory, 'nlb.sock')) ? [join(directory, 'nlb.sock')] : [];
  let entries: string[] = [];
  try {
    entries = readdirSync(directory).sort();
  } catch {
    // Not there, or not ours to read: the client says which.
  }
  return [...found, ...entries.map((entry) => join(directory, entry, 'nlb.sock')).filter(isSocket)];
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

async function chosen(sockets: readonly string[], wanted: string, directory: string): Promise<string> {
  const statuses = await Promise.all(sockets.map((socket) => statusOf(socket).catch(() => null)));
  const index = statuses.findIndex((status) => status !== null && isWanted(status, wanted));
  const socket = sockets[index];
  if (socket !== undefined) return socket;
  const there = statuses.flatMap((status) => (status === null ? [] : [status.thisHost]));
  const text = `Cannot find a sidecar of host ${wanted} under ${directory}: ${there.join(', ') || 'none'} answered`;
  throw new CliError(EXIT.unreachable, text);
}

function isWanted(status: ClusterStatus, wanted: string): boolean {
  const self = status.hosts.find((host) => host.isThisHost);
  return status.thisHost === wanted || String(self?.priority) === wanted;
}
