/**
 * How evenly a number of clients falls on hosts with given shares. A hash is no dealer: of 50 clients a third is rarely 17.
 * Per host exact (a host gets Binomial(clients, share)); the busiest host by drawing, with a fixed seed, so that the same
 * question has the same answer.
 */
import type { HostName } from '../protocol/types.js';

export const CLIENT_COUNTS = [50, 500, 5000] as const;

export interface Spread {
  clientCount: number;
  hosts: { name: HostName; share: number; p5: number; p95: number }[];
  /** Part of all clients on the host that has most of them, 0-1: in the mean, and in 95 of 100 cases at most. */
  busiest: { mean: number; p95: number };
}

/** Draws for the busiest host; their error is far below what is shown (0.1 %). */
const DRAWS = 500;

export function spreadOf(shares: ReadonlyMap<HostName, number>, clientCount: number): Spread {
  const hosts = [...shares].map(([name, share]) => {
    const [p5, p95] = binomialQuantiles(clientCount, share, [0.05, 0.95]);
    return { name, share, p5: p5!, p95: p95! };
  });
  return { clientCount, hosts, busiest: busiestOf([...shares.values()], clientCount) };
}

/**
 * The smallest k with P(X <= k) >= q, for ascending `qs`. Sums the probabilities from their logarithms, so that none
 * underflows to a wrong zero.
 */
export function binomialQuantiles(n: number, p: number, qs: readonly number[]): number[] {
  if (p <= 0 || p >= 1) return qs.map(() => (p <= 0 ? 0 : n));
  const found: number[] = [];
  let logarithm = n * Math.log1p(-p);
  let sum = Math.exp(logarithm);
  let k = 0;
  for (const q of qs) {
    while (sum < q && k < n) {
      k += 1;
      logarithm += Math.log((n - k + 1) / k) + Math.log(p) - Math.log1p(-p);
      sum += Math.exp(logarithm);
    }
    found.push(k);
  }
  return found;
}

function busiestOf(shares: readonly number[], clientCount: number): Spread['busiest'] {
  if (shares.length === 0) return { mean: 0, p95: 0 };
  const random = mulberry32(clientCount);
  const ends = endsOf(shares);
  const mosts: number[] = [];
  for (let draw = 0; draw < DRAWS; draw++) {
    const counts = new Uint32Array(shares.length);
    for (let client = 0; client < clientCount; client++) counts[hostAt(ends, random())]! += 1;
    mosts.push(Math.max(...counts) / clientCount);
  }
  mosts.sort((a, b) => a - b);
  const mean = mosts.reduce((sum, most) => sum + most, 0) / DRAWS;
  return { mean, p95: mosts[Math.ceil(0.95 * DRAWS) - 1]! };
}

function endsOf(shares: readonly number[]): number[] {
  let end = 0;
  return shares.map((share) => {
    end += share;
    return end;
  });
}

function hostAt(ends: readonly number[], point: number): number {
  for (let index = 0; index < ends.length - 1; index++) if (point < ends[index]!) return index;
  return ends.length - 1;
}

/** A small generator of good spread (T. Ettinger, public domain); chance is of no matter here, sameness is. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
