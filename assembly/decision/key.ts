/**
 * The part of a client that affinity looks at, and the bucket it falls into.
 *
 *     affinity   IPv4 key                       IPv6 key
 *     none       address 4 | port 2 | 0 0       address 16 | port 2 | 0 0      (8 and 20 bytes)
 *     single     address 4                      address 16
 *     class C    address 4, cut to /24          address 16, cut to /ipv6PrefixLength
 *
 * All in network order. nftables pads a concatenation to whole 32-bit registers, hence the two zeros: its
 * `jhash ip saddr . tcp sport` reads just these bytes.
 */
import { ADDRESS_SIZE, isIpv4 } from './address';
import { jhash } from './jhash';

export const AFFINITY_NONE: u8 = 0;
export const AFFINITY_SINGLE: u8 = 1;
export const AFFINITY_CLASS_C: u8 = 2;

/** Longest key: an IPv6 address, a port and two zeros. */
export const KEY_SIZE_MAX: u32 = 20;
/** Buckets of the hash space: nftables' `jhash ... mod 65536`. */
export const BUCKETS: u32 = 65536;

const CLASS_C_PREFIX_LENGTH: u32 = 24;
/** An IPv4 address is the last 4 of its 16 bytes. */
const IPV4_OFFSET: usize = 12;

/** Clears all bits of `size` bytes behind the first `prefixLength`. */
function cut(address: usize, size: u32, prefixLength: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    const kept = prefixLength > 8 * i ? min<u32>(prefixLength - 8 * i, 8) : 0;
    store<u8>(address + i, u8(u32(load<u8>(address + i)) & (0xff00 >> kept)));
  }
}

/**
 * Writes the key of a client.
 *
 * @param affinity      AFFINITY_NONE, AFFINITY_SINGLE or AFFINITY_CLASS_C
 * @param address       16 bytes as parseAddress() writes them
 * @param port          the client's port; only affinity none looks at it
 * @param prefixLength  1-128: what class C keeps of an IPv6 address
 * @param out           KEY_SIZE_MAX bytes
 * @returns             the key's length in bytes
 */
export function writeKey(affinity: u8, address: usize, port: u16, prefixLength: u32, out: usize): u32 {
  const offset: usize = isIpv4(address) ? IPV4_OFFSET : 0;
  const size = ADDRESS_SIZE - u32(offset);
  memory.copy(out, address + offset, size);
  if (affinity == AFFINITY_CLASS_C) cut(out, size, offset ? CLASS_C_PREFIX_LENGTH : prefixLength);
  if (affinity != AFFINITY_NONE) return size;
  store<u16>(out + size, bswap<u16>(port));
  store<u16>(out + size, 0, 2);
  return size + 4;
}

export function hashOf(key: usize, length: u32, hashSeed: u32): u32 {
  return jhash(key, length, hashSeed);
}

/** The bucket of a key's hash, 0-65535: its top 16 bits. */
export function bucketOf(hash: u32): u32 {
  return hash >> 16;
}
