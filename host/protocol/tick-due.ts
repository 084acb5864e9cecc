/**
 * When the machine wants a tick that does not wait for the next tenth of a period: somebody has been silent for long enough, or
 * a change that came right after another may be told. Where each host found that out at its next tick, all would wait for the
 * latest of them, and with eight hosts one is nearly always a whole tick late.
 */
import { silenceDueMs } from './probing.js';
import { sendingDueMs } from './sending.js';
import type { ProtocolState } from './state.js';
import type { Milliseconds } from './types.js';

/** @returns at least 1; Infinity where the next tick does */
export function tickDueMs(state: ProtocolState, nowMs: Milliseconds): Milliseconds {
  return Math.max(1, Math.min(silenceDueMs(state, nowMs), sendingDueMs(state, nowMs)));
}
