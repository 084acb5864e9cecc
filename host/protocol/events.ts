/**
 * What goes into the protocol and what comes out: events, effects, and what a state says of itself. The machine knows
 * no clock, socket, file or chance; the edge brings each of them as an event and carries each effect out.
 *
 * The edge's duties, in the order of one turn: take one event, call `step`, carry the effects out in their order
 * (`persist` is on disk before the next effect is begun). A tick comes every heartbeatPeriodMs / 10; after a late one
 * the edge hands over all waiting packets first, then the tick (R9).
 */
import type { HolderClaim } from './holder-claim.js';
import type { Problem } from './problems.js';
import type { Versions } from './seal.js';
import type { ClusterFile, Fingerprint, HostName, InForce, Milliseconds, OwnSettings, RuleControl } from './types.js';

/** Makes and checks nothing by itself: the machine cuts and compares what `mac` returns. */
export interface Authenticator {
  /** 0-255, the key this host seals with. */
  keyId: number;
  /** HMAC-SHA-256, 32 bytes; null where no key of that id is known here. Two keys may be valid at a time. */
  mac(keyId: number, bytes: Uint8Array): Uint8Array | null;
}

/** What outlives a restart; plain data, JSON-safe. An empty state directory is `emptyDurable()`. */
export interface DurableState {
  /** The host it was written for: a state directory copied to another host is noticed and not used. */
  self: HostName | null;
  /** And its cluster, likewise. */
  clusterName: string | null;
  /** Highest view number ever confirmed or in force here (R3). */
  highestNumber: number;
  /** First 32 bits of the checksum confirmed under it; -1 where it is not known. */
  highestHead: number;
  /** What was in force last; a restarted sidecar goes on with it, its Envoy does anyway. */
  inForce: InForce | null;
  /** Config revision of the file in force (R8). */
  revision: number;
  /** Returns to the cluster that still count for damping (R11). */
  returnCount: number;
  /** Hosts that nobody waits for until they are heard (forgotten.ts). */
  forgotten: HostName[];
  /** Port rules in which this host is on standby (standby.ts). */
  standby: string[];
  /** Whom it stands in for, and in which port rules (seats.ts); null where for nobody. */
  standsIn: { host: HostName; rules: string[] } | null;
  /** For how long it has been taking its weights again; null where it has all of them. */
  returningForMs: Milliseconds | null;
}

export type ProtocolEvent =
  | { kind: 'tick'; nowMs: Milliseconds }
  | { kind: 'packet'; nowMs: Milliseconds; fromAddress: string; fromPort: number; bytes: Uint8Array }
  | { kind: 'settings'; nowMs: Milliseconds; settings: OwnSettings }
  /** Mode arp: what this host says of the virtual IPs from now on; sent at once. */
  | { kind: 'claim'; nowMs: Milliseconds; claim: HolderClaim }
  | OfferEvent
  /** The offer of this file is taken back; one that is in force already stays. */
  | { kind: 'withdraw'; nowMs: Milliseconds; fingerprint: Fingerprint }
  /** Envoy decides by this view now, and the kernel has let go (R10); `checksum` is the one of `inForceIdentity` in the effect. */
  | { kind: 'taken'; nowMs: Milliseconds; viewNumber: number; checksum: string }
  /** Answer to `knock`; silence is answered with `answered: false` after `timeoutMs`. */
  | { kind: 'envoyAnswer'; nowMs: Milliseconds; host: HostName; answered: boolean }
  /** A planned stop of the sidecar. Ticks go on until `statusOf(...).left`. */
  | { kind: 'leave'; nowMs: Milliseconds }
  /** `nlb forget`; nothing happens where that host is heard. */
  | { kind: 'forget'; nowMs: Milliseconds; host: HostName }
  /** `nlb start --now`: forget the damping of this host and its rules, and what keeps its clients from it. */
  | { kind: 'start'; nowMs: Milliseconds }
  /** `nlb enable` of rules, by name, that are on here: where this host is on standby it takes its part. */
  | { kind: 'give'; nowMs: Milliseconds; rules: readonly string[] };

/** `nlb reload`, `nlb apply`: the host offers this file; it comes in force with all hosts together. */
export interface OfferEvent {
  kind: 'offer';
  nowMs: Milliseconds;
  file: ClusterFile;
  fingerprint: Fingerprint;
  /** Of a file that the cluster distributes; one put there by hand keeps the number of the file in force. */
  revision?: number;
  /** Hosts that are left behind: nobody waits for their offer. @default none */
  without?: readonly HostName[];
}

/** Causes are words of the log and the history; `detail` is a whole sentence for a person. */
export type NoticeCause =
  | 'started'
  | 'hostHeard'
  | 'hostLost'
  | 'hostLeft'
  | 'hostRestarted'
  | 'hostBack'
  | 'hostDeaf'
  | 'sidecarSilent'
  | 'sidecarBack'
  | 'takesPart'
  | 'takesNoPart'
  | 'converging'
  | 'viewInForce'
  | 'viewInForceAsDefault'
  | 'alone'
  | 'outside'
  | 'inside'
  | 'fileOffered'
  | 'fileInForce'
  | 'contradiction'
  | 'disagreement'
  | 'unverified'
  | 'claimedName'
  | 'damped'
  | 'lateTick'
  | 'keepsTime'
  | 'standby'
  | 'stateCopied';

