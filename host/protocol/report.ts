/** What a state says of itself: the hosts with their states, the view, what is dropped, what has to be mended. */
import type { HostReport, ProtocolStatus } from './events.js';
import { isForeign } from './foreign.js';
import { differenceText } from './file-items.js';
import { isOut } from './host-state.js';
import type { Peer } from './peer.js';
import { isSilent } from './probing.js';
import { controlsOf } from './rule-states.js';
import { isWaitingHost, type ProtocolState } from './state.js';
import type { HostConfig, HostName, Milliseconds } from './types.js';

/** A leaving sidecar goes after this long at the latest. */
const LEAVE_MAX_MS = 1000;

export function statusOf(state: ProtocolState, nowMs: Milliseconds): ProtocolStatus {
  const isAlone = agreesWithNobody(state);
  return {
    state: stateOf(state),
    inForce: state.inForce,
    inForceChecksum: state.inForceChecksum,
    inForceSinceMs: state.inForceSinceMs,
    inForceCause: state.inForceCause,
    taken: state.taken,
    takenEverywhere: isTakenEverywhere(state),
    hosts: state.known.file.hosts.map(({ name }) => ({ ...state.reports.get(name)!, rules: controlsOf(state, name) })),
    file: {
      fingerprint: state.known.fingerprint,
      revision: state.known.revision,
      offered: state.offer?.fingerprint ?? null,
      detail: offerDetail(state),
      newest: newestRevision(state),
    },
    droppedPackets: { ...state.dropped },
    problems: [...state.problems],
    holdVirtualIpBack: isAlone && [...state.unverified.values()].some((sinceMs) => nowMs - sinceMs < 10_000),
    left: hasLeft(state, nowMs),
  };
}

function agreesWithNobody(state: ProtocolState): boolean {
  return state.side.agreeing.length === 1 && state.peers.size > 0;
}

export function stateOf(state: ProtocolState): ProtocolStatus['state'] {
  const isAlone = agreesWithNobody(state) && state.peers.size > state.forgotten.size;
  if (isOut(state.settings.hostState) || state.leaving !== null) return 'stopped';
  if (state.inForce === null || state.resumed) return 'starting';
  if (state.confirmed !== null && !isConverged(state)) return 'converging';
  return isAlone ? 'alone' : 'converged';
}

function isConverged(state: ProtocolState): boolean {
  const { inForce, confirmed } = state;
  if (state.side.outside !== null) return inForce !== null;
  return inForce !== null && inForce.lostSince.length === 0 && inForce.view.checksum === confirmed?.checksum;
}

function newestRevision(state: ProtocolState): { host: HostName; revision: number } | null {
  let newest: { host: HostName; revision: number } | null = null;
  for (const [host, { said, link }] of state.peers) {
    if (said === null || link === 'none' || said.revision <= (newest?.revision ?? state.known.revision)) continue;
    newest = { host, revision: said.revision };
  }
  return newest;
}

function offerDetail(state: ProtocolState): string | null {
  if (state.offer === null) return null;
  const head = state.offer.fingerprint.slice(0, 4);
  const { without } = state.offer;
  const missing = state.side.agreeing.filter((name) => {
    if (without.includes(name)) return false;
    const row = state.peers.get(name)?.row;
    return row != null && row.file !== head && row.offered !== head;
  });
  if (missing.length === 0) return `file ${state.offer.fingerprint} is about to come in force`;
  return `file ${state.offer.fingerprint} waits for ${missing.join(', ')}: put it there and run nlb reload`;
}

function isTakenEverywhere(state: ProtocolState): boolean {
  if (state.inForce === null || !state.taken) return false;
  const { number } = state.inForce.view;
  const rows = [...state.peers.values()].filter(({ link }) => link === 'heard').map(({ row }) => row);
  return rows.every((row) => row?.phase === 'taken' && row.confirmedNumber === number);
}

