/**
 * R11: who returns to the cluster counts it and damps itself, and says so in its row. Two ways lead back: a split that
 * heals, of which the weaker part returns, and an absence, after a start or a stall longer than the tolerance. A host
 * that slept for less was away for nobody: the others may have gone on without it, it takes up where it was.
 */
import { checksumHead } from './checksum.js';
import { checksumOf } from './content.js';
import { noteReturn, waitLeftS } from './damping.js';
import { ownPriority } from './groups.js';
import { backAs, type Peer } from './peer.js';
import { contentOfSide } from './side.js';
import { hasHost, isWaitingHost, notice, persist, type ProtocolState } from './state.js';
import type { HostName, Milliseconds } from './types.js';

/** @returns true where this host now waits, or counted a return */
export function noteReturns(state: ProtocolState, nowMs: Milliseconds): boolean {
  const isBackFromAbsence = noteAbsence(state, nowMs);
  const back = state.side.visible.filter((name) => state.lostFrom.has(name));
  if (back.length === 0) return isBackFromAbsence;
  const theirs = withTheirs(
    state,
    back.filter((name) => wasApart(state, nowMs, name)),
  );
  const isStronger = theirs.length === 0 || isStrongerPart(state, ownPart(state, theirs), theirs);
  for (const name of back) state.lostFrom.delete(name);
  notice(state, nowMs, 'hostBack', back[0]!, `${back.join(', ')} heard again${healed(theirs)}`);
  if (isStronger) {
    if (theirs.length > 0) meetOthers(state);
    return isBackFromAbsence;
  }
  count(state, nowMs);
  return true;
}

/** A host that was dead or stood still has had no view of its own: nothing was split then. */
function healed(apart: readonly HostName[]): string {
  if (apart.length === 0) return '';
  return `: a split is healed, in which ${[...apart].sort().join(', ')} had a view without this host`;
}

function count(state: ProtocolState, nowMs: Milliseconds): void {
  noteReturn(state.hostDamper, nowMs);
  state.comingBack.isReturned = true;
  meetOthers(state);
  persist(state);
  if (!isWaitingHost(state, nowMs)) return;
  const seconds = waitLeftS(state.hostDamper, nowMs);
  notice(state, nowMs, 'damped', state.self, `this host comes and goes: back in ${seconds} s; nlb start --now`);
}

/**
 * Who takes part no more in a view of before may have gone back to standby: it leaves nobody's place to one that is on standby
 * already, were that of the stronger part or not. Such a view may still be about to come in force.
 */
function meetOthers({ comingBack, confirmed, inForce }: ProtocolState): void {
  comingBack.metFrom = Math.max(confirmed?.number ?? 0, inForce?.view.number ?? 0);
}

/** And those of the lost whom they hear: one of a part may be heard before the others are. */
function withTheirs({ peers, lostFrom }: ProtocolState, names: readonly HostName[]): HostName[] {
  const heard = names.flatMap((name) => [...peers.get(name)!.hears].filter((each) => lostFrom.has(each)));
  const inPart = heard.filter((name) => {
    const peer = peers.get(name)!;
    return !isJustStarted(peer, agreedNumber(peer), lostFrom.get(name)!);
  });
  return [...new Set([...names, ...inPart])];
}

/** This host's part of a split: whom it serves with, by what is in force, save whom it has only just taken in. */
function ownPart(state: ProtocolState, theirs: readonly HostName[]): HostName[] {
  const { inForce, lostFrom, peers } = state;
  const since = Math.max(...theirs.map((name) => lostFrom.get(name)!));
  const names = (inForce?.view.hosts ?? []).map((host) => host.name).filter((name) => hasHost(inForce!, name));
  return names.filter((name) => {
    const peer = peers.get(name);
    return peer === undefined || !isJustStarted(peer, agreedNumber(peer), since);
  });
}

/**
 * It was started since it was lost, and has agreed on no view since: it is about to, with whomever it meets first. Both parts
 * of a split have that from its own word, so it brings weight to neither.
 */
