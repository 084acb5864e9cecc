/**
 * Another host with this one's name (R5): a cloned machine, or two files that give one name two addresses. Both are named
 * with their addresses. The one in the view stays; where both or none are in one, the lower address does.
 */
import { parseAddress } from './config/address.js';
import type { Heartbeat } from './heartbeat.js';
import { sendToRival } from './sending.js';
import { problem } from './problems.js';
import { periodMs, type ProtocolState, toleranceMs } from './state.js';
import { TODO } from './todo.js';
import type { Milliseconds } from './types.js';

export interface Rival {
  address: string;
  instance: bigint;
  sequence: number;
  /** It has named this host's instance, so it is no recording (R7). */
  isProven: boolean;
  isAgreed: boolean;
  heardMs: Milliseconds;
  answeredMs: Milliseconds;
}

/** A packet in this host's name. What comes from the own address is this host's own, by a loop or of an earlier life. */
export function noteOwnName(state: ProtocolState, nowMs: Milliseconds, from: string, heartbeat: Heartbeat): void {
  const { row } = heartbeat;
  const own = state.known.file.hosts.find((host) => host.name === state.self);
  if (own === undefined || from === own.dedicatedIp || row.instance === state.instance) return;
  const { priority, dedicatedIp } = own;
  const text = `host ${state.self}: priority ${priority} is claimed from ${from}, configured is ${dedicatedIp}`;
  problem(state, nowMs, { cause: 'claimedName', host: state.self, text, todo: TODO.claimedName(from) });
  const before = state.rival?.instance === row.instance ? state.rival : null;
  if (before !== null && row.sequence <= before.sequence) return;
  state.rival = {
    address: from,
    instance: row.instance,
    sequence: row.sequence,
    isProven: before?.isProven === true || heartbeat.echoes.includes(state.instance),
    isAgreed: row.phase === 'converged' || row.phase === 'taken',
    heardMs: nowMs,
    answeredMs: before?.answeredMs ?? Number.NEGATIVE_INFINITY,
  };
  state.changed = true;
  if (nowMs - state.rival.answeredMs < periodMs(state) / 2) return;
  state.rival.answeredMs = nowMs;
  sendToRival(state, nowMs, from, row.instance);
}

/** Why this host gives way to another of its name; null where it stays. */
export function givesWay(state: ProtocolState, nowMs: Milliseconds): string | null {
  const { rival } = state;
  if (rival === null || !rival.isProven || nowMs - rival.heardMs > toleranceMs(state)) return null;
  const isAgreed = state.inForce !== null && !state.resumed;
  if (isAgreed !== rival.isAgreed) return isAgreed ? null : `its name is in the view from ${rival.address}`;
  const own = state.known.file.hosts.find((host) => host.name === state.self)!.dedicatedIp;
  return isLower(rival.address, own) ? `its name is used from ${rival.address} too, the lower address` : null;
}

function isLower(a: string, b: string): boolean {
  const bytesA = parseAddress(a)?.bytes ?? [];
  const bytesB = parseAddress(b)?.bytes ?? [];
  const at = bytesA.findIndex((byte, i) => byte !== bytesB[i]);
  return at >= 0 && bytesA[at]! < (bytesB[at] ?? 256);
}
