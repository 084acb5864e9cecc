/**
 * `npm run takeover`: mode arp, how long a client that opens a connection to a virtual IP every 10 ms waits for one that is answered
 * after the holder, which owned it, died or was stopped: over IPv4 (NAME) and IPv6 (NAME_ipv6), both in the same runs. Real sidecars,
 * Envoys and services, a network namespace a host, a fresh cluster for every run.
 *
 *     npm run takeover -- [--runs 20] [--only silent_default,killed_default,frozen_default,silent_fast,planned_stop] [--json]
 */
import { summaryOf, type TimesSummary } from '../bench/statistics.js';
import { runOptions } from './run-options.js';
import { type Family, TAKEOVER_CASES, type TakeoverCase, takeoverTime } from './takeover-cases.js';

const { runs, names, json } = runOptions('takeover', Object.keys(TAKEOVER_CASES));
const results: Record<string, TimesSummary> = {};
for (const name of names as TakeoverCase[]) {
  const times: Record<Family, number>[] = [];
  for (let run = 0; run < runs; run++) {
    const { ipv4, ipv6 } = await takeoverTime(name);
    times.push({ ipv4, ipv6 });
    if (!json) process.stderr.write(`${name} ${run + 1}: ${Math.round(ipv4)} ms, IPv6 ${Math.round(ipv6)} ms\n`);
  }
  const summaries = {
    [name]: summaryOf(times.map(({ ipv4 }) => ipv4)),
    [`${name}_ipv6`]: summaryOf(times.map(({ ipv6 }) => ipv6)),
  };
  Object.assign(results, summaries);
  if (!json) for (const [key, summary] of Object.entries(summaries)) console.log(key, JSON.stringify(summary));
}
if (json) console.log(JSON.stringify({ results }));
