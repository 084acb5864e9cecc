/**
 * What is known of one other host: its newest row, how it is heard, and who it is believed to be (R1, R5, R7). A packet
 * is fresh when it echoes this host's instance, or when a fresh host vouches for its sequence. Wall time plays no part.
 */
import type { Heartbeat, Row } from './heartbeat.js';
import type { HostConfig, HostName, Milliseconds } from './types.js';

/** Instances of earlier lives that are remembered per host, so that none of them is taken for a new one. */
const RETIRED_MAX = 8;

/** What it said up to there is of the past. Were it still alive, and the other one not, it would go on counting. */
export interface Retired {
  instance: bigint;
  sequence: number;
}

/**
 * - `none`: not heard here
 * - `heard`: fresh packets arrive from the host itself
 * - `held`: its sidecar is silent, its Envoy answers; keeps its share for a while (R13)
 */
export type Link = 'none' | 'heard' | 'held';

/** Open questions to a host that missed a heartbeat. */
export interface Suspicion {
  sinceMs: Milliseconds;
  probeCount: number;
  lastProbeMs: Milliseconds;
  /** Null while no answer to the last knock has come. */
  envoyAnswered: boolean | null;
}

export interface Candidate {
  instance: bigint;
  sequence: number;
  answeredMs: Milliseconds;
  /** Since when it is heard without an echo; long after, it is deaf (R2). */
  firstMs: Milliseconds;
  lastMs: Milliseconds;
}

export interface Peer {
  config: HostConfig;
  nameHash: number;
  link: Link;
  /** Newest proven row, whoever brought it; null until one was proven. */
  row: Row | null;
  /** Names that the row's `hears` means, read by the file its sender has in force. */
  hears: ReadonlySet<HostName>;
  /** Last heartbeat that came from the host itself, of the instance in `row`. */
  said: Heartbeat | null;
  /** When that came. */
  saidMs: Milliseconds;
  /** Since when this start of it is heard without a break. */
  heardSinceMs: Milliseconds;
  /** When its own sequence last advanced as seen here; null where it was only told of and never moved (R1). */
  advancedMs: Milliseconds | null;
  /** When another first told of the instance in `row`. */
  toldMs: Milliseconds;
  /** Last sign of life from the host itself, heartbeat or pulse. */
  directMs: Milliseconds;
  /** Of the newest pulse of the instance in `row`. */
  pulseCount: number;
  suspicion: Suspicion | null;
  /** Since when it is heard and hears none of us (R2); null where that is not so. */
  deafSinceMs: Milliseconds | null;
  /** When it became `held`. */
  silentSinceMs: Milliseconds;
  /** A start that is not proven to be of today: heard directly, waits for its echo. */
  candidate: Candidate | null;
  /** The packets in which it told its file last: all of them have one number. */
  fileTold: { sequence: number; file: string } | null;
  retired: Retired[];
  left: boolean;
  /** Who asked this host to ask that one, and is told of the answer. Bounded by the hosts of a file. */
  askedBy: Set<HostName>;
  lastKnockMs: Milliseconds;
  /** Knocks that are not answered yet; the edge answers each one. */
  openKnocks: number;
  /** Knocks in a row that its Envoy did not answer. */
  unansweredKnocks: number;
  /** When a packet that another key or cluster sealed last came from its address; see foreign.ts. */
  foreignMs: Milliseconds;
  /** When it was last heard after such a one: its address is another's too. */
  sharedMs: Milliseconds;
  /** The view it confirmed when it was heard again, and the number of the one it had in force. */
  backAs: BackAs | null;
  /** Which start of it was lost last; null where none was. */
  lostInstance: bigint | null;
}

