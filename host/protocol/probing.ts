/**
 * Who is silent. A host of which nothing came for 0.6 periods is asked every tenth of a period, others are asked to ask
 * it, and its Envoy is knocked at. All silent: lost, 1.2 periods after its last sign of life. Only the sidecar silent: it
 * keeps its share for a while (R13). What this host slept through itself is nobody's silence: sleep.ts (R9).
 *
 * A host that stands still for less than a period is lost to nobody: 1.2 less the 0.1 that its last pulse may be old, and as
 * much again for its way.
 */
import { isForeign } from './foreign.js';
import type { Peer } from './peer.js';
import { sendTo } from './sending.js';
import { hasHost, notice, periodMs, type ProtocolState, toleranceMs } from './state.js';
import type { Milliseconds } from './types.js';

/** Jitter and a late loop over there are no reason to ask. */
const ASKED_AFTER_PERIODS = 0.6;
/** After the last sign of life, and no sooner than a busy machine can be expected to answer. */
const LOST_AFTER_PERIODS = 1.2;
const LOST_AFTER_MIN_MS = 450;
/** An Envoy that is asked answers within this, or not at all. */
const KNOCK_PERIODS = 0.36;
const KNOCK_MIN_MS = 180;
/** One may be lost with a late turn of this host or of that Envoy. */
const UNANSWERED_KNOCKS_MAX = 2;
const PROBES_MIN = 3;
/** Others that are asked to ask; more would flood a cluster of 32 when several fall silent. */
const ASKED_MAX = 3;
/** R13; `sidecarSilentMaxMs` in the texts. */
export const SIDECAR_SILENT_MAX_MS = 60_000;

/** The soonest that a host can be called lost, counted from its last sign of life. */
export function lostAfterMs(heartbeatPeriodMs: Milliseconds): Milliseconds {
  return Math.max(heartbeatPeriodMs * LOST_AFTER_PERIODS, LOST_AFTER_MIN_MS);
}

/** How long until somebody who is asked has been silent for long enough; Infinity where nobody is. */
export function silenceDueMs(state: ProtocolState, nowMs: Milliseconds): Milliseconds {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { link, suspicion, directMs } of state.peers.values()) {
    if (link !== 'heard' || suspicion === null) continue;
    const leftMs = directMs + lostAfterMs(periodMs(state)) - nowMs;
    if (leftMs > 0) dueMs = Math.min(dueMs, leftMs);
  }
  return dueMs;
}

export function probe(state: ProtocolState, nowMs: Milliseconds): void {
  for (const peer of state.peers.values()) {
    if (peer.link === 'heard') watchHeard(state, nowMs, peer);
    else if (peer.link === 'held') watchHeld(state, nowMs, peer);
  }
}

function watchHeard(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  const idleMs = nowMs - peer.directMs;
  const isOver = idleMs >= toleranceMs(state) || isMute(state, nowMs, peer);
  if (idleMs < periodMs(state) * ASKED_AFTER_PERIODS && !isOver) return;
  const suspicion = peer.suspicion ?? suspect(state, nowMs, peer);
  const silentMs = lostAfterMs(periodMs(state));
  const isMoving = (peer.advancedMs ?? 0) > suspicion.sinceMs;
  const isAnswered = suspicion.envoyAnswered === true;
  const isAsked = suspicion.probeCount >= PROBES_MIN && suspicion.envoyAnswered !== null;
  const isSilentLong = idleMs >= silentMs && isAsked;
  if (isOver) {
    settle(state, nowMs, peer, isAnswered && !isMoving);
  } else if (isSilentLong && !isMoving && (!isAnswered || isInView(state, peer))) {
    settle(state, nowMs, peer, isAnswered);
  } else {
    ask(state, nowMs, peer);
  }
}

/** Pulses alone keep nobody: what a host says of itself has to arrive within the tolerance, over whichever path (R1). */
function isMute(state: ProtocolState, nowMs: Milliseconds, peer: Peer): boolean {
  return nowMs - (peer.advancedMs ?? peer.directMs) >= toleranceMs(state);
}

function suspect(state: ProtocolState, nowMs: Milliseconds, peer: Peer) {
  const suspicion = { sinceMs: nowMs, probeCount: 0, lastProbeMs: Number.NEGATIVE_INFINITY, envoyAnswered: null };
  peer.suspicion = suspicion;
  knock(state, nowMs, peer);
  return suspicion as NonNullable<Peer['suspicion']>;
}

