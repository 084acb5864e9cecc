/**
 * How far this host has come back: with `failback: slowly 10m` it takes its weights in eighths over that time, after it was
 * started or its Envoy was. What that does to a rule's weight is worked out alike on every host (protocol/content.ts).
 */
import type { Milliseconds } from './protocol/types.js';

const EIGHTHS = 8;

export class Returning {
  private sinceMs: Milliseconds | null = null;

  /** This host comes back now: its Envoy was not serving before. */
  begin(nowMs: Milliseconds): void {
    this.sinceMs = nowMs;
  }

  /** `nlb start --now`. */
  end(): void {
    this.sinceMs = null;
  }

  /** @returns 1-7 eighths of `longestMs`, the longest time in the file; 0: all the way back */
  eighths(longestMs: Milliseconds, nowMs: Milliseconds): number {
    if (this.sinceMs === null || nowMs - this.sinceMs >= longestMs) {
      this.sinceMs = null;
      return 0;
    }
    return 1 + Math.floor(((EIGHTHS - 1) * (nowMs - this.sinceMs)) / longestMs);
  }
}
