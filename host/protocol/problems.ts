/**
 * What an administrator has to mend: each thing once, with its first time, whose doing it is, both values and what to do.
 * What packets show again and again is on the list as long as they do.
 */
import type { NoticeCause } from './events.js';
import { notice, periodMs, type ProtocolState } from './state.js';
import type { HostName, Milliseconds } from './types.js';

export interface Problem {
  sinceMs: Milliseconds;
  /** When it was last seen to be so. */
  seenMs: Milliseconds;
  /** What makes two of them the same one. */
  key: string;
  cause: NoticeCause;
  host: HostName | null;
  text: string;
  todo: string;
}

/** BOUNDED: the list, newest first; one more drops the oldest. */
export const PROBLEMS_MAX = 50;

/** Differing files are named every five periods at most; four of them may be lost before it counts as mended. */
const SEEN_PERIODS_MAX = 20;
/** Those that packets show. The others are taken off by what mends them. */
const SHOWN_BY_PACKETS: readonly NoticeCause[] = ['contradiction', 'unverified', 'claimedName', 'disagreement'];

export interface Said {
  cause: NoticeCause;
  host: HostName | null;
  text: string;
  todo: string;
  /** @default the text */
  key?: string;
}

/** Lists a thing that has to be mended, and says it; what is listed already is only seen again. */
export function problem(state: ProtocolState, nowMs: Milliseconds, said: Said): void {
  const { cause, host, text, todo, key = text } = said;
  const known = state.problems.find((each) => each.key === key);
  if (known !== undefined) {
    Object.assign(known, { seenMs: nowMs, text, todo });
    return;
  }
  state.problems.unshift({ sinceMs: nowMs, seenMs: nowMs, key, cause, host, text, todo });
  if (state.problems.length > PROBLEMS_MAX) state.problems.pop();
  notice(state, nowMs, cause, host, text, todo);
}

/** Takes those off the list whose keys begin so. */
export function solved(state: ProtocolState, beginning: string): void {
  if (state.problems.length === 0) return;
  state.problems = state.problems.filter(({ key }) => !key.startsWith(beginning));
}

/** With each tick: what no packet has shown for long is no more. */
export function forgetUnseen(state: ProtocolState, nowMs: Milliseconds): void {
  if (state.problems.length === 0) return;
  const maxMs = SEEN_PERIODS_MAX * periodMs(state);
  state.problems = state.problems.filter(
    ({ cause, seenMs }) => !SHOWN_BY_PACKETS.includes(cause) || nowMs - seenMs < maxMs,
  );
}
