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

const HOLDER_PART = 0.75;
/** A pulse, and one turn of the event loop that came too late for the next. */
const LAST_PACKET_PERIODS = 0.2;
/** Renewals in a lease: three may come late. */
const RENEWALS = 4;

/**
 * The same for the holder of mode arp, renewed by a clock of its own and not with a packet: the last packet may be as old as a
 * pulse when the sidecar stops. 750 ms at the default period, never under 322.
 *
 *     last renewal               lease over            others take, at the earliest
 *     |──────── 0.75 ────────────|──────── 0.25 ───────|
 *
 * The quarter is for a renewal that was on its way when the sidecar stopped.
 */
export function holderLeaseMs(periodMs: Milliseconds): Milliseconds {
  return Math.floor((lostAfterMs(periodMs) - periodMs * LAST_PACKET_PERIODS) * HOLDER_PART);
}

const PERMIT_PART = 0.5;

/**
 * Mode arp: whoever begins to take the virtual IPs has them in its kernel within this, or not at all. Others ask whether
 * anybody answers for them no sooner after its last sign of life, so they see what it took. 600 ms at the default period,
 * never under 225.
 */
export function permitMs(periodMs: Milliseconds): Milliseconds {
  return Math.floor(lostAfterMs(periodMs) * PERMIT_PART);
}

export function renewEveryMs(periodMs: Milliseconds): Milliseconds {
  return Math.floor(holderLeaseMs(periodMs) / RENEWALS);
}
