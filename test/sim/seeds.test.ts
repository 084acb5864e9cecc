import { expect, test } from 'vitest';
import { live } from './weather.js';

// Some hundred lives; a failing one says how to play it again. SIM_SEED moves the range, SIM_SEEDS its length.
const first = Number(process.env.SIM_SEED ?? 1);
const count = Number(process.env.SIM_SEEDS ?? 120);

for (const hostCount of [2, 3, 5, 8]) {
  const lives = Math.ceil(hostCount === 8 ? count / 20 : count / 3.2);
  test(`${lives} lives of ${hostCount} hosts keep all promises, seeds ${first} to ${first + lives - 1}`, () => {
    const failures: string[] = [];
    for (let seed = first; seed < first + lives; seed++) {
      try {
        live({ seed, hostCount, forMs: 36_000 });
      } catch (error) {
        failures.push(`npm run sim -- --seed ${seed} --hosts ${hostCount} --hours 0.01: ${(error as Error).message}`);
      }
    }
    expect(failures).toEqual([]);
  });
}
