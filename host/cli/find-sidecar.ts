/**
 * Which sidecar a verb is for. Nearly always there is one on a machine, at the default place; a test cluster has several,
 * each in a directory of its own below a common one.
 *
 *     /var/lib/envoy-nlb/nlb.sock             one host
 *     /var/lib/envoy-nlb/mail1/nlb.sock       several: chosen by --host
 *
 * `--host` names a host of the cluster. Where its sidecar is on this machine it is asked itself; else a sidecar of this
 * machine asks it over the host channel. With `--server` a sidecar elsewhere takes the place of this machine's.
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ClusterStatus } from '../admin/status.js';
import type { Call } from './args.js';
import { type Door, type Patience, statusOf } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/envoy-nlb';

/** Absolute, because Envoy is started in another working directory than ours. */
export function stateDirectoryOf(call: Call, terminal: Terminal): string {
  return resolve(call.text('state-dir') ?? terminal.env.NLB_STATE_DIR ?? DEFAULT_STATE_DIRECTORY);
}

/**
 * The sidecar that `--state-dir` and `--host` choose.
 *
 * @throws CliError usage where several are there and none is chosen, unreachable where none of them answers
 */
export async function findSidecar(call: Call, terminal: Terminal, patience: Patience = {}): Promise<Door> {
  const remote = await remoteDoor(call, terminal);
  if (remote !== null) return { ...remote, elsewhere: call.text('host') };
  const directory = stateDirectoryOf(call, terminal);
  const wanted = call.text('host');
  const sockets = socketsUnder(directory);
  const [only] = sockets;
  // Nothing found: let the client say what is wrong with the place where it should be.
  if (only === undefined) return here(join(directory, 'nlb.sock'));
  if (wanted !== null) return chosen(sockets, wanted, directory, patience);
  if (sockets.length === 1) return here(only);
  const names = sockets.map((socket) => socket.slice(directory.length + 1).replace(/\/?nlb\.sock$/, '') || '.');
  const text = `Several sidecars are under ${directory}: ${names.join(', ')}. Choose one with --host`;
  throw new CliError(EXIT.usage, text);
}

export interface FoundHost {
  host: string;
  priority: number;
  door: Door;
}

/**
 * The sidecars of all hosts of the cluster but the forgotten ones, by ascending host priority; whichever of this machine
 * answers first is asked which they are.
 *
 * @param patience  its timeoutMs is for each of several sidecars of this machine; one alone is waited for as ever
 * @throws CliError unreachable where none of this machine answers
 */
export async function findAll(call: Call, terminal: Terminal, patience: Patience = {}): Promise<FoundHost[]> {
  const remote = await remoteDoor(call, terminal);
  const { timeoutMs: _each, ...alone } = patience;
  if (remote !== null) return allThrough(remote, alone);
  const directory = stateDirectoryOf(call, terminal);
  const sockets = socketsUnder(directory);
  if (sockets.length <= 1) return allThrough(here(sockets[0] ?? join(directory, 'nlb.sock')), alone);
  for (const socket of sockets) {
    const doors = await allThrough(here(socket), patience).catch(() => null);
    if (doors !== null) return doors;
  }
  throw new CliError(EXIT.unreachable, `Cannot reach any of the ${sockets.length} sidecars under ${directory}`);
}

async function allThrough(door: Door, patience: Patience): Promise<FoundHost[]> {
  const { hosts } = await statusOf(door, patience);
  return hosts
    .filter(({ state }) => state !== 'forgotten')
    .map(({ name, priority, isThisHost }) => {
      return { host: name, priority, door: { ...door, elsewhere: isThisHost ? null : name } };
    });
}

function here(socketPath: string): Door {
  return { socketPath, server: null, elsewhere: null };
}

/** A sidecar elsewhere, where one is named; what the command line says goes before the environment. */
async function remoteDoor(call: Call, terminal: Terminal): Promise<Door | null> {
  const fromEnvironment = call.has('state-dir') ? undefined : terminal.env.NLB_SERVER;
  const where = call.text('server') ?? fromEnvironment ?? null;
  if (where === null) return null;
  const tokenPath = call.text('token-file') ?? terminal.env.NLB_TOKEN_FILE ?? null;
  // TLS is loaded for it alone: without, a verb is there in less time.
  const { remoteServer } = await import('./remote.js');
  const server = remoteServer(where, tokenPath, call.text('ca-file'));
  return { socketPath: server.url.href.replace(/\/$/, ''), server, elsewhere: null };
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

async function chosen(
  sockets: readonly string[],
  wanted: string,
  directory: string,
  patience: Patience,
): Promise<Door> {
  const statuses = await Promise.all(sockets.map((socket) => statusOf(here(socket), patience).catch(() => null)));
  const index = statuses.findIndex((status) => status !== null && isWanted(status, wanted));
  if (index >= 0) return here(sockets[index]!);
  const answering = sockets.find((_, i) => statuses[i] !== null);
  if (answering !== undefined) return { ...here(answering), elsewhere: wanted };
  // Of one alone the client says what is wrong with it.
  if (sockets.length === 1) await statusOf(here(sockets[0]!), patience);
  throw new CliError(EXIT.unreachable, `Cannot ask for host ${wanted}: no sidecar under ${directory} answers`);
}

function isWanted(status: ClusterStatus, wanted: string): boolean {
  const self = status.hosts.find((host) => host.isThisHost);
  return status.thisHost === wanted || String(self?.priority) === wanted;
}
