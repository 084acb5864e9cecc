/**
 * Who is with whom: the hosts that hear each other (R1, R2), which of them share a file (R8, and files on offer), and
 * which wait out their damping (R11). Everything here follows from rows that all of them have, so all answer alike.
 */
import { buildContent, type Content, type Participant } from './content.js';
import type { Peer } from './peer.js';
import { DECISION_VERSION, PROTOCOL_VERSION } from './seal.js';
import { isWaitingHost, type KnownFile, ownRules, type ProtocolState, type Side } from './state.js';
import type { Fingerprint, HostName, Milliseconds } from './types.js';
import { findVisible } from './visible.js';

export function findSide(state: ProtocolState, nowMs: Milliseconds): Side {
  const { visible, deaf } = findVisible(state, nowMs);
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

/** What the members, this host's rows of them taken together, would decide by. */
export function contentOfSide(state: ProtocolState, nowMs: Milliseconds): Content {
  const { side } = state;
  let protocol: number = PROTOCOL_VERSION.highest;
  let decision: number = DECISION_VERSION.highest;
  const participants = side.members.map((name): Participant => {
    if (name === state.self) return { name, hostState: state.settings.hostState, rules: ownRules(state, nowMs) };
    const row = state.peers.get(name)!.row!;
    protocol = Math.min(protocol, row.protocolHigh);
    decision = Math.min(decision, row.decisionHigh);
    return { name, hostState: row.hostState, rules: row.rules };
  });
  return buildContent(side.known.file, side.known.fingerprint, participants, { protocol, decision });
}