function isJustStarted({ row, lostInstance }: Peer, agreed: number, since: number): boolean {
  return agreed <= since && lostInstance !== null && row?.instance !== lostInstance;
}

/** The newest view that it is known to have in force. */
function agreedNumber({ row, said }: Peer): number {
  const told = row?.phase === 'converged' || row?.phase === 'taken' ? row.confirmedNumber : 0;
  return Math.max(told, said?.inForceNumber ?? 0);
}

/**
 * True where a host that was lost had made a view without this one meanwhile. One that only stood still had not: what it
 * confirms is the view it was lost from, or already the next one with both.
 */
function wasApart(state: ProtocolState, nowMs: Milliseconds, name: HostName): boolean {
  const peer = state.peers.get(name)!;
  const row = peer.row!;
  if (row.phase === 'starting' || row.waiting) return false;
  const { number, head, agreed } = peer.backAs ?? backAs(row, agreedNumber(peer));
  const lostFrom = state.lostFrom.get(name)!;
  if (number <= lostFrom) return false;
  // Nor had one that was started since: it is about to agree on its first view with whomever it meets.
  if (isJustStarted(peer, agreed, lostFrom)) return false;
  // It may be taking this host in already, from a view that it had agreed on meanwhile.
  return !isOurs(state, nowMs, number, head) || (agreed > lostFrom && agreed < number);
}

/** After an absence: the others agreed on a view without this host, so it was lost and returns. */
function noteAbsence(state: ProtocolState, nowMs: Milliseconds): boolean {
  const { absence } = state;
  state.isUnsure = false;
  if (absence === null) return false;
  const peers = state.side.visible.flatMap((name) => state.peers.get(name) ?? []);
  const rows = peers.flatMap(({ row }) => row ?? []);
  const agreed = rows.filter((row) => row.phase === 'converged' || row.phase === 'taken');
  if (state.resumed && agreed.length > 0) state.resumed = false;
  const newer = agreed.filter((row) => row.confirmedNumber > absence.viewNumber);
  if (newer.length === 0) {
    if (nowMs >= absence.untilMs) {
      state.absence = null;
      return false;
    }
    return noteConverging(state, nowMs, peers, absence.viewNumber);
  }
  state.absence = null;
  if (newer.some((row) => isOurs(state, nowMs, row.confirmedNumber, row.confirmedHead))) return false;
  count(state, nowMs);
  return true;
}

/**
 * The others are about to agree on a newer view. Where it is one with this host, after one that they have agreed on since, they
 * take it in again. Where it is another one, this host confirms nothing before it knows whether it was in that.
 */
function noteConverging(state: ProtocolState, nowMs: Milliseconds, peers: readonly Peer[], before: number): boolean {
  for (const { row, said } of peers) {
    if (row?.phase !== 'converging' || row.confirmedNumber <= before) continue;
    if (!isOurs(state, nowMs, row.confirmedNumber, row.confirmedHead)) {
      state.isUnsure = true;
      continue;
    }
    if ((said?.inForceNumber ?? 0) <= before) continue;
    state.absence = null;
    state.isUnsure = false;
    count(state, nowMs);
    return true;
  }
  return false;
}

/** What this host would confirm under that number, with all that it sees: then the view is one with this host. */
function isOurs(state: ProtocolState, nowMs: Milliseconds, number: number, head: number): boolean {
  return checksumHead(checksumOf(contentOfSide(state, nowMs), number)) === head;
}

function isStrongerPart(state: ProtocolState, mine: HostName[], theirs: HostName[]): boolean {
  const others = mine.filter((name) => !theirs.includes(name));
  if (others.length !== theirs.length) return others.length > theirs.length;
  const priority = (name: HostName) => state.peers.get(name)?.config.priority ?? ownPriority(state);
  return Math.min(...others.map(priority)) < Math.min(...theirs.map(priority));
}
