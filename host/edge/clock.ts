/**
 * Time, as the sidecar is allowed to know it: a monotonic clock for every decision, and the wall clock for what people
 * read (log lines, "since ..."). A wall clock that jumps changes no decision, because no decision sees it.
 */
import type { Milliseconds } from '../protocol/types.js';

export interface Clock {
  /** Milliseconds since some moment of this process; never goes back. */
  nowMs(): Milliseconds;
  /** ISO 8601 in UTC, for people only. */
  wallIso(): string;
}

/** CLOCK_MONOTONIC (performance.now), which settimeofday and NTP steps leave alone. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallIso: () => new Date().toISOString(),
};
