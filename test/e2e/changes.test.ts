/** The short form of `npm run bench -- --part changes`: nobody notices that the cluster file changes. */
import { expect, it } from 'vitest';
import { measureNlb } from '../bench/changes/measure.js';

const PLAN = { changes: 10, held: 60 };

it('10 changes of the cluster file under load cut no open connection and fail no new one', async () => {
  const counts = await measureNlb(PLAN, () => {});
  const { changes, new_connections, echoes, median_ms, worst_ms } = counts;
  console.log(
    `${changes} changes: median ${median_ms} ms, worst ${worst_ms} ms; ${new_connections} new, ${echoes} echoes`,
  );
  expect(counts).toMatchObject({
    changes: 10,
    held_sessions: 60,
    held_cut: 0,
    held_reset: 0,
    held_silent: 0,
    new_failed: 0,
    new_failures: [],
  });
  expect(new_connections).toBeGreaterThan(PLAN.held);
  expect(echoes).toBeGreaterThan(PLAN.held);
});
