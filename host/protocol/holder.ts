/**
 * Mode arp: which host holds the virtual IPs. All of them are on one host. Pure, and the same on every host, because it goes by
 * what the rows say:
 *
 *     holds ──stopped, outlived by another holder, or another takes part and it does not──> lets go, then says so
 *       ^
 *       └── nobody holds, and this host is the first of those who can: of those in the view, or where none of them ever can,
 *           of those that were in one with the file they still have (a change of mode, docs/decisions/0027)
 *
 * The holder keeps them while it is in the view. It lets go in the kernel before it says so, and whoever takes them does so
 * after that was heard; where it cannot say so, its lease has run out before anybody calls it lost (lease.ts).
 */
import type { HolderClaim } from './holder-claim.js';
import { permitMs } from './lease.js';
import { isSilent } from './probing.js';
import { hasHost, periodMs, type ProtocolState } from './state.js';
import type { HostName, HostPriority, LinkSettings, Milliseconds } from './types.js';

/**
 * How well a host can hold: 3 started and takes part in a rule, 2 started, 1 drains (its open connections still need an
 * entry where nobody else is left), 0 not at all.
 */
export type Grade = 0 | 1 | 2 | 3;

/** A host whose sidecar is heard: in the view or, after a split, just met again. */
export interface Contender extends HolderClaim {
  name: HostName;
  priority: HostPriority;
  grade: Grade;
  /** In the view in force and not lost since. */
  isIn: boolean;
  /** True where it hears this host; of this host itself, true. */
  hearsUs: boolean;
  /** It has been silent for some time and is asked whether it lives. */
  isSuspected: boolean;
  /** The wish is its own word; of a host that is only heard through others it is not known, and `none` stands for it. */
  isWishKnown: boolean;
}

export type HolderStep =
  | { kind: 'keep' }
  | { kind: 'take'; why: string }
  | { kind: 'letGo'; why: string }
  /** Somebody else's, or nobody's who is here. */
  | { kind: 'leave' };

/**
 * @param from  whom the virtual IPs came from last, for the sentence; null where nobody is known
 */
export function holderStep(self: HostName, contenders: readonly Contender[], from: HostName | null): HolderStep {
  const own = contenders.find(({ name }) => name === self);
  if (own === undefined) return { kind: 'leave' };
  if (own.holds) return whileHolding(own, contenders);
  const holder = contenders.find(({ holds }) => holds);
  if (holder !== undefined) return { kind: 'leave' };
  const isOutside = !own.isIn && isViewUnable(contenders);
  if (firstOf(contenders, isOutside)?.name !== self) return { kind: 'leave' };
  if (isOutside) return { kind: 'take', why: 'no host of the view can hold them' };
  const why = own.wish === 'wants' ? 'it is to have them' : 'it is the first that can hold them';
  return { kind: 'take', why: from === null || from === self ? why : `${from} does not hold them any more and ${why}` };
}

function whileHolding(own: Contender, contenders: readonly Contender[]): HolderStep {
  const others = contenders.filter(({ name }) => name !== own.name);
  if (own.grade === 0) return { kind: 'letGo', why: 'this host is stopped' };
  // After a split both sides hold them. Who is not heard by the other is the one that was given up.
  const stronger = others.find(({ holds, hearsUs, priority }) => holds && (!hearsUs || priority < own.priority));
  if (stronger !== undefined) {
    const because = stronger.hearsUs ? 'has the higher priority' : 'does not hear this host';
    return { kind: 'letGo', why: `host ${stronger.name} holds them as well and ${because}` };
  }
  // Outside it goes by what the others say themselves: one in mode routed never takes them.
  const next = firstOf(own.isIn ? others : others.filter(({ isWishKnown }) => isWishKnown));
  if (next === null) return { kind: 'keep' };
  if (own.wish === 'unable') return { kind: 'letGo', why: 'this host cannot hold them now' };
  if (next.wish === 'wants') return { kind: 'letGo', why: `host ${next.name} is to have them` };
  if (!own.isIn) return { kind: 'letGo', why: 'this host is not in the view' };
  if (next.grade > own.grade) return { kind: 'letGo', why: `host ${next.name} takes part and this host does not` };
  return { kind: 'keep' };
}

/** All of its hosts that are heard say so themselves: in mode routed they never can. */
function isViewUnable(contenders: readonly Contender[]): boolean {
  const inView = contenders.filter(({ isIn }) => isIn);
  return inView.length > 0 && inView.every(({ wish, isWishKnown }) => isWishKnown && wish === 'unable');
}

/** A view is there and this host is not in it. Where it never was, it takes nothing, and others need not leave it to this host. */
export function isOutsider(self: HostName, contenders: readonly Contender[]): boolean {
  return contenders.some(({ isIn }) => isIn) && !contenders.some(({ name, isIn }) => isIn && name === self);
}

function canTake({ wish, grade }: Contender): boolean {
  return wish !== 'unable' && grade > 0;
}

