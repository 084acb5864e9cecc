/**
 * Hosts that the administrator wants to hear no more of: dead for long, or never there, and still in the file. Nobody waits
 * for them, no state is bad because of them. Nothing else changes: heartbeats still go to them, and the first sign of life
 * takes it back, so a living host cannot be forgotten by mistake for longer than a heartbeat.
 */
import { persist, type ProtocolState } from './state.js';
import type { HostName, Milliseconds } from './types.js';

/** Why not, as a sentence; null where it can be. */
export function whyNotForgotten(state: ProtocolState, nowMs: Milliseconds, name: HostName): string | null {
  if (name === state.self) return `host ${name} is this host`;
  const peer = state.peers.get(name);
  if (peer === undefined) return `there is no host ${name} in the file in force`;
  const said = state.reports.get(name)?.state ?? 'notSeen';
  // A machine with another cluster key is outside: it lives, and nobody understands it.
  if (isHeard(state, name) || said === 'outside') {
    return `host ${name} is heard (${said}): stop it there (nlb stop), or take it out of the file (nlb apply)`;
  }
  const leftMs = state.graceUntilMs - nowMs;
  if (leftMs <= 0) return null;
  return `this sidecar has only just started and may not have heard it yet: ask again in ${Math.ceil(leftMs / 1000)} s`;
}

/** Nothing happens where it may not be: it may have been heard since somebody asked. */
export function forget(state: ProtocolState, nowMs: Milliseconds, name: HostName): void {
  if (state.forgotten.has(name) || whyNotForgotten(state, nowMs, name) !== null) return;
  state.forgotten.add(name);
  persist(state);
}

/** After each step: who is heard, or not in the file any more, is not forgotten. */
export function recall(state: ProtocolState): void {
  const before = state.forgotten.size;
  for (const name of state.forgotten) {
    if (isHeard(state, name) || !state.peers.has(name)) state.forgotten.delete(name);
  }
  if (state.forgotten.size < before) persist(state);
}

/** Directly, through others, or by its Envoy; also where it hears none of us. */
function isHeard(state: ProtocolState, name: HostName): boolean {
  const { visible, deaf } = state.side;
  return visible.includes(name) || deaf.includes(name) || (state.peers.get(name)?.link ?? 'none') !== 'none';
}
