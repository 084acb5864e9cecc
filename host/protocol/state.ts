/** The state of the machine and the small questions everybody asks of it. `protocol.ts` is the way in. */
import { checksumHead } from './checksum.js';
import type { Content } from './content.js';
import { type Damper, isWaiting, type RuleDamper } from './damping.js';
import type { Authenticator, DropReason, Effect, HostReport, NoticeCause } from './events.js';
import type { Difference } from './file-items.js';
import type { Row, RuleState } from './heartbeat.js';
import type { HolderClaim } from './holder-claim.js';
import type { LettingGo } from './letting-go.js';
import type { Peer } from './peer.js';
import type { Problem } from './problems.js';
import { type ComingBack, durableComing, eighths } from './returning.js';
import type { Rival } from './rival.js';
import { knowSeats } from './seats.js';
import type { Versions } from './seal.js';
import type { ClusterFile, Fingerprint, HostName, InForce, Milliseconds, OwnSettings } from './types.js';

export interface KnownFile {
  file: ClusterFile;
  fingerprint: Fingerprint;
  /** Config revision (R8): one more with every file that a cluster distributed itself; 0 before the first. */
  revision: number;
}

export interface OfferedFile extends KnownFile {
  /** Hosts of the file in force that are left behind on purpose: nobody waits for their offer. */
  without: readonly HostName[];
}

/** Who this host agrees with, worked out anew after each event. */
export interface Side {
  /** Hosts that hear each other, over whichever path, with this one; without those that left. */
  visible: HostName[];
  /** Heard by us, but hear none of us (R2). */
  deaf: HostName[];
  /** The hosts of the next view, this one among them unless it is outside. */
  agreeing: HostName[];
  /** The versions that the agreeing hosts' view runs at. */
  versions: { protocol: number; decision: number };
  /** Why hosts that do not speak them are outside, a sentence by host. */
  speechless: ReadonlyMap<HostName, string>;
  /** What the agreeing hosts will decide by: the file in force, or the one that all of them offer. */
  known: KnownFile;
  /** Why this host is outside, a sentence; null where it is in. `sameFile`: it can follow the agreeing hosts' view. */
  outside: { reason: string; sameFile: boolean } | null;
}