/**
 * Who is to have them where nobody holds: whoever wants them, then who takes part, then the highest priority.
 *
 * @param isOutside  of the hosts that are outside, in the place of those in the view
 */
function firstOf(contenders: readonly Contender[], isOutside = false): Contender | null {
  const able = contenders.filter((one) => one.isIn !== isOutside && canTake(one));
  const rank = (one: Contender): number => (one.wish === 'wants' ? 4 : one.grade);
  return able.sort((a, b) => rank(b) - rank(a) || a.priority - b.priority)[0] ?? null;
}

/**
 * Whether this host asks for the virtual IPs back because it has the highest priority of those who can hold them.
 *
 * @param minuteOfDay  0-1439, local time of this host
 */
export function wantsBack(
  self: HostName,
  contenders: readonly Contender[],
  failback: LinkSettings['failback'],
  minuteOfDay: number,
): boolean {
  if (failback === 'never') return false;
  if (failback !== 'immediate' && !isWithin(failback, minuteOfDay)) return false;
  const able = contenders
    .filter((one) => one.isIn && canTake(one) && one.grade === 3)
    .sort((a, b) => a.priority - b.priority);
  const holder = contenders.find(({ holds }) => holds);
  return able[0]?.name === self && holder !== undefined && holder.name !== self;
}

/** A window may reach over midnight: 23:00-02:00. */
function isWithin({ fromMinute, toMinute }: { fromMinute: number; toMinute: number }, minute: number): boolean {
  if (fromMinute < toMinute) return minute >= fromMinute && minute < toMinute;
  return minute >= fromMinute || minute < toMinute;
}

/** The holder as this host sees it; of two, who will keep them. */
export function holderSeen(contenders: readonly Contender[]): HostName | null {
  const holding = contenders.filter(({ holds }) => holds).sort((a, b) => a.priority - b.priority);
  return holding[0]?.name ?? null;
}

/**
 * Who is silent may have begun to take the virtual IPs with its last packet. Whether anybody answers for them shows from then on:
 * what was begun is in its kernel by now, or never.
 */
export function countsFromMs(state: ProtocolState): Milliseconds {
  const silent = [...state.peers.values()].filter((peer) => !peer.left && (peer.link !== 'heard' || peer.suspicion));
  return Math.max(...silent.map(({ directMs }) => directMs), Number.NEGATIVE_INFINITY) + permitMs(periodMs(state));
}

/** The last sign of life of this host, which all others can have heard. */
export function saidMs({ sending }: ProtocolState): Milliseconds {
  return Math.max(sending.lastMs, sending.lastPulseMs);
}

/** Everybody whose sidecar is heard, with this host, by ascending priority. */
export function contendersOf(state: ProtocolState, nowMs: Milliseconds): Contender[] {
  return state.known.file.hosts.flatMap(({ name, priority }) => {
    const said = name === state.self ? ownSaid(state) : peerSaid(state, nowMs, name);
    return said === null ? [] : [{ name, priority, ...said, isIn: isIn(state, name) }];
  });
}

type Said = Omit<Contender, 'name' | 'priority' | 'isIn'>;

function ownSaid(state: ProtocolState): Said {
  const { hostState } = state.settings;
  const grade = gradeOf(state, state.self, hostState);
  return { ...state.claim, grade, hearsUs: true, isSuspected: false, isWishKnown: true };
}

function peerSaid(state: ProtocolState, nowMs: Milliseconds, name: HostName): Said | null {
  const peer = state.peers.get(name)!;
  const { row } = peer;
  if (row === null || peer.left || peer.link === 'held' || isSilent(state, nowMs, peer)) return null;
  if (peer.link === 'none' && !(isIn(state, name) && state.side.visible.includes(name))) return null;
  const wish = peer.link === 'heard' ? peer.said?.wish : undefined;
  return {
    holds: peer.hears.has(name),
    wish: wish ?? 'none',
    isWishKnown: wish !== undefined,
    grade: gradeOf(state, name, row.hostState),
    // One that was just met again does not list us yet.
    hearsUs: peer.deafSinceMs === null || nowMs - peer.deafSinceMs < periodMs(state),
    isSuspected: peer.suspicion !== null,
  };
}

/** A host that goes on with the view of its earlier life has not met the others: it takes nothing yet. */
function isIn(state: ProtocolState, name: HostName): boolean {
  const { inForce, resumed, side } = state;
  if (inForce === null || resumed) return false;
  if (name === state.self && side.outside !== null) return false;
  return hasHost(inForce, name);
}

function gradeOf(state: ProtocolState, name: HostName, hostState: string): Grade {
  if (hostState === 'draining') return 1;
  if (hostState !== 'started') return 0;
  const host = state.inForce?.view.hosts.find((each) => each.name === name);
  return host?.rules.some(({ absence }) => absence === null) ? 3 : 2;
}
