/** How nftables is asked for our buckets and owners: by the key that the kernel modes load, host/kernel/packet-keys.ts. */
import { keyOf } from '../../host/kernel/packet-keys.js';
import type { Affinity } from '../../host/protocol/types.js';
import type { Family } from './oracle-clients.js';
import type { Marking } from './oracle-kernel.js';

export interface KeySettings {
  affinity: Affinity;
  /** u32 */
  hashSeed: number;
  /** 1-128 */
  ipv6PrefixLength: number;
}

/** Marks a packet with its client's bucket. */
export function bucketMarking(name: string, family: Family, settings: KeySettings): Marking {
  return {
    name,
    family,
    statements: (protocol) =>
      `meta mark set jhash ${keyOf(family, settings.affinity, settings.ipv6PrefixLength, protocol)} mod 65536 seed ${settings.hashSeed}`,
  };
}

/** Marks a packet with what `map` has for its client's bucket. */
export function ownerMarking(name: string, family: Family, settings: KeySettings, map: string): Marking {
  const { statements } = bucketMarking(name, family, settings);
  return { name, family, statements: (protocol) => `${statements(protocol)} meta mark set meta mark map @${map}` };
}

/** The whole owner map: host 0 of `table` becomes mark 1, since a packet that nothing marked has 0. */
export function ownerMap(name: string, table: Uint8Array): string {
  const elements = [...table].map((host, bucket) => `${bucket} : ${host + 1}`);
  return `map ${name} { typeof meta mark : meta mark; elements = { ${elements.join(', ')} }\n}`;
}
