/**
 * `npm run detect`: how long until a host that died, or said that it stops, is out of the view of all others, in force
 * in their Envoys. Real sidecars and Envoys, one network namespace a host, a fresh cluster for every run. Beside it, in the
 * same networks, how long HashiCorp's memberlist takes at its LAN defaults.
 *
 *     npm run detect -- [--runs 20] [--only silent_default,silent_fast,...] [--json]
 */
import { estimateOf, summaryOf, type TimesSummary } from '../bench/statistics.js';
import { CASES, type CaseName, type Measured, measure } from './detect-cases.js';
import { whyNoMemberlist } from './memberlist.js';
import { runOptions } from './run-options.js';

const { runs, names, isNamed, json, fail } = runOptions('detect', Object.keys(CASES));

/** Cases that were asked for and can be run; a missing Go is said, and is an error only where memberlist was named. */
function casesToRun(): CaseName[] {
  const cases = names as CaseName[];
  if (cases.every((name) => CASES[name].who !== 'memberlist')) return cases;
  const why = whyNoMemberlist();
  if (why === null) return cases;
  if (isNamed) fail(`memberlist: ${why}`, 1);
  process.stderr.write(`detect: memberlist is left out: ${why}\n`);
  return cases.filter((name) => CASES[name].who !== 'memberlist');
}

/** Medians of what comes before. */
interface Parts {
  first_lost_ms?: number;
  lost_ms?: number;
  in_force_ms?: number;
}

function mediansOf(times: readonly Measured[]): Parts {
  if (times.some(({ lostMs }) => !lostMs)) return {};
  const median = (of: (each: Measured) => number | undefined) =>
    Math.round(estimateOf(times.map((each) => of(each)!)).median);
  return {
    first_lost_ms: median((each) => each.firstLostMs),
    lost_ms: median((each) => each.lostMs),
    in_force_ms: median((each) => each.inForceMs),
  };
}

function text({ outMs, firstLostMs, lostMs, inForceMs }: Measured): string {
  const parts = lostMs ? ` (lost ${firstLostMs}-${lostMs}, in force ${inForceMs})` : '';
  return `${Math.round(outMs)} ms${parts}`;
}

const results: Partial<Record<CaseName, TimesSummary & Parts>> = {};
for (const name of casesToRun()) {
  const times: Measured[] = [];
  for (let run = 0; run < runs; run++) {
    times.push(await measure(name, run));
    if (!json) process.stderr.write(`${name} ${run + 1}: ${text(times.at(-1)!)}\n`);
  }
  results[name] = { ...summaryOf(times.map(({ outMs }) => outMs)), ...mediansOf(times) };
  if (!json) console.log(name, JSON.stringify(results[name]));
}
if (json) console.log(JSON.stringify({ results }));
