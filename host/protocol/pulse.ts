/**
 * A pulse: the smallest sign of life, several in a heartbeat period. With one heartbeat a second nobody can tell a host that
 * died from one that stands still for a second; with pulses the silence has a beginning that is known to a tenth of a period.
 * It says nothing but that its sender lives, so it changes no row and is told to nobody (R1); a host of which only pulses
 * arrive for a whole tolerance is silent all the same.
 *
 *     0   8  instance                 of the proven row, otherwise the pulse counts for nothing (R7)
 *     8   4  sequence                 of the sender's last other packet: an older one than is known is a replay
 *     12  4  count                    one more with every pulse
 */
import type { Peer } from './peer.js';
import { periodMs, type ProtocolState } from './state.js';
import type { Milliseconds } from './types.js';

export const PULSE_BYTES = 16;
/** With every tick: of 32 hosts each receives 310 packets of 48 bytes a second at the default period (docs/decisions/0026). */
const PULSE_PERIODS = 0.1;
/** Where periods are short, a pulse says no more for coming more often than this, or twice in a tenth of them. */
const PULSE_MIN_MS = 50;
const PULSE_PERIODS_MAX = 0.2;

/** 100 ms at the default period, 20 at the shortest. */
export function pulseEveryMs(heartbeatPeriodMs: Milliseconds): Milliseconds {
  const leastMs = Math.min(PULSE_MIN_MS, heartbeatPeriodMs * PULSE_PERIODS_MAX);
  return Math.max(heartbeatPeriodMs * PULSE_PERIODS, leastMs);
}

/** Called with each tick that sends no heartbeat. Ticks come a tenth of a period apart and late: half of one is given. */
export function isTimeForPulse(state: ProtocolState, nowMs: Milliseconds): boolean {
  const lastMs = Math.max(state.sending.lastMs, state.sending.lastPulseMs);
  return nowMs - lastMs >= pulseEveryMs(periodMs(state)) - periodMs(state) * 0.05;
}

/** The body of the next pulse. */
export function nextPulse(state: ProtocolState): Uint8Array {
  state.sending.pulseCount += 1;
  const body = new Uint8Array(PULSE_BYTES);
  const view = new DataView(body.buffer);
  view.setBigUint64(0, state.instance);
  view.setUint32(8, state.sequence);
  view.setUint32(12, state.sending.pulseCount);
  return body;
}

/** Notes that a host lives. Only one that is heard: whoever comes back says first what it is. */
export function takePulse(
  nowMs: Milliseconds,
  peer: Peer,
  body: Uint8Array,
): 'taken' | 'malformed' | 'replayed' | 'notFresh' {
  if (body.length !== PULSE_BYTES) return 'malformed';
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [sequence, count] = [view.getUint32(8), view.getUint32(12)];
  if (peer.link !== 'heard' || peer.row?.instance !== view.getBigUint64(0)) return 'notFresh';
  if (sequence < peer.row.sequence || count <= peer.pulseCount) return 'replayed';
  peer.pulseCount = count;
  peer.directMs = nowMs;
  peer.suspicion = null;
  return 'taken';
}
