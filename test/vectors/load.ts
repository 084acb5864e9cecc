/** The test vectors of the decision (test/model/make_vectors.py writes them), typed, and as the sidecar's own shapes. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KeptClients } from '../../host/protocol/view-kept.js';
import type { Affinity, ClusterFile, FilteringMode, HostName, InForce, PortRule, Protocol } from '../../host/protocol/types.js';

export interface RuleVector {
  name: string;
  virtualIp: string | null;
  portFirst: number;
  portLast: number;
  protocol: Protocol;
  filteringMode: FilteringMode;
  affinity: Affinity;
  /** By host: load weight (multiple) or handling priority (single); 0 does not take part. Empty when disabled. */
  parts: Record<HostName, number>;
  /** Hash of a client's key, and where it is kept. */
  kept?: [number, HostName][];
}

export interface ClusterVector {
  hashSeed: number;
  ipv6PrefixLength: number;
  hosts: { name: HostName; priority: number }[];
  rules: RuleVector[];
}

/** A connection that enters at `self`, and what comes of it. */
export interface ConnectionVector {
  protocol: 'tcp' | 'udp';
  client: string;
  destination: string;
  self: HostName;
  /** Null: no rule covers it, the default host takes it. */
  rule: string | null;
  /** Null unless the rule's mode is multiple. */
  bucket: number | null;
  owner: HostName | null;
  nextOwner: HostName | null;
  refused: 'disabled' | 'nobody' | null;
  action: 'serve' | 'handoff' | 'handoffOrFallback' | 'refuse';
}

export interface DecisionVectors {
  decisionVersion: number;
  /** Bytes in hexadecimal; null: refused. */
  addresses: { text: string; bytes: string | null }[];
  endpoints: { text: string; bytes: string | null; port: number | null }[];
  hashes: { bytes: string; seed: number; hash: number }[];
  keys: {
    affinity: Affinity;
    client: string;
    ipv6PrefixLength: number;
    hashSeed: number;
    key: string;
    hash: number;
    bucket: number;
  }[];
  draws: { bucket: number; name: HostName; hashSeed: number; draw: number }[];
  /** jhash (seed 0) of the 4,097 entries as little-endian u32, 2,048 entries a hash. */
  logarithmTableHashes: number[];
  logarithms: { draw: number; value: number }[];
  owners: { hashSeed: number; weights: Record<HostName, number>; owners: [number, HostName | null, HostName | null][] }[];
  decisions: { cluster: ClusterVector; connections: ConnectionVector[] }[];
  keptDecisions: DecisionVectors['decisions'];
}

/** From test/ as it stands, also where this file runs compiled from build/. */
export function loadVectors(): DecisionVectors {
  const here = dirname(fileURLToPath(import.meta.url));
  const root = join(here, here.endsWith(join('build', 'test', 'vectors')) ? '../../..' : '../..');
  return JSON.parse(readFileSync(join(root, 'test/vectors/decision.json'), 'utf8')) as DecisionVectors;
}

/** The cluster of a vector as what a sidecar decides by: feed it to encodeView(). */
export function inForceOf(cluster: ClusterVector): InForce {
  return {
    file: fileOf(cluster),
    view: {
      number: 7,
      checksum: '0123456789abcdef',
      fingerprint: 'fedcba9876543210',
      decisionVersion: 1,
      protocolVersion: 1,
      hosts: cluster.hosts.map((host) => ({
        ...host,
        rules: cluster.rules.map((rule) => {
          const part = rule.parts[host.name] ?? 0;
          return {
            loadWeight: rule.filteringMode === 'multiple' ? part : 0,
            handlingPriority: rule.filteringMode === 'single' ? part : 0,
            absence: part > 0 || rule.filteringMode === 'disabled' ? null : 'draining',
          };
        }),
      })),
    },
    lostSince: [],
  };
}

export function keptOf(cluster: ClusterVector): KeptClients {
  return new Map(cluster.rules.map(({ kept = [] }, rule) => [rule, kept.map(([hash, host]) => ({ hash, host }))]));
}

function fileOf(cluster: ClusterVector): ClusterFile {
  return {
    clusterName: 'vectors.example.org',
    mode: 'routed',
    listenOn: 'virtualIp',
    virtualIps: ['10.0.0.100', '2001:db8::100'],
    hashSeed: cluster.hashSeed,
    ipv6PrefixLength: cluster.ipv6PrefixLength,
    heartbeat: { periodMs: 1000, missedMax: 5 },
    ports: { heartbeat: 7620, handoff: 7620, channel: 7621, page: 7622 },
    keyFile: 'cluster.key',
    hosts: cluster.hosts.map((host) => ({ ...host, dedicatedIp: `10.0.0.${host.priority}` })),
    portRules: cluster.rules.map(portRuleOf),
  };
}

function portRuleOf({ parts, kept: _, ...rule }: RuleVector): PortRule {
  return {
    ...rule,
    loadWeights: rule.filteringMode === 'multiple' ? parts : {},
    handlingPriorities: rule.filteringMode === 'single' ? parts : {},
    ownerPatienceMs: 1000,
    service: null,
  };
}
