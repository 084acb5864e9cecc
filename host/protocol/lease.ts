/**
 * How long a kernel goes on claiming traffic after the last sign of life of its sidecar: less than others take at the
 * soonest to call this host lost and take what was its own. So a sidecar that is killed, frozen or out of memory never
 * leaves two hosts that answer one client.
 */
import { lostAfterMs } from './probing.js';
import type { Milliseconds } from './types.js';

/** The rest is for clocks that drift and for a packet that took no time at all to arrive. */
const LEASE_PART = 0.9;

/** Counted from when a packet that others hear was sent; 1,080 ms at the default period, never under 405. */
export function leaseMs(periodMs: Milliseconds): Milliseconds {
  return Math.floor(lostAfterMs(periodMs) * LEASE_PART);
}
