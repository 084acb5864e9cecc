/** How nftables reads from a packet what we hash and remember, in both families. */
import type { Affinity } from '../protocol/types.js';

export type Family = 'ip' | 'ip6';

const CONNECTION = (family: Family): string => `${family} saddr . tcp sport . ${family} daddr . tcp dport`;

/**
 * The type of an integer of 32 bits. nftables knows types by an expression only; of those that a jhash is compatible with, 1.0.6
 * cannot print its own jhash (`nft list ruleset` dies of it), so another integer stands for it.
 */
export const INTEGER = 'meta length';

/**
 * Sums of an IPv6 connection: nftables 1.0.6 (Debian 12) dies of a map that packets fill under a key of more than 16 bytes
 * (docs/decisions/0008). Two 32-bit sums stand for it (a lookup by three is too much for that nft): among as many flows as are
 * remembered two meet by chance once in 2^27 times, and who does not know the cluster's hash seed cannot make them meet. A
 * restarted sidecar has the same seeds, and goes on with the flows.
 */
function sumsOf(hashSeed: number): string {
  const seeds = [0x6e6c6201, 0x6e6c6202].map((number) => (hashSeed ^ number) >>> 0);
  return seeds.map((seed) => `jhash ${CONNECTION('ip6')} mod 0xffffffff seed ${seed}`).join(' . ');
}

export interface PacketKeys {
  /** The key of remembered flows. */
  flow: string;
  /** Its type, for the declaration of a map. */
  flowType: string;
  /** The connection as it is, for sets. */
  connection: string;
  ttl: string;
  /** Errors a router sends about a connection, and no other ICMP. */
  icmpErrors: string;
}

/** @param hashSeed  of the cluster; it seeds the sums too */
export function packetKeys(family: Family, hashSeed: number): PacketKeys {
  const connection = CONNECTION(family);
  if (family === 'ip') {
    return {
      connection,
      flow: connection,
      flowType: connection,
      ttl: 'ip ttl',
      icmpErrors: 'icmp type { destination-unreachable, time-exceeded, parameter-problem }',
    };
  }
  return {
    connection,
    flow: sumsOf(hashSeed),
    flowType: `${INTEGER} . ${INTEGER}`,
    ttl: 'ip6 hoplimit',
    icmpErrors: 'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }',
  };
}

/** `ffff:fffe::` written out in full: the first `length` bits set. */
function ipv6Mask(length: number): string {
  const group = (i: number) => {
    const bits = Math.min(16, Math.max(0, length - 16 * i));
    return (0xffff & ~(0xffff >> bits)).toString(16);
  };
  return Array.from({ length: 8 }, (_, i) => group(i)).join(':');
}

/** The key of docs/decision.md as nftables reads it; it pads a port to four bytes itself. */
export function keyOf(
  family: Family,
  affinity: Affinity,
  ipv6PrefixLength: number,
  protocol: 'tcp' | 'udp' = 'tcp',
): string {
  if (affinity === 'none') return `${family} saddr . ${protocol} sport`;
  if (affinity === 'single') return `${family} saddr`;
  return family === 'ip' ? 'ip saddr & 255.255.255.0' : `ip6 saddr & ${ipv6Mask(ipv6PrefixLength)}`;
}
