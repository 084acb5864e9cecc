/**
 * `npm run bench`: what a new connection costs, in turns, ours beside others. See --help and docs/performance.md.
 */
import { parseArgs } from 'node:util';
import { LoadProcess } from './load-process.js';
import { comparisonsOf, comparisonTable, resultOf, tableOf } from './report.js';
import { Lane, takeTurns } from './turns.js';
import { SERVICES, VARIANTS, type Running } from './variants.js';
import { wasmPaths } from './wasm.js';

const HELP = `npm run bench -- [--json] [--turns N] [--connections N] [--parallel N] [--only NAME,NAME]

CPU of the proxy's processes and of the whole machine per new connection, all variants in turns.

  --turns N         turns of each variant (default 15)
  --connections N   measured connections of one turn (default 6000)
  --parallel N      connections at a time (default 32)
  --only NAME,...   some variants: ${VARIANTS.map(({ name }) => name).join(' ')}
  --json            one JSON object on standard output
`;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    turns: { type: 'string', default: '15' },
    connections: { type: 'string', default: '6000' },
    parallel: { type: 'string', default: '32' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const say = (text: string) => void process.stderr.write(`bench: ${text}\n`);

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${option} is ${text}, expected a whole number above 0`);
}

function chosen(): typeof VARIANTS {
  if (values.only === undefined) return VARIANTS;
  const names = values.only.split(',');
  const unknown = names.filter((name) => !VARIANTS.some((variant) => variant.name === name));
  if (unknown.length > 0) {
    throw new Error(`--only names ${unknown.join(', ')}, expected some of: ${VARIANTS.map((v) => v.name).join(', ')}`);
  }
  return VARIANTS.filter(({ name }) => names.includes(name));
}

async function main(): Promise<void> {
  const plan = {
    turns: positive('turns', values.turns),
    connections: positive('connections', values.connections),
    parallel: positive('parallel', values.parallel),
    warmUp: 500,
  };
  const variants = chosen();
  const wasm = wasmPaths();
  const load = LoadProcess.start();
  const started: Running[] = [];
  try {
    await load.serve(SERVICES);
    const lanes: Lane[] = [];
    for (const variant of variants) {
      say(`starting ${variant.name}: ${variant.what}`);
      const running = await variant.start(wasm);
      started.push(running);
      lanes.push(new Lane(variant.name, running));
    }
    await takeTurns(lanes, load, plan, say);
    const comparisons = comparisonsOf(lanes);
    const results = Object.fromEntries(lanes.map((lane) => [lane.name, resultOf(lane)]));
    if (values.json) process.stdout.write(`${JSON.stringify({ results, comparisons }, null, 2)}\n`);
    else process.stdout.write(`${tableOf(lanes)}\n\n${comparisonTable(comparisons)}\n`);
  } finally {
    await Promise.all(started.flatMap(({ proxies }) => proxies.map((proxy) => proxy.stop())));
    load.stop();
  }
}

if (values.help) process.stdout.write(HELP);
else {
  main().catch((error: Error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
