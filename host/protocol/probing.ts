/**
 * Who is silent. A host that missed one heartbeat is asked every tenth of a period, others are asked to ask it, and its
 * Envoy is knocked at. All silent: lost, about 1.5 periods after its last heartbeat. Only the sidecar silent: it keeps
 * its share for a while (R13). What this host slept through itself is nobody's silence: sleep.ts (R9).
 */
import type { Peer } from './peer.js';
import { sendTo } from './sending.js';
import { notice, periodMs, type ProtocolState, toleranceMs } from './state.js';
import type { Milliseconds } from './types.js';

/** A heartbeat counts as missed after this part of a period: jitter and a late loop over there are no reason to ask. */
const MISSED_AFTER_PERIODS = 1.25;
/** How long questions stay open: 0.4 periods, but no less than a busy machine needs to answer. */
const WINDOW_PERIODS = 0.4;
const WINDOW_MIN_MS = 200;
const PROBES_MIN = 3;
/** Others that are asked to ask; more would flood a cluster of 32 when several fall silent. */
const ASKED_MAX = 3;
/** R13; `sidecarSilentMaxMs` in the texts. */
export const SIDECAR_SILENT_MAX_MS = 60_000;

export function probe(state: ProtocolState, nowMs: Milliseconds): void {
  for (const peer of state.peers.values()) {
    if (peer.link === 'heard') watchHeard(state, nowMs, peer);
    else if (peer.link === 'held') watchHeld(state, nowMs, peer);
  }
}

function watchHeard(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  const idleMs = nowMs - peer.directMs;
  if (idleMs < periodMs(state) * MISSED_AFTER_PERIODS) return;
  const suspicion = peer.suspicion ?? suspect(state, nowMs, peer);
  const windowMs = Math.max(periodMs(state) * WINDOW_PERIODS, WINDOW_MIN_MS);
  const isMoving = (peer.advancedMs ?? 0) > suspicion.sinceMs;
  const isAnswered = suspicion.envoyAnswered === true;
  const isAsked = suspicion.probeCount >= PROBES_MIN && suspicion.envoyAnswered !== null;
  const isWindowOver = nowMs - suspicion.sinceMs >= windowMs && isAsked;
  if (idleMs >= toleranceMs(state)) {
    settle(state, nowMs, peer, isAnswered && !isMoving);
  } else if (isWindowOver && !isMoving && (!isAnswered || isInView(state, peer))) {
    settle(state, nowMs, peer, isAnswered);
  } else {
    ask(state, nowMs, peer);
  }
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
  if (envoyAnswers && isInView(state, peer)) {
    peer.link = 'held';
    peer.silentSinceMs = nowMs;
    notice(state, nowMs, 'sidecarSilent', peer.config.name, `host ${peer.config.name}: sidecar silent, Envoy serving`);
  } else {
    peer.link = 'none';
  }
}

function isInView(state: ProtocolState, peer: Peer): boolean {
  const { name } = peer.config;
  const { inForce } = state;
  if (inForce === null || inForce.lostSince.includes(name)) return false;
  return inForce.view.hosts.some((host) => host.name === name);
}

function watchHeld(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  if (nowMs - peer.silentSinceMs >= SIDECAR_SILENT_MAX_MS) peer.link = 'none';
  else if (nowMs - peer.lastKnockMs >= periodMs(state) * 0.95) knock(state, nowMs, peer);
}

export function knock(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  peer.lastKnockMs = nowMs;
  peer.openKnocks += 1;
  const timeoutMs = Math.max(periodMs(state) * WINDOW_PERIODS, WINDOW_MIN_MS) * 0.9;
  const port = state.known.file.ports.handoff;
  state.effects.push({ kind: 'knock', host: peer.config.name, address: peer.config.dedicatedIp, port, timeoutMs });
}

/**
 * The answer of a knock; the Envoy of a silent sidecar that is silent too makes the host lost at once. A `no` counts only
 * where no later knock is open: the earlier one may have run out while this host slept.
 */
export function noteEnvoyAnswer(peer: Peer, answered: boolean): void {
  peer.openKnocks = Math.max(0, peer.openKnocks - 1);
  if (!answered && peer.openKnocks > 0) return;
  if (peer.suspicion !== null) peer.suspicion.envoyAnswered = answered || peer.suspicion.envoyAnswered === true;
  else if (peer.link === 'held' && !answered) peer.link = 'none';
}

/**
 * Keeps its share in silence, so no view waits for it (R13). Only a host of the view in force has a share to keep: one
 * that a neighbour still believes in, just awake from a stall, is waited for until that neighbour knows better.
 */
export function isSilent(state: ProtocolState, nowMs: Milliseconds, peer: Peer): boolean {
  if (peer.link !== 'none') return peer.link === 'held';
  if (!isInView(state, peer)) return false;
  return nowMs - Math.max(peer.advancedMs ?? Number.NEGATIVE_INFINITY, peer.toldMs) >= toleranceMs(state);
}
