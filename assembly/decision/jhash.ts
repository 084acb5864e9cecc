/**
 * The Linux kernel's jhash (Bob Jenkins' lookup3), so that nftables can take the same decision.
 *
 * Source: linux/include/linux/jhash.h; words are read little-endian on every machine (wasm is). Worked examples:
 * docs/decision.md, "Hash".
 */

/** JHASH_INITVAL of the kernel: an arbitrary number that everybody has to share. */
const INITIAL: u32 = 0xdeadbeef;

// The three lanes of the hash live in globals, because AssemblyScript returns one number and allocates for more.
let a: u32 = 0;
let b: u32 = 0;
let c: u32 = 0;

// @ts-ignore: decorator
@inline
function mix(): void {
  a -= c;
  a ^= rotl<u32>(c, 4);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 6);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 8);
  b += a;
  a -= c;
  a ^= rotl<u32>(c, 16);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 19);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 4);
  b += a;
}

/** The last mixing of three lanes; only the third lane is the hash. */
// @ts-ignore: decorator
@inline
function finish(x: u32, y: u32, z: u32): u32 {
  z ^= y;
  z -= rotl<u32>(y, 14);
  x ^= z;
  x -= rotl<u32>(z, 11);
  y ^= x;
  y -= rotl<u32>(x, 25);
  z ^= y;
  z -= rotl<u32>(y, 16);
  x ^= z;
  x -= rotl<u32>(z, 4);
  y ^= x;
  y -= rotl<u32>(x, 14);
  z ^= y;
  z -= rotl<u32>(y, 24);
  return z;
}

/** Up to four bytes as one little-endian word, missing ones 0; never reads beyond `length`. */
function wordAt(pointer: usize, length: u32): u32 {
  if (length >= 4) return load<u32>(pointer);
  let word: u32 = 0;
  for (let i: u32 = 0; i < length; i++) word |= u32(load<u8>(pointer + i)) << (8 * i);
  return word;
}

/**
 * The kernel's jhash() over bytes.
 *
 * @param pointer  first byte, of any alignment
 * @param length   bytes to hash; 0 is allowed and mixes nothing
 * @param seed     the kernel's initval
 */
export function jhash(pointer: usize, length: u32, seed: u32): u32 {
  a = b = c = INITIAL + length + seed;
  while (length > 12) {
    a += load<u32>(pointer);
    b += load<u32>(pointer, 4);
    c += load<u32>(pointer, 8);
    mix();
    length -= 12;
    pointer += 12;
  }
  if (length == 0) return c;
  a += wordAt(pointer, length);
  if (length > 4) b += wordAt(pointer + 4, length - 4);
  if (length > 8) c += wordAt(pointer + 8, length - 8);
  return finish(a, b, c);
}
