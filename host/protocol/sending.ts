/** What goes out: heartbeats and pulses to all configured hosts, probes and answers to one, and the file to who has another. */
import { fileParts } from './file-items.js';
import { ECHOES_MAX, encodeHeartbeat, ROWS_MAX, type Row } from './heartbeat.js';
import type { Peer } from './peer.js';
import { rowKey } from './peer.js';
import { isTimeForPulse, nextPulse } from './pulse.js';
import { type MessageType, OWN_VERSIONS, seal } from './seal.js';
import { ownPriority } from './groups.js';
import { ownRow, periodMs, type ProtocolState } from './state.js';
import type { Milliseconds } from './types.js';

/** A change is repeated with this many ticks, in case the first packet is lost (R12). */
const REPEATS = 4;
const NO_FILE = '0000000000000000';

/** After each event: a changed row, or news for hosts that cannot hear its source, go out at once (R12). */
export function sendWhatIsDue(state: ProtocolState, nowMs: Milliseconds, isTick: boolean): void {
  const { sending } = state;
  const key = `${rowKey(ownRow(state, nowMs))}|${state.claim.wish}`;
  const gapMs = sendingGapMs(state);
  sending.isHeldBack = key !== sending.lastKey;
  if (key !== sending.lastKey) {
    if (nowMs - sending.lastMs < gapMs && !isTick) return;
    sending.lastKey = key;
    sending.repeatLeft = REPEATS;
    broadcast(state, nowMs);
  } else if (sending.forwardDue && (isTick || nowMs - sending.lastMs >= periodMs(state) / 10)) {
    broadcast(state, nowMs);
  } else if (isTick && isTimeForHeartbeat(state, nowMs)) {
    sending.repeatLeft = Math.max(0, sending.repeatLeft - 1);
    broadcast(state, nowMs);
  } else if (isTick && isTimeForPulse(state, nowMs)) {
    pulse(state, nowMs);
  }
}

/** Between two changes that are told. */
function sendingGapMs(state: ProtocolState): Milliseconds {
  return Math.max(2, periodMs(state) / 50);
}

/** How long until a change that came right after another may be told; Infinity where there is none. */
export function sendingDueMs(state: ProtocolState, nowMs: Milliseconds): Milliseconds {
  const { isHeldBack, lastMs } = state.sending;
  return isHeldBack ? lastMs + sendingGapMs(state) - nowMs : Number.POSITIVE_INFINITY;
}

function isTimeForHeartbeat(state: ProtocolState, nowMs: Milliseconds): boolean {
  const { sending } = state;
  // Half a tick early is better than a tick late: a period of 1,000 ms is not to become 1,100.
  if (nowMs - sending.lastMs >= periodMs(state) * 0.95) return true;
  const { phase } = ownRow(state, nowMs);
  return sending.repeatLeft > 0 || phase === 'starting' || phase === 'converging' || state.leaving !== null;
}

function broadcast(state: ProtocolState, nowMs: Milliseconds): void {
  const bytes = message(state, nowMs, state.leaving === null ? 'heartbeat' : 'leave', 0, null);
  state.sending.lastMs = nowMs;
  state.sending.isHeldBack = false;
  state.sending.forwardDue = false;
  for (const peer of state.peers.values()) post(state, peer.config.dedicatedIp, bytes);
  renew(state, nowMs);
}

/** To hosts that know whose it is. */
function pulse(state: ProtocolState, nowMs: Milliseconds): void {
  state.sending.lastPulseMs = nowMs;
  const bytes = sealed(state, 'pulse', nextPulse(state));
  for (const peer of state.peers.values()) if (peer.row !== null) post(state, peer.config.dedicatedIp, bytes);
  renew(state, nowMs);
}

/** The lease is counted from what others can hear of this host (lease.ts), or could if there were any. */
function renew(state: ProtocolState, nowMs: Milliseconds): void {
  if (state.lettingGo.isSure && state.leaving === null) state.effects.push({ kind: 'renew', nowMs });
}

