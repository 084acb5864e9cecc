/** The short form of `npm run bench`: a host of ours must not become expensive without anybody noticing. */
import { expect, it } from 'vitest';
import { measureTurns } from '../bench/parts.js';
import { comparisonsOf, tableOf } from '../bench/report.js';
import { VARIANTS } from '../bench/variants.js';

/** The wanted figure is 1.05 (docs/performance.md); this one only a real regression passes on a busy machine. */
const RATIO_MAX = 1.25;
const PLAN = { turns: 7, connections: 3000, warmUp: 200, parallel: 32 };

it('serving locally costs at most 1.25 times the CPU of plain tcp_proxy, median of 7 paired turns', async () => {
  const variants = VARIANTS.filter(({ name }) => name === 'plain' || name === 'nlb_local');
  const lanes = await measureTurns(variants, PLAN, () => {});
  const ratio = comparisonsOf(lanes).find(({ name }) => name === 'nlb_local / plain');
  console.log(`${tableOf(lanes)}\nnlb_local / plain: ${ratio?.median}, 95 % ${ratio?.interval.join('-')}`);
  const failed = lanes.flatMap((lane) => lane.measurements).reduce((sum, turn) => sum + turn.failed, 0);
  expect(failed, 'connections without a banner').toBe(0);
  expect(ratio?.median).toBeLessThanOrEqual(RATIO_MAX);
});
