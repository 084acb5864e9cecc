/**
 * `npm run takeover`: mode arp, how long a client that opens a connection to a virtual IP every 10 ms waits for one that is answered
 * after the holder, which owned it, died or was stopped: over IPv4 (NAME) and IPv6 (NAME_ipv6), both in the same runs. Real sidecars,
 * Envoys and services, a network namespace a host, a fresh cluster for every run.
 *
 *     npm run takeover -- [--runs 20] [--only silent_default,killed_default,frozen_default,silent_fast,planned_stop] [--json]
 */
import { parseArgs } from 'node:util';
import { summaryOf, type TimesSummary } from '../bench/statistics.js';
import { whyNoNetwork } from './network.js';
import { type Family, TAKEOVER_CASES, type TakeoverCase, takeoverTime } from './takeover-cases.js';

function fail(text: string, code: number): never {
  process.stderr.write(`takeover: ${text}\n`);
  process.exit(code);
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) fail(`--runs is ${values.runs}, expected a whole number from 1`, 2);
const names = values.only?.split(',') ?? Object.keys(TAKEOVER_CASES);
const unknown = names.find((name) => !Object.hasOwn(TAKEOVER_CASES, name));
if (unknown !== undefined)
  fail(`--only names ${unknown}, expected some of ${Object.keys(TAKEOVER_CASES).join(',')}`, 2);
const why = whyNoNetwork();
if (why) fail(why, 1);
const results: Record<string, TimesSummary> = {};
for (const name of names as TakeoverCase[]) {
  const times: Record<Family, number>[] = [];
  for (let run = 0; run < runs; run++) {
    const { ipv4, ipv6 } = await takeoverTime(name);
    times.push({ ipv4, ipv6 });
    if (!values.json) process.stderr.write(`${name} ${run + 1}: ${Math.round(ipv4)} ms, IPv6 ${Math.round(ipv6)} ms\n`);
  }
  const summaries = {
    [name]: summaryOf(times.map(({ ipv4 }) => ipv4)),
    [`${name}_ipv6`]: summaryOf(times.map(({ ipv6 }) => ipv6)),
  };
  Object.assign(results, summaries);
  if (!values.json) for (const [key, summary] of Object.entries(summaries)) console.log(key, JSON.stringify(summary));
}
if (values.json) console.log(JSON.stringify({ results }));