export type Effect =
  | { kind: 'send'; toAddress: string; toPort: number; bytes: Uint8Array }
  /** Write it to Envoy, then answer with `taken` and this `checksum` (it covers view and lostSince, R4). */
  | { kind: 'inForce'; inForce: InForce; checksum: string; cause: string }
  /**
   * R10: whoever owned before has let go, so a kernel that accepts by bucket may take all that is this host's by what is
   * in force. With `inForce` it only lets go of what is no longer its own, and `taken` is said once it has.
   */
  | { kind: 'mayTake'; checksum: string }
  /** R10: with each sign of life to the others, while what this host's kernel accepts is surely its own: renew its lease. */
  | { kind: 'renew'; nowMs: Milliseconds }
  | { kind: 'persist'; durable: DurableState }
  /** Connect to the host's handoff listener, expect "alive" within `timeoutMs`. */
  | { kind: 'knock'; host: HostName; address: string; port: number; timeoutMs: Milliseconds }
  | NoticeEffect;

export interface NoticeEffect {
  kind: 'notice';
  nowMs: Milliseconds;
  cause: NoticeCause;
  host: HostName | null;
  detail: string;
  /** What to do, where there is something to do. */
  todo: string | null;
}

/** Why a packet at the heartbeat port was dropped. */
export type DropReason =
  | 'length'
  | 'magic'
  | 'otherCluster'
  | 'protocolVersion'
  | 'unknownKey'
  | 'wrongMac'
  | 'messageType'
  | 'malformed'
  | 'unknownHost'
  | 'wrongAddress'
  | 'ownName'
  | 'replayed'
  | 'notFresh';

/**
 * A host as another one sees it:
 *
 * - `converged`: in the view in force here
 * - `converging`: heard, and a view with it is being agreed
 * - `draining`: in the view, finishes open connections, takes no new ones
 * - `stopped`: heard, out on purpose
 * - `suspended`: the same, and takes no verb but resume
 * - `sidecarSilent`: in the view, its sidecar is silent while its Envoy answers (R13)
 * - `lost`: was in the view, not heard any more
 * - `outside`: heard, but contradicts the cluster; `detail` names the difference
 * - `notSeen`: listed in the file, never heard since this sidecar started
 * - `forgotten`: lost or never seen, and nobody waits for it (nlb forget) until it is heard again
 */
export type SeenState =
  | 'converged'
  | 'converging'
  | 'draining'
  | 'stopped'
  | 'suspended'
  | 'sidecarSilent'
  | 'lost'
  | 'outside'
  | 'notSeen'
  | 'forgotten';

/** One host as the protocol sees it; `host/admin/status.ts` says the same words to people. */
export interface HostReport {
  name: HostName;
  priority: number;
  dedicatedIp: string;
  state: SeenState;
  sinceMs: Milliseconds;
  detail: string | null;
}

export interface FileReport {
  fingerprint: Fingerprint;
  /** Config revision (R8), 0 where no file was ever distributed by the cluster. */
  revision: number;
  offered: Fingerprint | null;
  detail: string | null;
  /** A host that says it has a higher revision in force; null where none does. */
  newest: { host: HostName; revision: number } | null;
}

export interface ProtocolStatus {
  state: 'starting' | 'converging' | 'converged' | 'alone' | 'stopped';
  /** Null before the first view. */
  inForce: InForce | null;
  /** Identity of (view, lostSince); empty before the first view. */
  inForceChecksum: string;
  inForceSinceMs: Milliseconds;
  inForceCause: string;
  /** Envoy has `inForce` in force. */
  taken: boolean;
  /** And so have all hosts that are heard. */
  takenEverywhere: boolean;
  /** `rules`: index-aligned with those of the file in force; null for a host that is not heard. */
  hosts: (HostReport & { rules: RuleControl[] | null })[];
  file: FileReport;
  droppedPackets: Record<DropReason, number>;
  /** Newest first, at most 50. */
  problems: Problem[];
  /** R6: lone, and configured addresses send what cannot be verified: the virtual IP must not be taken. */
  holdVirtualIpBack: boolean;
  /** After `leave`: the others have a view without this host, or waited long enough; the sidecar may exit. */
  left: boolean;
}

export interface CreateArguments {
  /** The file as it is on disk, checked. Where another was in force last, that one goes on and this one is offered. */
  file: ClusterFile;
  fingerprint: Fingerprint;
  self: HostName;
  /** Random at each start (R7). */
  instance: bigint;
  durable: DurableState;
  authenticator: Authenticator;
  settings: OwnSettings;
  /** Of an earlier run whose lease has not run out. @default holds nothing */
  claim?: HolderClaim | undefined;
  nowMs: Milliseconds;
  /** Its Envoy did not serve until now: this host comes or comes back. @default false, its sidecar alone was started */
  isFresh?: boolean;
  /** @default what this build speaks */
  versions?: Versions;
}

/** The durable state of a host that never ran. */
export function emptyDurable(): DurableState {
  return {
    self: null,
    clusterName: null,
    highestNumber: 0,
    highestHead: -1,
    inForce: null,
    revision: 0,
    returnCount: 0,
    forgotten: [],
    standby: [],
    standsIn: null,
    returningForMs: null,
  };
}
