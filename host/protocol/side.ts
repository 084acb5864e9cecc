/**
 * Who is with whom: the hosts that hear each other (R1, R2), which of them share a file (R8, and files on offer), and
 * which wait out their damping (R11). Everything here follows from rows that all of them have, so all answer alike.
 */
import { confirms } from './checksum.js';
import { buildContent, type Content, type Participant } from './content.js';
import { waitLeftS } from './damping.js';
import { knownFile, ownPriority, strongestGroup } from './groups.js';
import type { Row } from './heartbeat.js';
import { eighths } from './returning.js';
import { givesWay } from './rival.js';
import { rulesOfRow, rulesOfSelf, standsInForOf } from './rule-states.js';
import { hasHost, isWaitingHost, periodMs, type ProtocolState, type Side } from './state.js';
import type { HostName, Milliseconds } from './types.js';
import { agreeOnVersions, type Speaker, speaksDecision } from './versions.js';
import { findVisible } from './visible.js';

export function findSide(state: ProtocolState, nowMs: Milliseconds): Side {
  const { visible, deaf } = findVisible(state, nowMs);
  const group = strongestGroup(state, visible);
  const awake = group.names.filter((name) => !isWaiting(state, name, nowMs));
  const inside = awake.length === 0 ? group.names : awake;
  const {
    names: agreeing,
    speechless,
    protocol,
    decision,
  } = agreeOnVersions(inside.map((name) => speaker(state, name)));
  const known = knownFile(state, group);
  const side = { visible, deaf, agreeing, versions: { protocol, decision }, speechless, known: known ?? state.known };
  if (known === null) {
    const reason = `its file is ${state.known.fingerprint}, that of ${agreeing.join(', ')} is ${group.file}...`;
    return { ...side, outside: { reason, sameFile: false } };
  }
  // Where this host does not speak their version, it follows with what it knows, as with a file of its own.
  const sameFile = speaksDecision(state.versions, decision);
  const rival = givesWay(state, nowMs);
  if (rival !== null) {
    const others = agreeing.filter((name) => name !== state.self);
    return { ...side, agreeing: others, outside: { reason: rival, sameFile } };
  }
  if (agreeing.includes(state.self)) return { ...side, outside: null };
  const reason = speechless.get(state.self);
  if (reason !== undefined) return { ...side, outside: { reason, sameFile } };
  const seconds = waitLeftS(state.hostDamper, nowMs);
  return { ...side, outside: { reason: `comes and goes: back in ${seconds} s; nlb start --now`, sameFile } };
}

function speaker(state: ProtocolState, name: HostName): Speaker {
  const peer = state.peers.get(name);
  if (peer === undefined) {
    const confirmedNumber = state.confirmed?.number ?? 0;
    return { name, priority: ownPriority(state), speaks: state.versions, confirmedNumber };
  }
  const { speaks, confirmedNumber } = peer.row!;
  return { name, priority: peer.config.priority, speaks, confirmedNumber };
}

function isWaiting(state: ProtocolState, name: HostName, nowMs: Milliseconds): boolean {
  if (name === state.self) return isWaitingHost(state, nowMs);
  const row = state.peers.get(name)!.row!;
  return row.waiting && !isComingIn(state, row, name, nowMs);
}

/** It is about to have the view in force that this host has, with both in it: then it waits no more. */
function isComingIn(state: ProtocolState, row: Row, name: HostName, nowMs: Milliseconds): boolean {
  const { inForce } = state;
  if (inForce === null || row.phase !== 'converging' || nowMs - state.inForceSinceMs >= periodMs(state)) return false;
  return hasHost(inForce, name) && confirms(row, inForce.view);
}

/** What the agreeing hosts, this host's rows of them taken together, would decide by. */
export function contentOfSide(state: ProtocolState, nowMs: Milliseconds): Content {
  const { side, versions } = state;
  const { protocol } = side.versions;
  // Outside for not speaking it, this host decides by the nearest that it knows.
  const isSpoken = speaksDecision(versions, side.versions.decision);
  const decision = isSpoken ? side.versions.decision : versions.decisionHigh;
  const participants = side.agreeing.map((name): Participant => {
    if (name === state.self) {
      const rules = rulesOfSelf(state, nowMs, side.known);
      const standsInFor = state.comingBack.standsIn?.host ?? null;
      return { name, hostState: state.settings.hostState, returning: eighths(state, nowMs), rules, standsInFor };
    }
    const row = state.peers.get(name)!.row!;
    const { hostState, returning } = row;
    const rules = rulesOfRow(state, row, side.known);
    return { name, hostState, returning, rules, standsInFor: standsInForOf(state, row) };
  });
  return buildContent(side.known.file, side.known.fingerprint, participants, { protocol, decision });
}
