/** Medians and how sure they are. Order statistics alone: no chance, no assumption about how noise is distributed. */

export interface Estimate {
  median: number;
  /** 95 % interval of the median. With fewer than 6 values it is their whole range, and says less. */
  low: number;
  high: number;
}

export function estimateOf(values: readonly number[]): Estimate {
  if (values.length === 0) throw new Error('Cannot estimate from no values, expected at least one');
  const sorted = [...values].sort((a, b) => a - b);
  const outside = ranksOutside(sorted.length);
  return { median: medianOf(sorted), low: sorted[outside]!, high: sorted[sorted.length - 1 - outside]! };
}

/** Turn by turn `a / b`: what slowed the machine in one turn slowed both. */
export const ratiosOf = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => value / b[i]!);
export const differencesOf = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => value - b[i]!);

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Values left out at either end: the largest k for which `count` coins show at most k heads with a chance of 2.5 % or less. */
function ranksOutside(count: number): number {
  let outside = 0;
  // By logarithms: half to the power of a thousand is nothing to a double.
  let logExactly = count * Math.log(0.5);
  let atMost = Math.exp(logExactly);
  for (;;) {
    logExactly += Math.log((count - outside) / (outside + 1));
    atMost += Math.exp(logExactly);
    if (atMost > 0.025) return outside;
    outside++;
  }
}

/** What `npm run detect` and `npm run takeover` say of the times of one case. */
export interface TimesSummary {
  median_ms: number;
  p99_ms: number;
  worst_ms: number;
  runs: number;
}

/** p99 by nearest rank: of fewer than 100 runs it is the worst. */
export function summaryOf(times: number[]): TimesSummary {
  const sorted = [...times].sort((a, b) => a - b);
  const { median } = estimateOf(times);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
  const [median_ms, p99_ms, worst_ms] = [median, p99, sorted.at(-1)!].map(Math.round) as [number, number, number];
  return { median_ms, p99_ms, worst_ms, runs: sorted.length };
}
