/**
 * `npm run faults`: what each fault costs, on real sidecars, Envoys and services, one network namespace a host, a fresh
 * cluster for every fault. Needs root. docs/faults.md has the last table and says what its columns mean.
 *
 *     npm run faults -- [--only host_kill,partition] [--views 1000] [--minutes 10] [--rate 60] [--json] [--verbose]
 *
 * Exit code 1 where a host outside served, an uninvolved session was lost or a client moved without cause.
 */
import { optionsOf, refuse } from '../command-line.js';
import { whyNoNetwork } from '../netns/network.js';
import { FAULTS } from './faults.js';
import type { Figures } from './judge.js';
import { DEFAULT_SETTINGS, runFault } from './run.js';
import { isWithinPromise, tableOf } from './table.js';
import { runViewChanges } from './view-changes.js';

const VIEW_CHANGES = 'view_changes';
const NAMES = [...Object.keys(FAULTS), VIEW_CHANGES];

const USAGE = `usage: npm run faults -- [--only NAME,...] [--views 1000] [--minutes 10] [--rate 60] [--json] [--verbose]

  --only NAME,...  some of ${NAMES.join(', ')}
`;

const values = optionsOf('faults', USAGE, {
  only: { type: 'string', default: NAMES.join(',') },
  views: { type: 'string', default: '1000' },
  minutes: { type: 'string', default: '10' },
  rate: { type: 'string', default: String(DEFAULT_SETTINGS.ratePerS) },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
});

const why = whyNoNetwork();
if (why) refuse('faults', why, 1);
const wanted = values.only.split(',');
const unknown = wanted.find((name) => !NAMES.includes(name));
if (unknown !== undefined) refuse('faults', `--only names ${unknown}, expected some of ${NAMES.join(',')}`);
const counts = { views: Number(values.views), rate: Number(values.rate), minutes: Number(values.minutes) };
if (!(counts.views >= 1)) refuse('faults', `--views is ${values.views}, expected 1 or more`);
if (!(counts.minutes > 0))
  refuse('faults', `--minutes is ${values.minutes}, expected more than 0, for all view changes`);
if (!(counts.rate >= 1 && counts.rate <= 1000)) refuse('faults', `--rate is ${values.rate}, expected 1-1000 a second`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const results: Record<string, Figures> = {};
const settings = { ...DEFAULT_SETTINGS, ratePerS: counts.rate };
for (const name of wanted) {
  process.stderr.write(`faults: ${name} ...\n`);
  const fault = FAULTS[name];
  const limitMs = counts.minutes * 60_000;
  const run = fault ? runFault(fault, settings) : runViewChanges(counts.views, limitMs, settings);
  const { figures, notes } = await run;
  results[name] = figures;
  if (values.verbose) for (const note of notes) process.stderr.write(`    ${note}\n`);
}
console.log(values.json ? JSON.stringify({ results }) : tableOf(results));
process.exit(Object.values(results).every(isWithinPromise) ? 0 : 1);
