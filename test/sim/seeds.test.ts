import { expect, test } from 'vitest';
import { living } from './life.js';

// Lives by count of hosts: half a minute of one core in all. SIM_SEED moves the range, SIM_FACTOR multiplies it.
const LIVES = { 2: 100, 3: 60, 5: 10, 8: 3, 32: 1 };
// A simulated second of 32 hosts takes some 5,000 packets.
const HOURS: Record<string, number> = { 32: 0.002 };
const first = Number(process.env.SIM_SEED ?? 1);
const factor = Number(process.env.SIM_FACTOR ?? 1);

for (const [hosts, count] of Object.entries(LIVES)) {
  const last = first + Math.ceil(count * factor) - 1;
  const hours = HOURS[hosts] ?? 0.008;
  test(`lives of ${hosts} hosts keep all promises, seeds ${first} to ${last}`, { timeout: 900_000 }, async () => {
    const failures: string[] = [];
    for (let seed = first; seed <= last; seed++) {
      try {
        // The runner hears from this worker now and then, or takes it for hung.
        const life = living({ seed, hostCount: Number(hosts), forMs: hours * 3_600_000 });
        while (!life.next().done) await new Promise(setImmediate);
      } catch (error) {
        failures.push(`npm run sim -- --seed ${seed} --hosts ${hosts} --hours ${hours}: ${(error as Error).message}`);
      }
    }
    expect(failures).toEqual([]);
  });
}
