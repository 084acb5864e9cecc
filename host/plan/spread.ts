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
  const logFactorials = logFactorialsTo(clientCount);
  const mosts: number[] = [];
  for (let draw = 0; draw < DRAWS; draw++) {
    let [most, clientsLeft, shareLeft] = [0, clientCount, 1];
    // Host by host: each has a binomial part of what those before it have not.
    shares.forEach((share, index) => {
      const isLast = index === shares.length - 1;
      const count = isLast ? clientsLeft : binomialDraw(clientsLeft, share / shareLeft, random(), logFactorials);
      most = Math.max(most, count);
      clientsLeft -= count;
      shareLeft -= share;
    });
    mosts.push(most / clientCount);
  }
  mosts.sort((a, b) => a - b);
  const mean = mosts.reduce((sum, most) => sum + most, 0) / DRAWS;
  return { mean, p95: mosts[Math.ceil(0.95 * DRAWS) - 1]! };
}

/**
 * One of 0 to n, as likely as Binomial(n, p) has it: outcomes are taken from the likeliest one outwards until their
 * probabilities add up to `point`, so it takes some standard deviations of steps and not n.
 *
 * @param point  drawn from 0-1
 */
export function binomialDraw(n: number, p: number, point: number, logFactorials: Float64Array): number {
  if (n === 0 || p <= 0) return 0;
  if (p >= 1) return n;
  const odds = p / (1 - p);
  let above = Math.min(n, Math.floor((n + 1) * p));
  let below = above;
  const ways = logFactorials[n]! - logFactorials[above]! - logFactorials[n - above]!;
  let likelihoodAbove = Math.exp(ways + above * Math.log(p) + (n - above) * Math.log1p(-p));
  let likelihoodBelow = likelihoodAbove;
  let left = point - likelihoodAbove;
  while (left >= 0 && (above < n || below > 0)) {
    if (above < n) {
      likelihoodAbove *= ((n - above) / (above + 1)) * odds;
      above += 1;
      left -= likelihoodAbove;
      if (left < 0) return above;
    }
    if (below > 0) {
      likelihoodBelow *= below / ((n - below + 1) * odds);
      below -= 1;
      left -= likelihoodBelow;
      if (left < 0) return below;
    }
  }
  return Math.min(n, Math.floor((n + 1) * p));
}

/** By k from 0 to n: the natural logarithm of k! */
export function logFactorialsTo(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let k = 1; k <= n; k++) logs[k] = logs[k - 1]! + Math.log(k);
  return logs;
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
