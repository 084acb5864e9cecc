/** Client addresses that fall into given buckets, found by trying; with a hash of the tests' own (docs/decision.md). */

/** jhash of one word, that is of an IPv4 address under affinity single. */
function hashOfWord(word: number, seed: number): number {
  const start = (0xdeadbeef + 4 + seed) | 0;
  const lanes = [(start + word) | 0, start, start];
  const rotated = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));
  const step = (to: number, from: number, bits: number) => {
    lanes[to] = ((lanes[to]! ^ lanes[from]!) - rotated(lanes[from]!, bits)) | 0;
  };
  const [a, b, c] = [0, 1, 2];
  step(c, b, 14);
  step(a, c, 11);
  step(b, a, 25);
  step(c, b, 16);
  step(a, c, 4);
  step(b, a, 14);
  step(c, b, 24);
  return lanes[2]! >>> 0;
}

/** One IPv4 address for each bucket. Looks through 10.0.0.0/8, where each bucket has some 256. */
export function clientsByBucket(buckets: number[], hashSeed: number): Map<number, string> {
  const wanted = new Set(buckets);
  const found = new Map<number, string>();
  for (let i = 0; i < 2 ** 24 && found.size < wanted.size; i++) {
    const bytes = [10, (i >> 16) & 255, (i >> 8) & 255, i & 255];
    const word = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
    const bucket = hashOfWord(word, hashSeed) >>> 16;
    if (wanted.has(bucket) && !found.has(bucket)) found.set(bucket, bytes.join('.'));
  }
  return found;
}
