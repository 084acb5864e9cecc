/**
 * The nouns that every part of the sidecar shares: the cluster file once parsed, the view, what is in force, and the
 * events and effects of the protocol. Shapes only, no code: whoever needs one of them imports it from here.
 */

/** A host is known by its name (`[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 32 bytes); hashes are made from it. */
export type HostName = string;
/** 1-32, unique; 1 is the highest. Orders hosts, decides nothing else. */
export type HostPriority = number;
/** Milliseconds of a monotonic clock of this host; comparable with nothing outside it. */
export type Milliseconds = number;
/** First 8 bytes of the SHA-256 of the canonical form of a cluster file, as 16 hex digits. */
export type Fingerprint = string;

export type Affinity = 'none' | 'single' | 'classC';
export type FilteringMode = 'multiple' | 'single' | 'disabled';
export type Protocol = 'tcp' | 'udp' | 'both';

/** Where a port rule leads to on one host, placeholders already filled in for that host. */
export interface Service {
  /**
   * `address:port`, `[v6]:port` or `unix:/path`. In the file `{dedicatedIp}` and `{name}` stand for the host's own. A port of
   * `{port}` is the one that the client connected to; it stays in the address where the rule has a range.
   */
  address: string;
  /** How the service learns the client's address. No default: see `proxyProtocol: none` in docs/operating.md. */
  proxyProtocol: 'v1' | 'v2' | 'none';
  /** The administrator's word that the service trusts nobody by address; needed for `none` on a mail port. */
  trustsNobodyByAddress: boolean;
  check: ServiceCheck;
}

export interface ServiceCheck {
  /** `connect`: the TCP handshake is enough. `banner`: the first bytes must start with `expect`. */
  kind: 'connect' | 'banner' | 'none';
  expect: string;
  periodMs: Milliseconds;
  timeoutMs: Milliseconds;
  /** Failed checks in a row after which the host leaves the rule. */
  failuresMax: number;
  /** Asked in place of `{port}` in the service's address; absent where there is none, or where kind is none. */
  port?: number;
}

export interface PortRule {
  /** `[a-z0-9-]{1,24}`, unique; shows in metrics and messages. */
  name: string;
  /** One virtual IP, or null for all of them. */
  virtualIp: string | null;
  portFirst: number;
  portLast: number;
  protocol: Protocol;
  filteringMode: FilteringMode;
  affinity: Affinity;
  /** By host name, 0-100. `equal` in the file is 50 for every host. Empty unless filteringMode is `multiple`. */
  loadWeights: Record<HostName, number>;
  /** By host name, 1-32, unique. Empty unless filteringMode is `single`. */
  handlingPriorities: Record<HostName, number>;
  ownerPatienceMs: Milliseconds;
  /**
   * How long after its last connection a client stays at its host; affinity single and class C only. Absent: not at all, and
   * the file's fingerprint is that of releases that did not know it.
   */
  stickForMs?: Milliseconds;
  /** A host that comes back takes its weight in steps over this time; multiple hosts only. Absent: at once. */
  failbackMs?: Milliseconds;
  /** A host that comes or comes back is on standby and takes no client that another serves (standby.ts). Absent: it does. */
  failback?: 'never';
  /** Null for a disabled rule. By host: use serviceOf(rule, host). */
  service: Service | null;
}

export interface HostConfig {
  name: HostName;
  priority: HostPriority;
  /** The address that belongs to this host alone; heartbeats, handoffs and the host channel use it. */
  dedicatedIp: string;
  /** What it is where no state of it is kept. Absent: started, so that files of before keep their fingerprint. */
  initialState?: 'stopped' | 'suspended';
  /** States that are kept over a start of the machine; over a restart of the sidecar alone, all are. Absent: all. */
  persistedStates?: PersistedState[];
}

export type PersistedState = 'started' | 'stopped' | 'suspended';

/**
 * How packets for the cluster come to the hosts. `routed`: the addresses are spread outside, by DNS or a router. `arp`: one
 * host holds the virtual IPs on the link. `multicast`: every host receives every packet and takes its own.
 */
export type Mode = 'routed' | 'arp' | 'multicast';

/** What the modes arp and multicast have beside the rest. Use interfaceOf(). */
export interface LinkSettings {
  /** By host name; a host that is not named takes the interface that has its dedicated IP. */
  interfaces: Record<HostName, string>;
  /** When the virtual IPs go back to the host of highest priority; minutes of the day, local time of each host. */
  failback: 'never' | 'immediate' | { fromMinute: number; toMinute: number };
  /** Source of connections that the holder opens itself. */
  outgoing: 'dedicatedIp' | 'virtualIp';
}

