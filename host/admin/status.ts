/**
 * What a sidecar says of its cluster: the shape behind `GET /status`, `nlb query --json`, `nlb display --json` and the
 * page. A shape of its own, so that the protocol's inner state can change without breaking anybody's scripts.
 */
import type { SeenState } from '../protocol/events.js';
import type { VirtualIpStatus } from '../virtual-ip/status.js';
import type { Absence, FilteringMode, Affinity, Protocol, RuleControl } from '../protocol/types.js';

export interface HostStatus {
  name: string;
  priority: number;
  dedicatedIp: string;
  state: SeenState;
  /** ISO 8601, when `state` was entered as seen from here. */
  since: string;
  isDefaultHost: boolean;
  isThisHost: boolean;
  /** One sentence for a person where there is something to say, e.g. why it is outside or what is back in how long. */
  detail: string | null;
}

export interface RuleHostStatus {
  host: string;
  /** What the administrator wants of the rule there; null where the host is not heard. */
  control: RuleControl | null;
  takesPart: boolean;
  absence: Absence | null;
  /** It has the part of that host, which takes part no more (failback never). Absent: its own. */
  standsInFor?: string;
  loadWeight: number;
  handlingPriority: number;
  /** 0-1: part of the buckets this host owns. */
  expectedShare: number;
  /** Connections that entered here since this sidecar's Envoy started and were sent to that host. */
  connectionCount: number;
  /** 0-1, of all connections of this rule that entered here; null before the first one. */
  measuredShare: number | null;
}

export interface RuleStatus {
  name: string;
  virtualIp: string | null;
  portFirst: number;
  portLast: number;
  protocol: Protocol;
  filteringMode: FilteringMode;
  affinity: Affinity;
  /** Of this host: `nlb enable`, `disable`, `drain`. */
  control: RuleControl;
  /** ISO 8601: when the drain of this rule here is over at the latest and the rule disabled; absent where there is no such time. */
  drainEndsAt?: string;
  hosts: RuleHostStatus[];
  /** Connections that other hosts handed to this one since its Envoy started. */
  handedToUsCount: number;
  /** Connections this entry host served because the owner did not answer. */
  fallbackCount: number;
  /** By reason. */
  refusedCounts: Record<string, number>;
  /** Open connections on this host's listeners of the rule. */
  openCount: number;
  /** Open connections to this host's service, wherever they entered: what a draining host waits for, beside the others. */
  servedOpenCount: number;
  /** Present where the kernel redirects the rule's ports to one listener, because they are too many for one each. */
  isRedirected?: true;
  /** Where clients are remembered (stickFor); absent where not. */
  recentClients?: RecentClientsStatus;
}

export interface RecentClientsStatus {
  stickForMs: number;
  /** Clients with a connection not longer ago than that, at whichever host, as known here. */
  count: number;
  /** Of those, who stays at a host that is not the owner: in force here. */
  keptCount: number;
}

/** What no port rule covers, with otherPorts defaultHost. */
export interface OtherPortsStatus {
  servedHereCount: number;
  handedOffCount: number;
  refusedCounts: Record<string, number>;
  openCount: number;
  servedOpenCount: number;
}

export interface ProblemStatus {
  /** ISO 8601. */
  since: string;
  text: string;
  /** As in docs/events.md; null for what is wrong with this host alone. */
  cause: string | null;
  /** Whose doing it is, where that is known. */
  host: string | null;
  /** What to do, where the text does not say it. */
  todo: string | null;
}

/** What this host still waits for while it drains. */
export interface DrainStatus {
  since: string;
  /** What is open then is ended; null where the drain may take for ever. */
  endsAt: string | null;
  /** Open connections that entered here, wherever they are served; null where Envoy does not say. */
  enteredCount: number | null;
  /** And those that other hosts handed here; their clients are connected there. */
  handedHereCount: number | null;
  /** Of those that entered here the ones that are seen longest, at most 20. */
  oldest: {
    client: string;
    clientPort: number;
    port: number;
    rule: string | null;
    /** Since it was first seen; the drain's start at the earliest. */
    seenForS: number;
  }[];
}

export interface ClusterStatus {
  clusterName: string;
  mode: string;
  thisHost: string;
  /** The cluster as this host sees it: `alone` is converged with itself only while others are listed. */
  state: 'starting' | 'converging' | 'converged' | 'alone' | 'stopped';
  view: { number: number; checksum: string; fingerprint: string; since: string; cause: string } | null;
  /** Null while this host does not drain. */
  drain: DrainStatus | null;
  /** Names lost since the view was agreed. */
  lostSince: string[];
  hosts: HostStatus[];
  rules: RuleStatus[];
  /** Present with otherPorts defaultHost. */
  otherPorts?: OtherPortsStatus;
  /** Null in mode routed. */
  virtualIp: VirtualIpStatus | null;
  envoy: {
    state: 'starting' | 'serving' | 'down' | 'notOurs';
    pid: number | null;
    version: string | null;
    /** True where Envoy has in force what the sidecar wrote last. */
    tookConfiguration: boolean;
    detail: string | null;
  };
  /** `revision`: one more with every applied change, 0 before the first. */
  file: { path: string; fingerprint: string; revision: number; offered: string | null; detail: string | null };
  /** Packets at the heartbeat port that were dropped, by reason. */
  droppedPackets: Record<string, number>;
  /** Contradictions and other things an administrator has to mend, newest first; bounded to 50. */
  problems: ProblemStatus[];
  startedAt: string;
}
