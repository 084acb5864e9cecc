/** How nftables is asked for our buckets and owners: the rules a kernel mode would load, from docs/decision.md. */
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

/** `ffff:fffe::` written out in full: the first `length` bits set. */
function ipv6Mask(length: number): string {
  const group = (i: number) => {
    const bits = Math.min(16, Math.max(0, length - 16 * i));
    return (0xffff & ~(0xffff >> bits)).toString(16);
  };
  return Array.from({ length: 8 }, (_, i) => group(i)).join(':');
}

/** The key as nftables reads it from a packet. */
function keyExpression(family: Family, protocol: 'tcp' | 'udp', { affinity, ipv6PrefixLength }: KeySettings): string {
  if (affinity === 'none') return `${family} saddr . ${protocol} sport`;
  if (affinity === 'single') return `${family} saddr`;
  return family === 'ip' ? 'ip saddr & 255.255.255.0' : `ip6 saddr & ${ipv6Mask(ipv6PrefixLength)}`;
}

/** Marks a packet with its client's bucket. */
export function bucketMarking(name: string, family: Family, settings: KeySettings): Marking {
  return {
    name,
    family,
    statements: (protocol) =>
      `meta mark set jhash ${keyExpression(family, protocol, settings)} mod 65536 seed ${settings.hashSeed}`,
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
