/**
 * Who can be agreed with: the hosts from which something reaches this one and which something of this one reaches (R1,
 * R2). Real networks are neither symmetric nor transitive: A-B-C-D in a line is one cluster, a host that hears none of us
 * is deaf.
 */
import type { Peer } from './peer.js';
import { hasHost, type ProtocolState, toleranceMs } from './state.js';
import type { HostName, Milliseconds } from './types.js';

export interface Visible {
  visible: HostName[];
  /** Heard for a whole tolerance, and hear none of us (R2). */
  deaf: HostName[];
}

/**
 * A host that was visible and hears us no more is taken for visible for one tolerance: either it has just been started
 * anew and does not list us yet, or it is we who stood still and the others have yet to hear us again (R9). Judged at
 * once, both would take a living host out of the view. A host that goes on with a view of its earlier life takes all of that
 * view for visible before: two sidecars that are started anew at the same time list each other a moment later.
 */
export function findVisible(state: ProtocolState, nowMs: Milliseconds): Visible {
  const reaching = whoReachUs(state);
  const both = whoHearEachOther(state, reaching);
  const visible = [...both];
  const deaf: HostName[] = [];
  for (const peer of state.peers.values()) {
    const { name } = peer.config;
    if (!reaching.has(name) || both.has(name)) {
      peer.deafSinceMs = null;
      continue;
    }
    peer.deafSinceMs ??= nowMs;
    if (nowMs - peer.deafSinceMs >= toleranceMs(state)) deaf.push(name);
    else if (state.side.visible.includes(name) || isExpected(state, nowMs, name)) visible.push(name);
  }
  return { visible: visible.sort(), deaf: [...deaf, ...findEcholess(state, nowMs)].sort() };
}

function isExpected({ resumed, graceUntilMs, inForce }: ProtocolState, nowMs: Milliseconds, name: HostName): boolean {
  return resumed && nowMs < graceUntilMs && inForce !== null && hasHost(inForce, name);
}

function whoReachUs(state: ProtocolState): Set<HostName> {
  const names = new Set<HostName>([state.self]);
  const queue: Peer[] = [];
  const reach = (peer: Peer | undefined) => {
    if (peer === undefined || names.has(peer.config.name) || peer.row === null || peer.left) return;
    names.add(peer.config.name);
    if (peer.link !== 'held') queue.push(peer);
  };
  for (const peer of state.peers.values()) if (peer.link !== 'none') reach(peer);
  // Where all are reached already, as nearly always, nobody's word is needed: with 32 hosts that were 961 names a step.
  for (let peer = queue.pop(); peer !== undefined && names.size <= state.peers.size; peer = queue.pop()) {
    for (const name of peer.hears) reach(state.peers.get(name));
  }
  return names;
}

function whoHearEachOther(state: ProtocolState, reaching: ReadonlySet<HostName>): Set<HostName> {
  const both = new Set<HostName>([state.self]);
  for (let grown = true; grown && both.size < reaching.size; ) {
    grown = false;
    for (const name of reaching) {
      if (both.has(name) || !hearsAny(state.peers.get(name)!, both)) continue;
      both.add(name);
      grown = true;
    }
  }
  return both;
}

function hearsAny(peer: Peer, names: ReadonlySet<HostName>): boolean {
  for (const heard of peer.hears) if (names.has(heard)) return true;
  return false;
}

/** Hosts whose packets arrive for a whole tolerance and never show that they hear this one (R2, R7). */
function findEcholess(state: ProtocolState, nowMs: Milliseconds): HostName[] {
  const names: HostName[] = [];
  for (const { candidate, config, link } of state.peers.values()) {
    if (candidate === null || link !== 'none' || nowMs - candidate.lastMs > toleranceMs(state)) continue;
    if (candidate.lastMs - candidate.firstMs >= toleranceMs(state)) names.push(config.name);
  }
  return names;
}
