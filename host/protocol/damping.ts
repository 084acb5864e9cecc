/**
 * Damping of what comes and goes (R11): a host that returns to the cluster, a service that is up again. Whoever returns
 * damps itself and says so in its row, so that all hosts exclude it alike and no second opinion is needed.
 */
import type { Milliseconds } from './types.js';

export const FIRST_WAIT_MS = 10_000;
export const WAIT_MAX_MS = 300_000;
export const FORGET_AFTER_MS = 600_000;

export interface Damper {
  /** Returns that still count. */
  returnCount: number;
  lastReturnMs: Milliseconds;
  /** Stays out until then; 0 where nothing is waited for. */
  waitUntilMs: Milliseconds;
}

/** Of the service of a port rule, on this host. */
export interface RuleDamper extends Damper {
  /** It has been up since this host came to the rule: only what was there returns. */
  wasUp: boolean;
}

export function newRuleDamper(wasUp: boolean, nowMs: Milliseconds): RuleDamper {
  return { ...newDamper(0, nowMs), wasUp };
}

export function newDamper(returnCount: number, nowMs: Milliseconds): Damper {
  return { returnCount, lastReturnMs: nowMs, waitUntilMs: 0 };
}

/** Counts a return. The first one is free, the second waits 10 s, each further one twice as long, at most 5 min. */
export function noteReturn(damper: Damper, nowMs: Milliseconds): void {
  if (nowMs - damper.lastReturnMs >= FORGET_AFTER_MS) damper.returnCount = 0;
  damper.returnCount = Math.min(damper.returnCount + 1, 16);
  damper.lastReturnMs = nowMs;
  if (damper.returnCount < 2) return;
  const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (damper.returnCount - 2), WAIT_MAX_MS);
  damper.waitUntilMs = nowMs + waitMs;
}

export function isWaiting(damper: Damper, nowMs: Milliseconds): boolean {
  return nowMs < damper.waitUntilMs;
}

/** Whole seconds until it is let back in, for messages. */
export function waitLeftS(damper: Damper, nowMs: Milliseconds): number {
  return Math.ceil((damper.waitUntilMs - nowMs) / 1000);
}

/** It is in all the same: nobody else was there. Its returns still count. */
export function endWait(damper: Damper): void {
  damper.waitUntilMs = 0;
}

export function forgive(damper: Damper): void {
  damper.returnCount = 0;
  damper.waitUntilMs = 0;
}