export function newPeer(config: HostConfig, nameHash: number): Peer {
  return {
    config,
    nameHash,
    link: 'none',
    row: null,
    hears: new Set(),
    said: null,
    saidMs: Number.NEGATIVE_INFINITY,
    heardSinceMs: Number.NEGATIVE_INFINITY,
    advancedMs: null,
    toldMs: Number.NEGATIVE_INFINITY,
    directMs: Number.NEGATIVE_INFINITY,
    pulseCount: 0,
    suspicion: null,
    deafSinceMs: null,
    silentSinceMs: 0,
    candidate: null,
    fileTold: null,
    retired: [],
    left: false,
    askedBy: new Set(),
    lastKnockMs: Number.NEGATIVE_INFINITY,
    openKnocks: 0,
    foreignMs: Number.NEGATIVE_INFINITY,
    sharedMs: Number.NEGATIVE_INFINITY,
    unansweredKnocks: 0,
    backAs: null,
    lostInstance: null,
  };
}

interface BackAs {
  number: number;
  head: number;
  /** Of what it had in force; 0 where that is not known. */
  agreed: number;
}

export function backAs(row: Row, inForceNumber: number): BackAs {
  return { number: row.confirmedNumber, head: row.confirmedHead, agreed: inForceNumber };
}

export type Freshness = 'fresh' | 'restarted' | 'candidate' | 'replayed';

/**
 * Judges a packet that came from the host's own address with a right seal.
 *
 * @param echoesMe the packet names this host's instance, so it was made after this host started
 */
export function judge(peer: Peer, row: Row, echoesMe: boolean): Freshness {
  if (isRetired(peer, row) && (!echoesMe || isOfThePast(peer, row))) return 'replayed';
  const known = peer.row;
  if (known !== null && known.instance === row.instance) {
    // A told row vouches for its sequence: what is not older than that is fresh.
    const isNewer = row.sequence > known.sequence || (row.sequence === known.sequence && peer.said === null);
    return isNewer ? 'fresh' : 'replayed';
  }
  if (!echoesMe) return 'candidate';
  return known === null ? 'fresh' : 'restarted';
}

export function isRetired(peer: Peer, { instance }: Row): boolean {
  return peer.row?.instance !== instance && peer.retired.some((each) => each.instance === instance);
}

/** A row that a start said before another one took its place here. */
export function isOfThePast(peer: Peer, { instance, sequence }: Row): boolean {
  return peer.retired.some((each) => each.instance === instance && sequence <= each.sequence);
}

/** Another start takes its place: what was known of this one alone is forgotten, but not how far it had counted. */
export function retireStart(peer: Peer): void {
  if (peer.row !== null) {
    const { instance, sequence } = peer.row;
    peer.retired = [...peer.retired.filter((each) => each.instance !== instance), { instance, sequence }];
    if (peer.retired.length > RETIRED_MAX) peer.retired.shift();
  }
  peer.said = null;
  peer.fileTold = null;
  peer.pulseCount = 0;
  peer.left = false;
}

/** Takes a proven row. The instance before it is retired; content of an older row never comes back. */
export function takeRow(peer: Peer, row: Row, hears: ReadonlySet<HostName>): void {
  if (peer.row !== null && peer.row.instance !== row.instance) retireStart(peer);
  if (peer.candidate?.instance === row.instance) peer.candidate = null;
  peer.row = { ...row, proven: true };
  peer.hears = hears;
}

/** True where the two rows differ in something others have to be told at once (R12). */
export function rowChanged(before: Row | null, after: Row): boolean {
  if (before === null || before.instance !== after.instance || before.rules !== after.rules) return true;
  if (before.hears !== after.hears || before.confirmedNumber !== after.confirmedNumber) return true;
  if (before.confirmedHead !== after.confirmedHead || before.phase !== after.phase) return true;
  if (before.hostState !== after.hostState || before.waiting !== after.waiting) return true;
  if (before.holds !== after.holds || before.returning !== after.returning) return true;
  if (before.gathering !== after.gathering || before.standsInFor !== after.standsInFor) return true;
  return before.leaving !== after.leaving || before.file !== after.file || before.offered !== after.offered;
}

/** Everything of a row but sequence and freshness. */
export function rowKey(row: Row): string {
  const flags = `${row.hostState}${row.phase}${row.waiting}${row.leaving}${row.holds}${row.returning}${row.gathering}`;
  return `${flags}|${row.file}|${row.offered}|${row.confirmedNumber}|${row.confirmedHead}|${row.hears}|${row.rules.join()}|${row.standsInFor}`;
}
