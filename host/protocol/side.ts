/**
 * Who is with whom: the hosts that hear each other (R1, R2), which of them share a file (R8, and files on offer), and
 * which wait out their damping (R11). Everything here follows from rows that all of them have, so all answer alike.
 */
import type { Peer } from './peer.js';
import { isWaitingHost, type KnownFile, type ProtocolState, type Side, toleranceMs } from './state.js';
import type { Fingerprint, HostName, Milliseconds } from './types.js';

export function findSide(state: ProtocolState, nowMs: Milliseconds): Side {
  const { visible, deaf: unheard } = findVisible(state);
  const deaf = [...unheard, ...findEcholess(state, nowMs)];
  const files = chooseFile(state, visible);
  const alone = { visible, deaf, known: state.known };
  const winner = strongerGroup(state, visible, files.members);
  if (winner !== null) {
    const adopted = state.offer?.fingerprint.startsWith(winner.file) ?? false;
    if (adopted) return { ...alone, known: state.offer!, members: [...winner.names, state.self], outside: null };
    const reason = `this host's file is ${state.known.fingerprint}, ${winner.names.join(', ')} agree on ${winner.file}...`;
    return { ...alone, members: winner.names, outside: { reason, sameFile: false } };
  }
  const inside = files.members.filter((name) => !isWaiting(state, name, nowMs));
  const isInside = inside.includes(state.self);
  if (isInside || inside.length === 0) {
    return { ...alone, known: files.known, members: isInside ? inside : files.members, outside: null };
  }
  const seconds = Math.ceil((state.hostDamper.waitUntilMs - nowMs) / 1000);
  const reason = `comes and goes: back in ${seconds} s; nlb start --now`;
  return { ...alone, known: files.known, members: inside, outside: { reason, sameFile: true } };
}

/**
 * The hosts from which something reaches this one and which something of this one reaches. Real networks are neither
 * symmetric nor transitive: A-B-C-D in a line is one cluster, a host that hears none of us is deaf.
 */
function findVisible(state: ProtocolState): { visible: HostName[]; deaf: HostName[] } {
  const reachUs = new Set<HostName>([state.self]);
  const queue: HostName[] = [];
  for (const peer of state.peers.values()) if (peer.link !== 'none') queue.push(peer.config.name);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const peer = state.peers.get(name);
    if (reachUs.has(name) || peer === undefined || peer.row === null || peer.left) continue;
    reachUs.add(name);
    if (peer.link !== 'held') queue.push(...peer.hears);
  }
  const both = new Set<HostName>([state.self]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const name of reachUs) {
      if (both.has(name) || ![...state.peers.get(name)!.hears].some((heard) => both.has(heard))) continue;
      both.add(name);
      grown = true;
    }
  }
  return { visible: [...both].sort(), deaf: [...reachUs].filter((name) => !both.has(name)).sort() };
}

/** Hosts whose packets arrive for a whole tolerance and never show that they hear this one (R2, R7). */
function findEcholess(state: ProtocolState, nowMs: Milliseconds): HostName[] {
  const names: HostName[] = [];
  for (const { candidate, config, link } of state.peers.values()) {
    if (candidate === null || link !== 'none' || nowMs - candidate.lastMs > toleranceMs(state)) continue;
    if (candidate.lastMs - candidate.firstMs >= toleranceMs(state)) names.push(config.name);
  }
  return names;
}

/** Hosts with a file in common with this one; on the offered file as soon as each of them has or offers it. */
function chooseFile(state: ProtocolState, visible: HostName[]): { members: HostName[]; known: KnownFile } {
  const having = (fingerprint: Fingerprint) => visible.filter((name) => hasFile(state, name, fingerprint.slice(0, 4)));
  const current = having(state.known.fingerprint);
  if (state.offer === null) return { members: current, known: state.known };
  const offered = having(state.offer.fingerprint);
  if (current.every((name) => offered.includes(name))) return { members: offered, known: state.offer };
  return { members: current, known: state.known };
}

function hasFile(state: ProtocolState, name: HostName, head: string): boolean {
  if (name === state.self) {
    return state.known.fingerprint.startsWith(head) || (state.offer?.fingerprint.startsWith(head) ?? false);
  }
  const row = state.peers.get(name)!.row!;
  return row.file === head || (row.offered === head && row.offered !== '0000');
}

function isWaiting(state: ProtocolState, name: HostName, nowMs: Milliseconds): boolean {
  if (name === state.self) return isWaitingHost(state, nowMs);
  return state.peers.get(name)!.row!.waiting;
}

interface Group {
  file: string;
  names: HostName[];
}

/** The group that wins over this host's own (R8), or null where its own wins or is the only one. */
function strongerGroup(state: ProtocolState, visible: HostName[], own: HostName[]): Group | null {
  const groups = new Map<string, HostName[]>();
  for (const name of visible) {
    if (own.includes(name)) continue;
    const { file } = state.peers.get(name)!.row!;
    groups.set(file, [...(groups.get(file) ?? []), name]);
  }
  let best: Group = { file: state.known.fingerprint.slice(0, 4), names: own };
  for (const [file, names] of groups) {
    if (isStronger(state, { file, names }, best)) best = { file, names };
  }
  return best.names === own ? null : best;
}

/** Higher config revision, then larger, then more hosts of the last view, then the lowest priority number. */
function isStronger(state: ProtocolState, a: Group, b: Group): boolean {
  const rankA = rank(state, a.names);
  const rankB = rank(state, b.names);
  for (let i = 0; i < rankA.length; i++) {
    if (rankA[i]! !== rankB[i]!) return rankA[i]! > rankB[i]!;
  }
  return a.file < b.file;
}

function rank(state: ProtocolState, names: HostName[]): number[] {
  const peers = names.map((name) => state.peers.get(name)).filter((peer) => peer !== undefined) as Peer[];
  const revision = peers.reduce((most, peer) => Math.max(most, peer.said?.revision ?? 0), 0);
  const numbers = peers.map((peer) => peer.row!.confirmedNumber);
  if (names.includes(state.self)) numbers.push(state.confirmed?.number ?? 0);
  const last = Math.max(0, ...numbers);
  const ofLastView = last === 0 ? 0 : numbers.filter((number) => number === last).length;
  const priorities = peers.map((peer) => peer.config.priority);
  if (names.includes(state.self)) priorities.push(ownPriority(state));
  return [revision, names.length, ofLastView, -Math.min(...priorities)];
}

export function ownPriority(state: ProtocolState): number {
  return state.known.file.hosts.find((host) => host.name === state.self)?.priority ?? 32;
}
