/**
 * The number that a host draws for a bucket. Its top 16 bits are a permutation of the 65,536 buckets, another one for
 * each host: every host draws every number once, so that no host is lucky over the whole. Shares then stray from their
 * ideal half as much (in variance) as with independent draws: the largest of 32 shares is 1.03 of its ideal in the
 * median instead of 1.045.
 *
 * A Feistel network over the two bytes of a bucket, four rounds; its round function is a part of MurmurHash3's
 * finaliser. Exact form: docs/decision.md, "Draw".
 */
import { jhash } from './jhash';

/** Rounds of the network, one key each. */
export const ROUNDS: u32 = 4;

/** Makes the seeds of a host's round keys differ: the golden ratio's bits. */
const SEED_STEP: u32 = 0x9e3779b9;
/** Multipliers of MurmurHash3 (fmix32, Appleby, public domain). */
const MULTIPLIER_1: u32 = 0x85ebca6b;
const MULTIPLIER_2: u32 = 0xc2b2ae35;

/** The key of one round: the hash of the host's name under a seed of the round. */
export function roundKey(name: usize, nameLength: u32, hashSeed: u32, round: u32): u32 {
  return jhash(name, nameLength, hashSeed + round * SEED_STEP);
}

/**
 * @param bucket  0-65535
 * @param keys    ROUNDS round keys, u32 each
 * @returns       the draw; the greater, the better
 */
// @ts-ignore: decorator
@inline
export function drawOf(bucket: u32, keys: usize): u32 {
  let left = bucket >> 8;
  let right = bucket & 0xff;
  let mixed: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    mixed = (right ^ load<u32>(keys + 4 * round)) * MULTIPLIER_1;
    mixed = (mixed ^ (mixed >> 13)) * MULTIPLIER_2;
    mixed ^= mixed >> 16;
    const last = left;
    left = right;
    right = last ^ (mixed >> 24);
  }
  return (left << 24) | (right << 16) | (mixed & 0xffff);
}