export interface ProtocolState {
  self: HostName;
  selfHash: number;
  instance: bigint;
  authenticator: Authenticator;
  versions: Versions;
  /** What this host decides by. */
  known: KnownFile;
  offer: OfferedFile | null;
  previous: KnownFile | null;
  settings: OwnSettings;
  /** Mode arp: what this host says of the virtual IPs. */
  claim: HolderClaim;
  /** The other hosts of the file, by name; bounded by its 32. */
  peers: Map<HostName, Peer>;
  /** The same by `hash32` of the name. */
  peersByHash: Map<number, Peer>;
  /** Something came that may change a view, a report or the own row: the rest of the step has work to do. */
  changed: boolean;
  /** Of the last packet sent. */
  sequence: number;
  startedMs: Milliseconds;
  lastEventMs: Milliseconds;
  /** How this host stood still of late (sleep.ts); null where it kept time for a tolerance. */
  stalls: { sinceMs: Milliseconds; lastMs: Milliseconds; count: number; stoodMs: Milliseconds } | null;
  /** When a stall last gave everybody a fresh grace (R9). */
  lastGraceMs: Milliseconds;
  /** Until then nobody of the view that was resumed is missed. */
  graceUntilMs: Milliseconds;
  /** Highest number ever confirmed, with the head of its checksum; -1 where only the number is known (R3). */
  highest: { number: number; head: number };
  confirmed: { content: Content; number: number; checksum: string } | null;
  inForce: InForce | null;
  inForceText: string;
  inForceChecksum: string;
  inForceSinceMs: Milliseconds;
  inForceCause: string;
  taken: boolean;
  /** R10: who has to let go before this host takes what it owns. */
  lettingGo: LettingGo;
  /** Goes on with a view of an earlier life and has not met the others yet. */
  resumed: boolean;
  /** This host was away since it confirmed that view; until it has met the others again, or that time. */
  absence: { viewNumber: number; untilMs: Milliseconds } | null;
  /** And the others are about to agree on a view of which it is not known yet whether this host is in it. */
  isUnsure: boolean;
  side: Side;
  /** That this host is alone was told, and it still is. */
  saidAlone: boolean;
  /** Hosts lost from a view of this host and not yet back, with that view's number; bounded by the file. */
  lostFrom: Map<HostName, number>;
  /** Not waited for, and not missed, until they are heard; bounded by the file. */
  forgotten: Set<HostName>;
  hostDamper: Damper;
  ruleDampers: RuleDamper[];
  comingBack: ComingBack;
  leaving: { sinceMs: Milliseconds; viewNumber: number } | null;
  sending: {
    lastMs: Milliseconds;
    lastPulseMs: Milliseconds;
    pulseCount: number;
    lastKey: string;
    /** The own row says something new, and the last one went out a moment ago. */
    isHeldBack: boolean;
    repeatLeft: number;
    forwardDue: boolean;
  };
  lastProposalMs: Milliseconds;
  dropped: Record<DropReason, number>;
  /** Newest first. */
  problems: Problem[];
  /** Another host of this one's name, while it is heard (R5). */
  rival: Rival | null;
  /** Last unverified packet from a configured address; at most one entry a host (R6). */
  unverified: Map<HostName, Milliseconds>;
  reports: Map<HostName, HostReport>;
  /** How the file of a host with another one, as its rows name it, differs by item; at most 8 a host. */
  differences: Map<HostName, { file: string; items: Map<string, Difference> }>;
  fileSentMs: Map<HostName, Milliseconds>;
  cause: string;
  /** Of the step under way. */
  effects: Effect[];
}

export function periodMs(state: ProtocolState): Milliseconds {
  return state.known.file.heartbeat.periodMs;
}

/** A host is lost after this long without a sign of life. */
export function toleranceMs(state: ProtocolState): Milliseconds {
  return periodMs(state) * state.known.file.heartbeat.missedMax;
}

export function notice(
  state: ProtocolState,
  nowMs: Milliseconds,
  cause: NoticeCause,
  host: HostName | null,
  detail: string,
  todo: string | null = null,
): void {
  state.effects.push({ kind: 'notice', nowMs, cause, host, detail, todo });
}

/**
 * Goes to disk before any packet that this step sends (R3). Once in a step, where it was asked for first: a host that is lost and
 * the view without it would be two files flushed, one after the other, before a word goes to the others.
 */
export function persist(state: ProtocolState): void {
  const durable = {
    self: state.self,
    clusterName: state.known.file.clusterName,
    highestNumber: state.highest.number,
    highestHead: state.highest.head,
    inForce: state.inForce,
    revision: state.known.revision,
    returnCount: state.leaving === null ? state.hostDamper.returnCount : 0,
    forgotten: [...state.forgotten],
    ...durableComing(state),
  };
  const earlier = state.effects.find((effect) => effect.kind === 'persist');
  if (earlier === undefined) state.effects.push({ kind: 'persist', durable });
  else earlier.durable = durable;
}

export function peerByHash(state: ProtocolState, nameHash: number): Peer | undefined {
  return state.peersByHash.get(nameHash);
}

/** In the view, and not lost since. */
export function hasHost({ view, lostSince }: InForce, name: HostName): boolean {
  return !lostSince.includes(name) && view.hosts.some((host) => host.name === name);
}

export function isWaitingHost(state: ProtocolState, nowMs: Milliseconds): boolean {
  return isWaiting(state.hostDamper, nowMs);
}