function ask(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  const suspicion = peer.suspicion!;
  if (nowMs - suspicion.lastProbeMs < periodMs(state) * 0.09) return;
  suspicion.lastProbeMs = nowMs;
  suspicion.probeCount += 1;
  sendTo(state, nowMs, peer, 'probe', 0);
  const others = [...state.peers.values()].filter((other) => other !== peer && other.link === 'heard');
  for (const other of others.slice(0, ASKED_MAX)) sendTo(state, nowMs, other, 'probe', peer.nameHash);
}

function settle(state: ProtocolState, nowMs: Milliseconds, peer: Peer, envoyAnswers: boolean): void {
  peer.suspicion = null;
  peer.unansweredKnocks = 0;
  if (envoyAnswers && keepsShare(state) && isInView(state, peer) && !isForeign(state, nowMs, peer)) {
    peer.link = 'held';
    peer.silentSinceMs = nowMs;
    notice(state, nowMs, 'sidecarSilent', peer.config.name, `host ${peer.config.name}: sidecar silent, Envoy serving`);
  } else {
    peer.link = 'none';
  }
}

/** In mode multicast a kernel accepts nothing new without its sidecar (R10), so a share that is kept would be nobody's. */
function keepsShare({ known }: ProtocolState): boolean {
  return known.file.mode !== 'multicast';
}

function isInView({ inForce }: ProtocolState, { config }: Peer): boolean {
  return inForce !== null && hasHost(inForce, config.name);
}

function watchHeld(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  const keeps = isInView(state, peer) && !isForeign(state, nowMs, peer);
  if (!keeps || nowMs - peer.silentSinceMs >= SIDECAR_SILENT_MAX_MS) {
    peer.link = 'none';
    return;
  }
  const gapPeriods = peer.unansweredKnocks > 0 ? KNOCK_PERIODS : 0.95;
  if (nowMs - peer.lastKnockMs >= periodMs(state) * gapPeriods) knock(state, nowMs, peer);
}

export function knock(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  peer.lastKnockMs = nowMs;
  peer.openKnocks += 1;
  const timeoutMs = Math.max(periodMs(state) * KNOCK_PERIODS, KNOCK_MIN_MS);
  const port = state.known.file.ports.handoff;
  state.effects.push({ kind: 'knock', host: peer.config.name, address: peer.config.dedicatedIp, port, timeoutMs });
}

/**
 * The answer of a knock; the Envoy of a silent sidecar that is silent too, twice in a row, makes the host lost. A `no` counts
 * only where no later knock is open: the earlier one may have run out while this host slept.
 */
export function noteEnvoyAnswer(peer: Peer, answered: boolean): void {
  peer.openKnocks = Math.max(0, peer.openKnocks - 1);
  if (!answered && peer.openKnocks > 0) return;
  if (peer.suspicion !== null) peer.suspicion.envoyAnswered = answered || peer.suspicion.envoyAnswered === true;
  peer.unansweredKnocks = answered ? 0 : peer.unansweredKnocks + 1;
  if (peer.link === 'held' && peer.unansweredKnocks >= UNANSWERED_KNOCKS_MAX) peer.link = 'none';
}

/** By then that neighbour has made up its own mind, whatever the tolerance: one period it may have heard it longer, one it tells of it later. */
const KNOWS_BETTER_PERIODS = 2;

/**
 * Keeps its share in silence, so no view waits for it (R13): held here, or by a host that is visible and says that it holds
 * somebody. Only a host of the view in force has a share to keep: one that a neighbour still believes in, just awake from a
 * stall, is waited for until that neighbour knows better.
 */
export function isSilent(state: ProtocolState, nowMs: Milliseconds, peer: Peer): boolean {
  if (peer.link === 'heard' || !isInView(state, peer)) return false;
  if (peer.link === 'held') return true;
  if (!isHeldElsewhere(state, peer)) return false;
  const idleMs = nowMs - Math.max(peer.advancedMs ?? Number.NEGATIVE_INFINITY, peer.toldMs);
  return idleMs >= Math.max(toleranceMs(state), lostAfterMs(periodMs(state)) + KNOWS_BETTER_PERIODS * periodMs(state));
}

function isHeldElsewhere(state: ProtocolState, peer: Peer): boolean {
  const { name } = peer.config;
  return state.side.visible.some((each) => {
    const other = state.peers.get(each);
    return other?.row?.holds === true && other.hears.has(name);
  });
}
