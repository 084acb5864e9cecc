/**
 * R10, for the modes in which every host receives every packet and each kernel accepts by bucket: when a view comes in force
 * a host lets go at once of what it no longer owns, and takes what is newly its own once all who may still accept it are
 * seen to have let go, or are lost. Two hosts that accept one client would both answer it.
 *
 *     in force: let go ──all awaited hosts have let go──> `mayTake`: accept all that this host owns
 *
 * Nothing moves between survivors where a host is lost, so its buckets are taken at once: its own kernel stopped accepting
 * before anybody could call it lost (a lease that its signs of life renew). Through Envoy no such order is needed.
 */
import { confirms } from './checksum.js';
import { leaseMs } from './lease.js';
import type { Peer } from './peer.js';
import { lostAfterMs } from './probing.js';
import { hasHost, periodMs, type ProtocolState, toleranceMs } from './state.js';
import type { HostName, InForce, Milliseconds } from './types.js';

export interface LettingGo {
  /** Hosts whose kernel may still accept what is this host's by now, and since when. BOUNDED: hosts of the file. */
  awaited: Map<HostName, Milliseconds>;
  /**
   * This host was away: others may have taken what it owned. Each host that is seen has to decide by the very same, or by
   * nothing where it is outside, and to have heard this one since it had counted so far. A view above that number, which this
   * host can only have confirmed since, ends it too where all that are seen are in it.
   */
  absence: { sinceMs: Milliseconds; sequence: number; number: number } | null;
  /** `mayTake` was given for what is in force. */
  given: boolean;
  /** `mayTake` was given since this host was away: what its kernel accepts is its own, and the lease is renewed. */
  isSure: boolean;
}

export function newLettingGo(): LettingGo {
  return { awaited: new Map(), absence: null, given: false, isSure: false };
}

/** Something new is in force: who has to let go of something before this host takes it. */
export function awaitOwners(state: ProtocolState, nowMs: Milliseconds, before: InForce | null, now: InForce): void {
  const { lettingGo } = state;
  lettingGo.given = false;
  const isSameView = before?.view.checksum === now.view.checksum;
  const lost = now.lostSince.filter((name) => !before?.lostSince.includes(name));
  // Who is seen and merely agrees with others lives, and lets go when it follows.
  const names = isSameView
    ? lost.filter((name) => isSeen(state, name) || isNotHeardYet(state, name))
    : [...ownersIn(before), ...now.view.hosts.map((host) => host.name)];
  // One that was confirmed before may be waiting in the socket, agreed upon and given up by the others meanwhile.
  const isAbove = lettingGo.absence !== null && now.view.number > lettingGo.absence.number;
  // Hosts outside did not agree to it: they may have taken all that this one owned, or be about to give up its start before.
  if (isAbove && state.side.visible.every((name) => hasHost(now, name))) lettingGo.absence = null;
  for (const name of names) if (name !== state.self) lettingGo.awaited.set(name, nowMs);
}

/**
 * Before each event: a host that said nothing for longer than its lease was away, and others may have taken its buckets. So it
 * was where it accepts nothing yet: what it waited for is said by packets of before its absence too.
 */
export function noteLapse(state: ProtocolState, nowMs: Milliseconds): void {
  const { lastMs, lastPulseMs } = state.sending;
  if (nowMs - Math.max(lastMs, lastPulseMs) > leaseMs(periodMs(state))) awaitAfterAbsence(state, nowMs);
}

/** This host was away: a start, or a stall longer than its lease. */
export function awaitAfterAbsence(state: ProtocolState, nowMs: Milliseconds): void {
  state.lettingGo.given = false;
  state.lettingGo.isSure = false;
  // A host that knows no number, because its disk is lost, may confirm a view that the others have had for long.
  const number = state.highest.number || Number.POSITIVE_INFINITY;
  state.lettingGo.absence = { sinceMs: nowMs, sequence: state.sequence, number };
}

