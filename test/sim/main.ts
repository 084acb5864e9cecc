/** `npm run sim`: random lives; a broken promise prints the story of its life and how to replay it. */
import { optionsOf, refuse, wholeNumber } from '../command-line.js';
import { FAULTS } from './faults.js';
import { live } from './life.js';

const USAGE = `usage: npm run sim -- [--seed N] [--hosts M] [--hours H] [--count C]
       npm run sim -- --planted [--both] [--only RULE|FAULT]

  --seed N    the first one (1)
  --hosts M   hosts of each cluster, 2-32 (5)
  --hours H   of accidents in each life, by its own clock (0.1)
  --count C   lives, of seeds from N on (1)
  --planted   each fault of faults.ts is planted into a copy of the protocol: is it found?
  --both      also those that a scenario finds are hunted by lives
  --only X    the faults of a rule, or one
`;
const SEED_MAX = 2 ** 32 - 1;

const values = optionsOf('sim', USAGE, {
  seed: { type: 'string', default: '1' },
  hosts: { type: 'string', default: '5' },
  hours: { type: 'string', default: '0.1' },
  count: { type: 'string', default: '1' },
  planted: { type: 'boolean', default: false },
  both: { type: 'boolean', default: false },
  only: { type: 'string' },
});

if (values.planted) {
  // Needs the compiler, which takes longer to load than a short life.
  const { huntAll } = await import('./planted.js');
  const faults = FAULTS.filter(
    (fault) => values.only === undefined || fault.rule === values.only || fault.what === values.only,
  );
  if (faults.length === 0) refuse('sim', `--only is ${values.only}, expected a rule or a fault of test/sim/faults.ts`);
  const unseen = await huntAll(process.cwd(), faults, { seedMax: 1000, both: values.both });
  process.exitCode = unseen === 0 ? 0 : 1;
} else {
  const hours = Number(values.hours);
  if (!(hours > 0 && hours <= 1000)) refuse('sim', `--hours is ${values.hours}, expected more than 0, at most 1000`);
  const seed = wholeNumber('sim', 'seed', values.seed, 0, SEED_MAX);
  const hostCount = wholeNumber('sim', 'hosts', values.hosts, 2, 32);
  runLives(seed, wholeNumber('sim', 'count', values.count, 1, 1_000_000), hostCount, hours);
}

function runLives(firstSeed: number, count: number, hostCount: number, hours: number): void {
  const sum = { steps: 0, packets: 0, failed: 0 };
  const accidents = new Map<string, number>();
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    try {
      const { stepCount, packetCount, views, ...lived } = live({ seed, hostCount, forMs: hours * 3_600_000 });
      for (const [kind, times] of lived.accidents) accidents.set(kind, (accidents.get(kind) ?? 0) + times);
      sum.steps += stepCount;
      sum.packets += packetCount;
      if (count <= 10) console.log(`seed ${seed}: ${stepCount} steps, ${packetCount} packets, ${views} views`);
    } catch (error) {
      sum.failed += 1;
      const replay = `npm run sim -- --seed ${seed} --hosts ${hostCount} --hours ${hours}`;
      console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}\nreplay: ${replay}`);
      process.exitCode = 1;
    }
  }
  const held = `${count - sum.failed} of ${count} lives of ${hostCount} hosts kept all promises`;
  console.log(`${held}: seeds ${firstSeed} to ${firstSeed + count - 1}, ${sum.steps} steps, ${sum.packets} packets`);
  const told = [...accidents].sort(([, a], [, b]) => b - a).map(([kind, times]) => `${times} x ${kind}`);
  console.log(`accidents: ${told.join(', ')}`);
}