/** @param about hash of the host that the receiver is asked to ask, 0 for the receiver itself */
export function sendTo(state: ProtocolState, nowMs: Milliseconds, peer: Peer, type: MessageType, about: number): void {
  post(state, peer.config.dedicatedIp, message(state, nowMs, type, about, peer));
}

/** Shows another host of this one's name that it is heard, whatever its address. */
export function sendToRival(state: ProtocolState, nowMs: Milliseconds, toAddress: string, instance: bigint): void {
  post(state, toAddress, message(state, nowMs, 'answer', 0, null, [instance]));
}

/** Tells a host with another file what this one's says, at most once a period. */
export function sendFile(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  const { name } = peer.config;
  if (nowMs - (state.fileSentMs.get(name) ?? Number.NEGATIVE_INFINITY) < periodMs(state) * 5) return;
  state.fileSentMs.set(name, nowMs);
  // One number for all parts: a network may bring them in another order.
  state.sequence += 1;
  for (const part of fileParts(state.known.file)) {
    const body = new Uint8Array(12 + part.length);
    const view = new DataView(body.buffer);
    view.setBigUint64(0, state.instance);
    view.setUint32(8, state.sequence);
    body.set(part, 12);
    post(state, peer.config.dedicatedIp, sealed(state, 'file', body));
  }
}

function message(
  state: ProtocolState,
  nowMs: Milliseconds,
  type: MessageType,
  about: number,
  to: Peer | null,
  firstEchoes: readonly bigint[] = [],
): Uint8Array {
  state.sequence += 1;
  const peers = [...state.peers.values()];
  const waiting = peers.filter((peer) => peer.row !== null && peer.candidate !== null && peer !== to);
  if (to?.candidate != null) waiting.unshift(to);
  const body = encodeHeartbeat({
    row: ownRow(state, nowMs),
    name: state.self,
    priority: ownPriority(state),
    wish: state.claim.wish,
    revision: state.known.revision,
    fingerprint: state.known.fingerprint,
    offered: state.offer?.fingerprint ?? NO_FILE,
    confirmedChecksum: state.confirmed?.checksum ?? NO_FILE,
    inForceNumber: state.inForce?.view.number ?? 0,
    inForceChecksum: state.inForce === null ? NO_FILE : state.inForceChecksum,
    about,
    echoes: [...firstEchoes, ...waiting.map((peer) => peer.candidate!.instance)].slice(0, ECHOES_MAX),
    rows: peers
      .map(rowOf)
      .filter((row) => row !== null)
      .slice(0, ROWS_MAX),
  });
  return sealed(state, type, body);
}

function post(state: ProtocolState, toAddress: string, bytes: Uint8Array): void {
  state.effects.push({ kind: 'send', toAddress, toPort: state.known.file.ports.heartbeat, bytes });
}

function sealed(state: ProtocolState, type: MessageType, body: Uint8Array): Uint8Array {
  const { clusterName } = state.known.file;
  return seal({ clusterName, sender: state.self, versions: state.versions, type, body }, state.authenticator);
}

/** The newest row of a host; where none is proven, the start that was heard goes out as an echo (R7). */
function rowOf(peer: Peer): Row | null {
  if (peer.row !== null) return peer.row;
  if (peer.candidate === null) return null;
  return {
    nameHash: peer.nameHash,
    instance: peer.candidate.instance,
    sequence: peer.candidate.sequence,
    hostState: 'started',
    phase: 'starting',
    waiting: false,
    leaving: false,
    holds: false,
    proven: false,
    returning: 0,
    gathering: false,
    file: '0000',
    offered: '0000',
    confirmedNumber: 0,
    confirmedHead: 0,
    hears: 0,
    speaks: OWN_VERSIONS,
    rules: [],
    standsInFor: 0,
  };
}
