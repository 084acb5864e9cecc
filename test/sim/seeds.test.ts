import { expect, test } from 'vitest';
import { live } from './life.js';

// Lives by count of hosts: about a minute of one core in all. SIM_SEED moves the range, SIM_FACTOR multiplies it.
const LIVES = { 2: 100, 3: 60, 5: 10, 8: 3 };
// 32 hosts take a minute a life: `npm run sim -- --hosts 32 --hours 0.001`.
const HOURS = 0.004;
const first = Number(process.env.SIM_SEED ?? 1);
const factor = Number(process.env.SIM_FACTOR ?? 1);

for (const [hosts, count] of Object.entries(LIVES)) {
  const last = first + count * factor - 1;
  test(`lives of ${hosts} hosts keep all promises, seeds ${first} to ${last}`, { timeout: 900_000 }, async () => {
    const failures: string[] = [];
    for (let seed = first; seed <= last; seed++) {
      try {
        live({ seed, hostCount: Number(hosts), forMs: HOURS * 3_600_000 });
      } catch (error) {
        failures.push(`npm run sim -- --seed ${seed} --hosts ${hosts} --hours ${HOURS}: ${(error as Error).message}`);
      }
      // The runner hears from this worker between two lives, or takes it for hung.
      await new Promise(setImmediate);
    }
    expect(failures).toEqual([]);
  });
}
