/** `npm run sim -- --seed N --hosts M --hours H`: one long random life, or as many as fit; prints how to replay. */
import { parseArgs } from 'node:util';
import { live } from './life.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    hosts: { type: 'string' },
    hours: { type: 'string' },
    count: { type: 'string' },
  },
});
const firstSeed = Number(values.seed ?? 1);
const hostCount = Number(values.hosts ?? 5);
const hours = Number(values.hours ?? 0.1);
const count = Number(values.count ?? 1);

for (let seed = firstSeed; seed < firstSeed + count; seed++) {
  const replay = `npm run sim -- --seed ${seed} --hosts ${hostCount} --hours ${hours}`;
  try {
    const { stepCount, packetCount, views } = live({ seed, hostCount, forMs: hours * 3_600_000 });
    console.log(`seed ${seed}: ${stepCount} steps, ${packetCount} packets, ${views} views, all promises held`);
  } catch (error) {
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}\nreplay: ${replay}`);
    process.exitCode = 1;
  }
}
