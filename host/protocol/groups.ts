/**
 * Which hosts share a file (R8). A host counts for the file it offers as soon as every host with its own present file
 * offers that too, and every host that is on its way to that: so the same new file pushed host by host is one change, and two
 * changes in a row leave nobody behind whose last word is of before the first. All of it follows from rows, so that every
 * host sorts the others alike.
 */
import type { Peer } from './peer.js';
import type { KnownFile, ProtocolState } from './state.js';
import type { HostName } from './types.js';

/** As rows name files: the first 4 hex digits of a fingerprint. */
type FileHead = string;
const NOTHING: FileHead = '0000';

export interface Group {
  file: FileHead;
  names: HostName[];
}

/** The group that the view is made of, with those who offer its file; a single host is a group too. */
export function strongestGroup(state: ProtocolState, visible: readonly HostName[]): Group {
  const isMoving = countsFor(state, visible, state.self) !== headOf(state.known);
  // Who is not in the file that comes in force here is not asked any more.
  const asked = isMoving ? visible.filter((name) => isListed(state.offer!, name)) : visible;
  const groups = new Map<FileHead, HostName[]>();
  for (const name of asked) {
    const file = countsFor(state, visible, name);
    groups.set(file, [...(groups.get(file) ?? []), name]);
  }
  let best: Group | null = null;
  for (const [file, names] of groups)
    if (best === null || isStronger(state, { file, names }, best)) best = { file, names };
  const { file } = best!;
  return {
    file,
    names: asked.filter((name) => countsFor(state, visible, name) === file || stated(state, name).offered === file),
  };
}

/** The file of that group, where this host has or offers it. */
export function knownFile(state: ProtocolState, group: Group): KnownFile | null {
  if (headOf(state.known) === group.file) return state.known;
  return state.offer !== null && headOf(state.offer) === group.file ? state.offer : null;
}

function countsFor(state: ProtocolState, visible: readonly HostName[], name: HostName): FileHead {
  const { file, offered } = stated(state, name);
  return offered !== NOTHING && isAgreed(state, visible, name, true) ? offered : file;
}

/**
 * True where all who share the present file of `name` offer what it offers.
 *
 * @param asksArriving  who is about to have that file shares it already
 */
function isAgreed(state: ProtocolState, visible: readonly HostName[], name: HostName, asksArriving: boolean): boolean {
  const { file, offered } = stated(state, name);
  const known = [state.offer, state.known].find((each) => each !== null && headOf(each) === offered);
  const leftBehind = known === state.offer ? (state.offer?.without ?? []) : [];
  return visible.every((other) => {
    const said = stated(state, other);
    const isArriving = () => asksArriving && said.offered === file && isAgreed(state, visible, other, false);
    // A host that the new file does not list will never offer it.
    if (said.offered === offered || leftBehind.includes(other)) return true;
    if (said.file !== file && !isArriving()) return true;
    return known != null && !isListed(known, other);
  });
}

function stated(state: ProtocolState, name: HostName): { file: FileHead; offered: FileHead } {
  const row = state.peers.get(name)?.row;
  if (row != null) return row;
  return { file: headOf(state.known), offered: state.offer === null ? NOTHING : headOf(state.offer) };
}

function headOf(known: KnownFile): FileHead {
  return known.fingerprint.slice(0, 4);
}

function isListed(known: KnownFile, name: HostName): boolean {
  return known.file.hosts.some((host) => host.name === name);
}

/** Higher config revision, then larger, then more hosts of the last view, then the lowest priority number. */
function isStronger(state: ProtocolState, a: Group, b: Group): boolean {
  const rankA = rank(state, a);
  const rankB = rank(state, b);
  for (let i = 0; i < rankA.length; i++) {
    if (rankA[i]! !== rankB[i]!) return rankA[i]! > rankB[i]!;
  }
  return a.file < b.file;
}

function rank(state: ProtocolState, { file, names }: Group): number[] {
  const peers = names.map((name) => state.peers.get(name)).filter((peer) => peer !== undefined) as Peer[];
  const own = names.includes(state.self) ? (knownFile(state, { file, names })?.revision ?? 0) : 0;
  const revision = peers.reduce((most, peer) => Math.max(most, peer.said?.revision ?? 0), own);
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
