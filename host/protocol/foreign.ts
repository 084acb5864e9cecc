/**
 * A host that is started with another key, or as another cluster's, is not silent: what it sends cannot be verified, and its
 * Envoy answers but refuses what is handed to it. So it has no share to keep (R13). Another cluster may also merely share
 * its address, or somebody may use it: then the host itself is heard in between, and that counts for a while.
 */
import type { Peer } from './peer.js';
import { periodMs, type ProtocolState, toleranceMs } from './state.js';
import type { Milliseconds } from './types.js';

const SHARED_PERIODS = 20;

/** A verified packet of its own has come. */
export function noteOwnPacket(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  if (nowMs - peer.foreignMs < toleranceMs(state)) peer.sharedMs = nowMs;
  peer.foreignMs = Number.NEGATIVE_INFINITY;
}

export function isForeign(state: ProtocolState, nowMs: Milliseconds, peer: Peer): boolean {
  if (nowMs - peer.foreignMs >= toleranceMs(state)) return false;
  return !(peer.directMs - peer.sharedMs < SHARED_PERIODS * periodMs(state));
}
