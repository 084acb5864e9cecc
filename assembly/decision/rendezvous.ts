/**
 * The owner of a bucket among weighted hosts: each host scores the bucket, the best score owns it.
 *
 * Every host must agree on this bit for bit, so a change here changes DECISION_VERSION too.
 * Source: Thaler & Ravishankar 1998; weights by the logarithm method, in integers as Ceph's straw2. Exact form:
 * docs/decision.md, "Owner".
 */
import { jhash, jhash3Words } from './jhash';
import { negativeLogarithm } from './logarithm';

/** What all hosts of a view have to speak alike: this file, jhash.ts, key.ts and logarithm.ts. */
export const DECISION_VERSION: u32 = 1;

/** Makes the second hash of a name another one than the first; the golden ratio's bits. */
const SECOND_SEED: u32 = 0x9e3779b9;

/**
 * One host of a rule, as it lies in memory: 12 bytes, hosts one behind the other, in the order of their names' bytes.
 * A host of weight 0 does not take part.
 */
@unmanaged
export class WeightedHost {
  nameHash1: u32;
  nameHash2: u32;
  /** 0-100. */
  weight: u32;
}

/** Bytes of one host in an array of them. */
export const WEIGHTED_HOST_SIZE: usize = 12;

/** The host at an index of an array of hosts. */
// @ts-ignore: decorator
@inline
export function hostAt(hosts: usize, index: u32): WeightedHost {
  return changetype<WeightedHost>(hosts + index * WEIGHTED_HOST_SIZE);
}

/** Writes one host: the hashes of its name, so that a connection costs no hash over text. */
export function writeHost(hosts: usize, index: u32, name: usize, nameLength: u32, weight: u32, hashSeed: u32): void {
  const host = hostAt(hosts, index);
  host.nameHash1 = jhash(name, nameLength, hashSeed);
  host.nameHash2 = jhash(name, nameLength, hashSeed ^ SECOND_SEED);
  host.weight = weight;
}

/** The number that a host draws for a bucket; the greater, the better. */
// @ts-ignore: decorator
@inline
export function drawOf(bucket: u32, host: WeightedHost, hashSeed: u32): u32 {
  return jhash3Words(bucket, host.nameHash1, host.nameHash2, hashSeed);
}

/**
 * The host of the least cost L(draw) / weight; of two equal costs the first host's. Costs are compared as
 * L(a) * weight(b) < L(b) * weight(a): at most 2^36 * 100, far inside u64.
 *
 * @param excluded  an index that is passed over, or -1
 */
function bestOf(bucket: u32, hashSeed: u32, hosts: usize, count: u32, excluded: i32): i32 {
  let best: i32 = -1;
  let bestCost: u64 = 0;
  let bestWeight: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const host = hostAt(hosts, i);
    if (host.weight == 0 || i32(i) == excluded) continue;
    const cost = negativeLogarithm(drawOf(bucket, host, hashSeed));
    const weight = u64(host.weight);
    if (best < 0 || cost * bestWeight < bestCost * weight) {
      best = i32(i);
      bestCost = cost;
      bestWeight = weight;
    }
  }
  return best;
}

/**
 * The host that owns a bucket under a multiple-hosts rule.
 *
 * @param bucket    0-65535
 * @param hashSeed  the cluster's
 * @param hosts     `count` WeightedHosts, in the order of their names' bytes; a tie goes to the first
 * @returns         index into `hosts`, or -1 where nobody takes part
 */
export function ownerOf(bucket: u32, hashSeed: u32, hosts: usize, count: u32): i32 {
  return bestOf(bucket, hashSeed, hosts, count, -1);
}

/**
 * The host that would own a bucket without its owner: where its clients go when the owner leaves.
 *
 * @param owner  what ownerOf() said
 * @returns      index into `hosts`, or -1 where nobody else takes part
 */
export function nextOwnerOf(bucket: u32, hashSeed: u32, hosts: usize, count: u32, owner: i32): i32 {
  return bestOf(bucket, hashSeed, hosts, count, owner);
}