/** What this host brings to each rule, a service that is damped counted as down; on standby only where it could serve. */
export function ownRules(state: ProtocolState, nowMs: Milliseconds): RuleState[] {
  const rules: RuleState[] = [];
  for (let i = 0; i < 32; i++) {
    const rule = state.settings.rules[i];
    const damper = state.ruleDampers[i];
    const damped = damper !== undefined && isWaiting(damper, nowMs);
    if (rule === undefined) rules.push('up');
    else if (rule.control === 'disabled' || rule.isOpening) rules.push('ruleDisabled');
    else if (rule.control === 'draining') rules.push('ruleDraining');
    else if (!rule.serviceUp || damped) rules.push('serviceDown');
    else rules.push(stateOfTaking(state, state.known.file.portRules[i]?.name ?? ''));
  }
  return rules;
}

function stateOfTaking(state: ProtocolState, rule: string): RuleState {
  const { standby, standsIn } = state.comingBack;
  if (standby.has(rule)) return 'standby';
  return standsIn?.rules.has(rule) && knowSeats(state.side.versions.protocol, state.known.file) ? 'standingIn' : 'up';
}

/** The row of this host, as its next packet says it. */
export function ownRow(state: ProtocolState, nowMs: Milliseconds): Row {
  const { confirmed } = state;
  const rules = ownRules(state, nowMs);
  return {
    nameHash: state.selfHash,
    instance: state.instance,
    sequence: state.sequence,
    hostState: state.settings.hostState,
    phase: ownPhase(state),
    waiting: isWaitingHost(state, nowMs),
    leaving: state.leaving !== null,
    holds: [...state.peers.values()].some((peer) => peer.link === 'held'),
    proven: true,
    returning: eighths(state, nowMs),
    gathering: state.comingBack.gatheringSinceMs !== null,
    file: state.known.fingerprint.slice(0, 4),
    offered: state.offer?.fingerprint.slice(0, 4) ?? '0000',
    confirmedNumber: confirmed?.number ?? 0,
    confirmedHead: confirmed === null ? 0 : checksumHead(confirmed.checksum),
    hears: ownHears(state),
    speaks: state.versions,
    rules,
    standsInFor: rules.includes('standingIn') ? priorityOf(state, state.comingBack.standsIn!.host) : 0,
  };
}

function priorityOf({ known }: ProtocolState, name: HostName): number {
  return known.file.hosts.find((host) => host.name === name)?.priority ?? 0;
}

function ownPhase(state: ProtocolState): Row['phase'] {
  const { confirmed, inForce } = state;
  if (confirmed === null || state.resumed) return 'starting';
  const agreed = inForce !== null && inForce.view.number === confirmed.number;
  if (!agreed || inForce.view.checksum !== confirmed.checksum) return 'converging';
  return state.taken ? 'taken' : 'converged';
}

function ownHears(state: ProtocolState): number {
  let bits = 0;
  for (const peer of state.peers.values()) {
    if (peer.link !== 'none') bits |= 1 << (peer.config.priority - 1);
  }
  const own = state.known.file.hosts.find(({ name }) => name === state.self);
  if (state.claim.holds && own !== undefined) bits |= 1 << (own.priority - 1);
  return bits >>> 0;
}

/**
 * Names that a `hears` of another host means: its bits count by the file it has in force. Its own name is among them where it
 * holds the virtual IPs.
 */
export function hearsNames(state: ProtocolState, row: Row): Set<HostName> {
  const files = [state.known, state.offer, state.previous];
  const known = files.find((each) => each?.fingerprint.startsWith(row.file)) ?? state.known;
  const names = new Set<HostName>();
  for (const host of known.file.hosts) {
    if ((row.hears >>> (host.priority - 1)) & 1) names.add(host.name);
  }
  return names;
}

export function noDrops(): Record<DropReason, number> {
  return {
    length: 0,
    magic: 0,
    otherCluster: 0,
    protocolVersion: 0,
    unknownKey: 0,
    wrongMac: 0,
    messageType: 0,
    malformed: 0,
    unknownHost: 0,
    wrongAddress: 0,
    ownName: 0,
    replayed: 0,
    notFresh: 0,
  };
}
