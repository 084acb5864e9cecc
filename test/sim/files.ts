/** Cluster files and keys for the simulation: small, made up, told apart by a fingerprint of their text. */
import { checksum64 } from '../../host/protocol/checksum.js';
import type { Authenticator } from '../../host/protocol/events.js';
import type { Affinity, ClusterFile, HostConfig, PortRule } from '../../host/protocol/types.js';

/** A host that comes back has an eighth of its weight for hours: longer than a life, so that one at rest keeps its view. */
const DAY_MS = 86_400_000;

export interface FileOptions {
  hostCount: number;
  periodMs?: number;
  missedMax?: number;
  affinity?: Affinity;
  /** Rules beyond `smtp` and `single`. */
  moreRules?: number;
  /** Of the same cluster: other weights, and another order of the hosts under the rule `single`. */
  variant?: number;
  clusterName?: string;
  /** `failback: never` for the rules `single` and `more0`. */
  never?: boolean;
}

export function makeFile(options: FileOptions): { file: ClusterFile; fingerprint: string } {
  const hosts: HostConfig[] = [];
  const { hostCount, variant = 0 } = options;
  for (let i = 1; i <= hostCount; i++) {
    hosts.push({ name: `mail${i}`, priority: i, dedicatedIp: `10.0.0.${i}` });
  }
  const rule = (name: string, port: number, part: Partial<PortRule>): PortRule => ({
    name,
    virtualIp: null,
    portFirst: port,
    portLast: port,
    protocol: 'tcp',
    filteringMode: 'multiple',
    affinity: 'single',
    loadWeights: Object.fromEntries(hosts.map((host) => [host.name, 50 + ((host.priority * variant) % 50)])),
    handlingPriorities: {},
    ownerPatienceMs: 1000,
    service: null,
    ...part,
  });
  const never: Partial<PortRule> = options.never ? { failback: 'never' } : {};
  const portRules = [
    rule('smtp', 25, { affinity: options.affinity ?? 'single', failbackMs: DAY_MS }),
    rule('single', 26, {
      ...never,
      filteringMode: 'single',
      loadWeights: {},
      handlingPriorities: Object.fromEntries(
        hosts.map((host) => [host.name, 1 + ((host.priority - 1 + variant) % hostCount)]),
      ),
    }),
  ];
  for (let i = 0; i < (options.moreRules ?? 0); i++) portRules.push(rule(`more${i}`, 100 + i, i === 0 ? never : {}));
  const file: ClusterFile = {
    clusterName: options.clusterName ?? 'mail.example.org',
    mode: 'routed',
    listenOn: 'dedicatedIp',
    virtualIps: [],
    hashSeed: 1,
    ipv6PrefixLength: 64,
    heartbeat: { periodMs: options.periodMs ?? 1000, missedMax: options.missedMax ?? 5 },
    ports: { heartbeat: 7620, handoff: 7620, channel: 7621, page: 7622 },
    keyFile: 'cluster.key',
    hosts,
    portRules,
  };
  return { file, fingerprint: checksum64(JSON.stringify([file, variant])) };
}

/** Another file of the same cluster, hosts and rules. */
export function variantOf({ clusterName, hosts, heartbeat, portRules }: ClusterFile, variant: number) {
  return makeFile({
    clusterName,
    hostCount: hosts.length,
    periodMs: heartbeat.periodMs,
    affinity: portRules[0]!.affinity,
    moreRules: portRules.length - 2,
    never: portRules.some(({ failback }) => failback === 'never'),
    variant,
  });
}

/** What a key file holds: the id that seals, and all that are accepted. */
export interface KeyIds {
  sealing: number;
  valid: readonly number[];
}

/** Cheap stand-in for HMAC-SHA-256: two sums over the bytes. Told apart by `key` and key id; it protects nothing. */
export function cheapAuthenticator(key = 1, ids: KeyIds = { sealing: 1, valid: [1] }): Authenticator {
  return {
    keyId: ids.sealing,
    mac(keyId, bytes) {
      if (!ids.valid.includes(keyId)) return null;
      let a = 0x811c9dc5 ^ key ^ (keyId << 16);
      let b = 0x9e3779b9 ^ key;
      for (const byte of bytes) {
        a = Math.imul(a ^ byte, 0x01000193);
        b = (Math.imul(b, 31) + byte) | 0;
      }
      const mac = new Uint8Array(32);
      const view = new DataView(mac.buffer);
      view.setInt32(0, a);
      view.setInt32(4, b);
      view.setInt32(8, a ^ b);
      return mac;
    },
  };
}
