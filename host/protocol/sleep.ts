/**
 * R9: a host that stood still declares nobody dead when it wakes up. Silence is counted in time that this host was awake:
 * what it slept is added to every time stamp that silence is judged by, so that it goes on where it was. Nothing starts
 * anew with every late turn of a busy machine, or a dead host would never be found there.
 */
import { knock } from './probing.js';
import { notice, periodMs, type ProtocolState, toleranceMs } from './state.js';
import type { Milliseconds } from './types.js';

/** A gap between two events counts as awake up to half a period, and no less than a busy machine takes now and then. */
const AWAKE_PERIODS = 0.5;
const AWAKE_MIN_MS = 100;
/** From here on it is a stall, and said. */
const STALL_PERIODS = 2;

/** Of a state that has just begun. */
export function keepingTime(nowMs: Milliseconds): Pick<ProtocolState, 'lastEventMs' | 'lastGraceMs' | 'stalls'> {
  return { lastEventMs: nowMs, lastGraceMs: Number.NEGATIVE_INFINITY, stalls: null };
}

/** Before each event: ticks come every tenth of a period, so a longer gap means that this host was late itself. */
export function noteSleep(state: ProtocolState, nowMs: Milliseconds): void {
  const gapMs = nowMs - state.lastEventMs;
  state.lastEventMs = nowMs;
  noteKeepingTime(state, nowMs, gapMs);
  const sleptMs = gapMs - Math.max(periodMs(state) * AWAKE_PERIODS, AWAKE_MIN_MS);
  if (sleptMs <= 0) return;
  if (state.graceUntilMs > nowMs - gapMs) state.graceUntilMs += sleptMs;
  for (const peer of state.peers.values()) {
    peer.directMs += sleptMs;
    peer.toldMs += sleptMs;
    peer.silentSinceMs += sleptMs;
    if (peer.advancedMs !== null) peer.advancedMs += sleptMs;
    if (peer.deafSinceMs !== null) peer.deafSinceMs += sleptMs;
    const { suspicion } = peer;
    if (suspicion !== null) suspicion.sinceMs += sleptMs;
    // The knock that was open has run out here, whatever its Envoy said.
    if (peer.openKnocks === 0) continue;
    if (suspicion !== null && suspicion.envoyAnswered !== true) suspicion.envoyAnswered = null;
    knock(state, nowMs, peer);
  }
  if (gapMs > STALL_PERIODS * periodMs(state)) noteStall(state, nowMs, gapMs);
}

/** Packets to this host may be gone, so everybody is heard anew; at most once in a tolerance, however it stutters. */
function noteStall(state: ProtocolState, nowMs: Milliseconds, gapMs: Milliseconds): void {
  notice(state, nowMs, 'lateTick', state.self, `this sidecar stood still for ${Math.round(gapMs)} ms`);
  const { sinceMs, count, stoodMs } = state.stalls ?? { sinceMs: nowMs - gapMs, count: 0, stoodMs: 0 };
  state.stalls = { sinceMs, lastMs: nowMs, count: count + 1, stoodMs: stoodMs + gapMs };
  const { confirmed } = state;
  if (gapMs >= toleranceMs(state) && confirmed !== null) {
    state.absence = { viewNumber: confirmed.number, untilMs: nowMs + toleranceMs(state) };
  }
  // Words of before it may be waiting.
  for (const peer of state.peers.values()) peer.heardSinceMs = nowMs;
  if (nowMs - state.lastGraceMs < toleranceMs(state)) return;
  state.lastGraceMs = nowMs;
  for (const peer of state.peers.values()) {
    peer.suspicion = null;
    if (peer.link === 'heard') peer.directMs = nowMs;
    if (peer.advancedMs !== null) peer.advancedMs = nowMs;
  }
}

/** Stalls that follow one another within a tolerance are one trouble; after it this host has kept time for that long. */
function noteKeepingTime(state: ProtocolState, nowMs: Milliseconds, gapMs: Milliseconds): void {
  const { stalls } = state;
  if (stalls === null || gapMs > STALL_PERIODS * periodMs(state) || nowMs - stalls.lastMs < toleranceMs(state)) return;
  state.stalls = null;
  const [stoodMs, withinMs] = [Math.round(stalls.stoodMs), Math.round(stalls.lastMs - stalls.sinceMs)];
  const how =
    stalls.count === 1 ? `once, for ${stoodMs} ms` : `${stalls.count} times, for ${stoodMs} of ${withinMs} ms`;
  notice(state, nowMs, 'keepsTime', state.self, `this sidecar keeps time again; it stood still ${how}`);
}
