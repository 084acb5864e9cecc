import { expect, test } from 'vitest';
import { live } from './life.js';

// A host that serves alone, and came back a moment ago, when the other one is started.
for (const seed of [7191, 9795]) {
  test(`in the life of seed ${seed}, 2 hosts, who comes back takes no client (failback never)`, () => {
    expect(live({ seed, hostCount: 2, forMs: 14_400, edition: 1 }).stepCount).toBeGreaterThan(0);
  });
}