/** HTTPS with tokens, on the dedicated address. Paths are relative to the cluster file. */
export interface RemoteControl {
  port: number;
  tokenFile: string;
  /** PEM; both null where each host makes its own. */
  certificate: string | null;
  privateKey: string | null;
  /** Further names in a certificate made here. */
  names: string[];
}

/** One line a connection, by Envoy. */
export interface ConnectionLogSettings {
  /** Absolute, `{name}` is the host's own name; or `stdout`. Ask connectionLogPath(). */
  path: string;
  format: 'json' | 'text';
  maxMiB: number;
}

/** The cluster file, checked and with all defaults filled in. The same on every host. */
export interface ClusterFile {
  /** Full internet name of the cluster. */
  clusterName: string;
  mode: Mode;
  /** `dedicatedIp`: rules listen on each host's own address (DNS with one address a host); `virtualIp`: on those. */
  listenOn: 'dedicatedIp' | 'virtualIp';
  virtualIps: string[];
  /** u32; the seed of every hash of the decision. */
  hashSeed: number;
  /** 1-128; what class C means for IPv6. Default 64. */
  ipv6PrefixLength: number;
  heartbeat: { periodMs: Milliseconds; missedMax: number };
  /** `redirect`, TCP: where the kernel redirects to; absent: 7624. Ask redirectPortOf(). */
  ports: { heartbeat: number; handoff: number; channel: number; page: number; redirect?: number };
  /** Where what no port rule covers goes. Absent: to the entry host's own programs, as the kernel does it. */
  otherPorts?: 'defaultHost';
  /** Path of the cluster key, relative to the file. */
  keyFile: string;
  /** Ascending priority. 2-32 of them (1 is allowed for a first try). */
  hosts: HostConfig[];
  /** At most 32. */
  portRules: PortRule[];
  /** Only in the modes arp and multicast. */
  link?: LinkSettings;
  /** Left out where it is off. */
  remoteControl?: RemoteControl;
  connectionLog?: ConnectionLogSettings;
}

/** Why a host does not take part in a rule. */
export type Absence =
  | 'draining'
  | 'stopped'
  | 'ruleDisabled'
  | 'serviceDown'
  | 'weightZero'
  | 'lost'
  | 'notListed'
  | 'standby';

/** What one host brings to one port rule in a view. Index-aligned with ClusterFile.portRules. */
export interface RulePart {
  /** 0-100; 0 where the host does not take part. */
  loadWeight: number;
  /** 1-32 for a single-host rule, else 0; 0 where the host does not take part. */
  handlingPriority: number;
  /** Null where the host takes part. */
  absence: Absence | null;
  /** It has the part of that host, by whose name it is scored (seats.ts). Absent: its own. */
  standsInFor?: HostName;
}

export interface ViewHost {
  name: HostName;
  priority: HostPriority;
  rules: RulePart[];
}

/** What a convergence agreed on. Its identity is (number, checksum), see R3. */
export interface View {
  number: number;
  /** 16 hex digits over everything a host decides by: see docs/decisions on view identity. */
  checksum: string;
  fingerprint: Fingerprint;
  decisionVersion: number;
  protocolVersion: number;
  /** Hosts that are in, ascending priority. */
  hosts: ViewHost[];
}

/** What this host decides by right now: the last agreed view less the hosts that were lost since (R4). */
export interface InForce {
  file: ClusterFile;
  view: View;
  lostSince: HostName[];
}

/** What the administrator wants of a host. `suspended`: stopped, and every verb but resume is refused there. */
export type HostState = 'started' | 'draining' | 'stopped' | 'suspended';

/** And of one port rule there. `disabled` also ends the open connections, `draining` lets them finish. */
export type RuleControl = 'enabled' | 'disabled' | 'draining';

/** What a host says of itself; gathered by all, in force by the next view (R11). */
export interface OwnSettings {
  hostState: HostState;
  /** Index-aligned with the portRules of the file in force. */
  rules: OwnRule[];
}

export interface OwnRule {
  control: RuleControl;
  serviceUp: boolean;
  /** Envoy was not seen yet to use the service again that was out: until then it takes no part, whatever the administrator wants. */
  isOpening?: boolean;
}
