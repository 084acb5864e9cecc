/**
 * Buckets that two hosts all but draw for: costs that differ by less than a part in a hundred million. Random vectors
 * have none of them, and so would not notice a logarithm with one digit less. Found by search over hash seeds and
 * weights; the owners are what test/model says (`ranking`).
 */
export interface CloseCall {
  hashSeed: number;
  weights: Record<string, number>;
  /** Bucket, owner, next owner, as in test/vectors. */
  owners: [number, string, string][];
}

const closeCall = (hashSeed: number, bucket: number, mail1: number, mail2: number, owner: string): CloseCall => ({
  hashSeed,
  weights: { mail1, mail2 },
  owners: [[bucket, owner, owner === 'mail1' ? 'mail2' : 'mail1']],
});

export const CLOSE_CALLS: CloseCall[] = [
  closeCall(1, 46888, 14, 79, 'mail1'),
  closeCall(1, 58469, 16, 79, 'mail1'),
  closeCall(10, 44333, 73, 25, 'mail1'),
  closeCall(20, 63963, 52, 41, 'mail2'),
  closeCall(26, 53134, 95, 27, 'mail2'),
  closeCall(30, 11303, 1, 81, 'mail1'),
  closeCall(39, 21409, 45, 16, 'mail2'),
];
