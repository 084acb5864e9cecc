/** When a drain is over by itself, and what the log says then. */
import { counted } from '../counted.js';
import type { Milliseconds } from '../protocol/types.js';

/** Open connections as Envoy counted them. */
export interface OpenSeen {
  count: number;
  /** When it was asked. */
  atMs: Milliseconds;
}

/** For so long none may be seen: one may be between two Envoys in the moment of a look. */
const QUIET_MS = 250;

/** Whether nothing is open any more on a host to which nobody sends new connections. */
export class QuietDrain {
  private countsFromMs: Milliseconds | null = null;
  private quietSinceMs: Milliseconds | null = null;

  /**
   * @param seen   what Envoy said last: not counted where it was asked before the first call, or counted already
   * @param nowMs  of the first call: nothing new has come since
   */
  note(seen: OpenSeen | null, nowMs: Milliseconds): boolean {
    this.countsFromMs ??= nowMs;
    if (seen === null || seen.count > 0) {
      this.quietSinceMs = null;
      return false;
    }
    if (seen.atMs < this.countsFromMs) return false;
    this.quietSinceMs ??= seen.atMs;
    return seen.atMs - this.quietSinceMs >= QUIET_MS;
  }
}

export function drainEndText(leftCount: number | null): string {
  if (leftCount === 0) return 'the drain is over: no connection is open any more';
  const left = leftCount === null ? 'what is open' : counted(leftCount, 'open connection');
  return `the drain took as long as it may: ${left} end with Envoy`;
}
