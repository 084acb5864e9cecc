/**
 * The owner of a bucket among weighted hosts: each host scores the bucket, the best score owns it.
 *
 * Every host must agree on this bit for bit, so a change here changes DECISION_VERSION too.
 * Source: Thaler & Ravishankar 1998; weights by the logarithm method, in integers as Ceph's straw2. Exact form:
 * docs/decision.md, "Owner".
 */
import { ROUNDS, drawOf, roundKey } from './draw';
import { negativeLogarithm } from './logarithm';

/** What all hosts of a view have to speak alike: key.ts, jhash.ts, draw.ts, logarithm.ts, decide.ts and this file. */
export const DECISION_VERSION: u32 = 1;

/** A host of a rule in memory: its load weight (0-100, 0 takes no part), then its round keys; u32 each. */
export const WEIGHTED_HOST_SIZE: usize = 4 + 4 * ROUNDS;
const KEYS: usize = 4;

/** Writes one host of an array, its name already hashed: so a connection costs no hash over text. */
export function writeHost(hosts: usize, index: u32, name: usize, nameLength: u32, weight: u32, hashSeed: u32): void {
  const host = hosts + usize(index) * WEIGHTED_HOST_SIZE;
  store<u32>(host, weight);
  for (let round: u32 = 0; round < ROUNDS; round++) {
    store<u32>(host + KEYS + 4 * round, roundKey(name, nameLength, hashSeed, round));
  }
}

/** The draw of one host for a bucket, see draw.ts. */
// @ts-ignore: decorator
@inline
export function hostDraw(bucket: u32, hosts: usize, index: u32): u32 {
  return drawOf(bucket, hosts + usize(index) * WEIGHTED_HOST_SIZE + KEYS);
}

/**
 * The host of the least cost L(draw) / weight; of two equal costs the first host's. Costs are compared as
 * L(a) * weight(b) < L(b) * weight(a): at most 2^36 * 100, far inside u64.
 *
 * @param excluded  an index that is passed over, or -1
 */
function bestOf(bucket: u32, hosts: usize, count: u32, excluded: i32): i32 {
  let best: i32 = -1;
  let bestCost: u64 = 0;
  let bestWeight: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight = u64(load<u32>(hosts + usize(i) * WEIGHTED_HOST_SIZE));
    if (weight == 0 || i32(i) == excluded) continue;
    const cost = negativeLogarithm(hostDraw(bucket, hosts, i));
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
 * @param bucket  0-65535
 * @param hosts   `count` hosts as writeHost() lays them out, in the order of their names' bytes; a tie goes to the first
 * @returns       index into `hosts`, or -1 where nobody takes part
 */
export function ownerOf(bucket: u32, hosts: usize, count: u32): i32 {
  return bestOf(bucket, hosts, count, -1);
}

/**
 * The host that would own a bucket without its owner: where its clients go when the owner leaves.
 *
 * @param owner  what ownerOf() said
 * @returns      index into `hosts`, or -1 where nobody else takes part
 */
export function nextOwnerOf(bucket: u32, hosts: usize, count: u32, owner: i32): i32 {
  return bestOf(bucket, hosts, count, owner);
}