/** Looked at with every event: tells the edge once that this host may take all it owns. */
export function giveLeave(state: ProtocolState, nowMs: Milliseconds): void {
  const { lettingGo, inForce } = state;
  if (lettingGo.given || inForce === null || state.resumed || state.leaving !== null) return;
  for (const [name, sinceMs] of lettingGo.awaited) {
    if (hasLetGo(state, nowMs, inForce, name, sinceMs)) lettingGo.awaited.delete(name);
  }
  if (lettingGo.awaited.size > 0 || !isBack(state, nowMs, inForce)) return;
  lettingGo.given = true;
  lettingGo.isSure = true;
  state.effects.push({ kind: 'mayTake', checksum: state.inForceChecksum });
}

function hasLetGo(
  state: ProtocolState,
  nowMs: Milliseconds,
  inForce: InForce,
  name: HostName,
  sinceMs: Milliseconds,
): boolean {
  const peer = state.peers.get(name);
  // The file no longer lists it, so it is not heard any more; it hears this side and lets go as it follows.
  if (peer === undefined) return isOver(state, nowMs, sinceMs);
  if (isNotHeardYet(state, name)) return nowMs - sinceMs >= lostAfterMs(periodMs(state));
  if (peer.left || !isSeen(state, name) || saysSo(inForce, peer)) return true;
  return isOver(state, nowMs, sinceMs) && isNoNewer(inForce, peer);
}

/** Nobody took what this host owned while it was away, or it has met them again. */
function isBack(state: ProtocolState, nowMs: Milliseconds, inForce: InForce): boolean {
  const { absence } = state.lettingGo;
  if (absence === null) return true;
  const names = inForce.view.hosts.map(({ name }) => name).filter((name) => !inForce.lostSince.includes(name));
  return [...new Set([...names, ...state.side.visible])].every((name) => {
    const peer = state.peers.get(name);
    if (peer === undefined || peer.left) return true;
    if (isSeen(state, name) && hasMet(state, peer, absence.sequence) && isAlike(state, inForce, peer)) return true;
    return isOver(state, nowMs, absence.sinceMs) && (!isSeen(state, name) || isNoNewer(inForce, peer));
  });
}

/** A kernel that cannot let go is not renewed by its sidecar either, so a tolerance is enough. */
function isOver(state: ProtocolState, nowMs: Milliseconds, sinceMs: Milliseconds): boolean {
  return nowMs - sinceMs >= toleranceMs(state);
}

/** Who has gone on to a newer view takes this host with it. */
function isNoNewer({ view }: InForce, { row }: Peer): boolean {
  return row === null || row.confirmedNumber <= view.number;
}

function isSeen(state: ProtocolState, name: HostName): boolean {
  return state.side.visible.includes(name);
}

/** Since a start of this host nothing tells whether it is dead: another that was started too may have left it out unheard. */
function isNotHeardYet(state: ProtocolState, name: HostName): boolean {
  return state.peers.get(name)?.advancedMs === null;
}

/** In the view it says that its Envoy and kernel have it; outside, it confirms none once it has let go of all. */
function saysSo(inForce: InForce, { config, row }: Peer): boolean {
  if (!hasHost(inForce, config.name)) return row!.confirmedNumber === 0;
  return confirms(row!, inForce.view) && row!.phase === 'taken';
}

/** It names this host as it is since its absence, so its patience counts from a word of since then. */
function hasMet(state: ProtocolState, { said }: Peer, sequence: number): boolean {
  const mine = said?.rows.find((row) => row.nameHash === state.selfHash);
  return mine !== undefined && mine.instance === state.instance && mine.sequence > sequence;
}

/** It says so itself. Outside, with another file, it cannot decide by the very same, and confirms none once it has let go. */
function isAlike(state: ProtocolState, inForce: InForce, { config, said }: Peer): boolean {
  const { row, inForceChecksum } = said!;
  if (row.confirmedNumber === 0 && !hasHost(inForce, config.name)) return true;
  return inForceChecksum === state.inForceChecksum && (row.phase === 'taken' || row.confirmedNumber === 0);
}

/** Those that own something: they take part in a rule, or are the default host. */
function ownersIn(inForce: InForce | null): HostName[] {
  if (inForce === null) return [];
  const left = inForce.view.hosts.filter(({ name }) => !inForce.lostSince.includes(name));
  const owners = left.filter(({ rules }, index) => index === 0 || rules.some(({ absence }) => absence === null));
  return owners.map(({ name }) => name);
}