/** The others have gone on to another view, or nobody hears us, or it took long enough. */
function hasLeft(state: ProtocolState, nowMs: Milliseconds): boolean {
  const { leaving } = state;
  if (leaving === null) return false;
  if (nowMs - leaving.sinceMs >= LEAVE_MAX_MS) return true;
  const heard = [...state.peers.values()].filter((peer) => peer.link === 'heard' && peer.row !== null);
  return heard.every((peer) => {
    const row = peer.row!;
    return row.confirmedNumber > leaving.viewNumber && row.phase === 'taken';
  });
}

/** Keeps for each host its state and since when; called after every event. */
export function updateReports(state: ProtocolState, nowMs: Milliseconds): void {
  for (const name of state.reports.size > state.known.file.hosts.length ? state.reports.keys() : []) {
    if (!state.known.file.hosts.some((host) => host.name === name)) state.reports.delete(name);
  }
  for (const host of state.known.file.hosts) {
    const before = state.reports.get(host.name);
    const peer = state.peers.get(host.name);
    const now = peer === undefined ? ownReport(state) : peerReport(state, nowMs, peer, before?.state ?? 'notSeen');
    const detail = now.detail ?? detailOf(state, host.name);
    if (before?.state === now.state && before.detail === detail && before.priority === host.priority) continue;
    const sinceMs = before?.state === now.state ? before.sinceMs : nowMs;
    state.reports.set(host.name, { ...identity(host), state: now.state, sinceMs, detail });
  }
}

function identity(host: HostConfig): Pick<HostReport, 'name' | 'priority' | 'dedicatedIp'> {
  return { name: host.name, priority: host.priority, dedicatedIp: host.dedicatedIp };
}

type Said = Pick<HostReport, 'state' | 'detail'>;

function ownReport(state: ProtocolState): Said {
  const { side, settings } = state;
  if (side.outside !== null) return { state: 'outside', detail: side.outside.reason };
  if (settings.hostState !== 'started') return { state: settings.hostState, detail: null };
  const isIn = isConverged(state) && !state.resumed;
  return { state: isIn ? 'converged' : 'converging', detail: null };
}

function peerReport(state: ProtocolState, nowMs: Milliseconds, peer: Peer, before: HostReport['state']): Said {
  const { name } = peer.config;
  const inView = state.inForce?.view.hosts.some((host) => host.name === name) ?? false;
  if (state.forgotten.has(name) && !isForeign(state, nowMs, peer)) return { state: 'forgotten', detail: null };
  if (peer.left) return { state: 'stopped', detail: 'left on purpose' };
  if (isSilent(state, nowMs, peer)) return { state: 'sidecarSilent', detail: 'sidecar silent, Envoy serving' };
  if (!state.side.visible.includes(name)) {
    if (state.side.deaf.includes(name)) return { state: 'outside', detail: 'it is heard and hears none of us' };
    if (isForeign(state, nowMs, peer)) return { state: 'outside', detail: null };
    if (before === 'notSeen' && !inView) return { state: 'notSeen', detail: null };
    return state.resumed ? { state: before, detail: null } : { state: 'lost', detail: null };
  }
  const row = peer.row!;
  if (row.waiting) return { state: 'outside', detail: 'it comes and goes and waits: nlb start --now there' };
  if (!state.side.agreeing.includes(name)) {
    const speechless = state.side.speechless.get(name);
    const detail = speechless ?? firstDifference(state, name) ?? `its file is ${row.file}...`;
    return { state: 'outside', detail };
  }
  if (row.hostState !== 'started') return { state: row.hostState, detail: null };
  const isIn = inView && isConverged(state);
  return { state: isIn ? 'converged' : 'converging', detail: null };
}

function firstDifference(state: ProtocolState, name: string): string | null {
  const [first] = state.differences.get(name)?.items.values() ?? [];
  return first === undefined ? null : differenceText(first, state.side.outside !== null);
}

function detailOf(state: ProtocolState, name: string): string | null {
  if (name === state.self && isWaitingHost(state, state.lastEventMs)) return 'waits out its damping';
  return state.problems.find((each) => each.text.startsWith(`host ${name}`))?.text ?? null;
}
