/**
 * Who is with whom: the hosts that hear each other (R1, R2), which of them share a file (R8, and files on offer), and
 * which wait out their damping (R11). Everything here follows from rows that all of them have, so all answer alike.
 */
import { buildContent, type Content, type Participant } from './content.js';
import { knownFile, strongestGroup } from './groups.js';
import { DECISION_VERSION, PROTOCOL_VERSION } from './seal.js';
import { isWaitingHost, ownRules, type ProtocolState, type Side } from './state.js';
import type { HostName, Milliseconds } from './types.js';
import { findVisible } from './visible.js';

export function findSide(state: ProtocolState, nowMs: Milliseconds): Side {
  const { visible, deaf } = findVisible(state, nowMs);
  const alone = { visible, deaf, known: state.known };
  const group = strongestGroup(state, visible);
  const awake = group.names.filter((name) => !isWaiting(state, name, nowMs));
  const inside = awake.length === 0 ? group.names : awake;
  const known = knownFile(state, group);
  if (known === null) {
    const reason = `this host's file is ${state.known.fingerprint}, ${inside.join(', ')} agree on ${group.file}...`;
    return { ...alone, members: inside, outside: { reason, sameFile: false } };
  }
  if (inside.includes(state.self)) return { ...alone, known, members: inside, outside: null };
  const seconds = Math.ceil((state.hostDamper.waitUntilMs - nowMs) / 1000);
  const reason = `comes and goes: back in ${seconds} s; nlb start --now`;
  return { ...alone, known, members: inside, outside: { reason, sameFile: true } };
}

function isWaiting(state: ProtocolState, name: HostName, nowMs: Milliseconds): boolean {
  if (name === state.self) return isWaitingHost(state, nowMs);
  return state.peers.get(name)!.row!.waiting;
}

/** What the members, this host's rows of them taken together, would decide by. */
export function contentOfSide(state: ProtocolState, nowMs: Milliseconds): Content {
  const { side } = state;
  let protocol: number = PROTOCOL_VERSION.highest;
  let decision: number = DECISION_VERSION.highest;
  const participants = side.members.map((name): Participant => {
    if (name === state.self) return { name, hostState: state.settings.hostState, rules: ownRules(state, nowMs) };
    const row = state.peers.get(name)!.row!;
    protocol = Math.min(protocol, row.protocolHigh);
    decision = Math.min(decision, row.decisionHigh);
    return { name, hostState: row.hostState, rules: row.rules };
  });
  return buildContent(side.known.file, side.known.fingerprint, participants, { protocol, decision });
}
