/**
 * `npm run detect`: how long until a host that died, or said that it stops, is out of the view of all others, in force
 * in their Envoys. Real sidecars and Envoys, one network namespace a host, a fresh cluster for every run.
 *
 *     npm run detect -- [--runs 20] [--only silent_default,silent_fast,planned_stop] [--json]
 *
 * Every other silent death is a link taken down, the rest SIGSTOP of sidecar and Envoy: both leave no trace on the wire.
 */
import { parseArgs } from 'node:util';
import { type Cluster, type ClusterHost, logsOf, startCluster } from './cluster.js';
import { whyNoNetwork } from './network.js';

const CASES = {
  silent_default: { heartbeatPeriodMs: 1000, missedHeartbeatsMax: 5, planned: false },
  silent_fast: { heartbeatPeriodMs: 100, missedHeartbeatsMax: 5, planned: false },
  planned_stop: { heartbeatPeriodMs: 1000, missedHeartbeatsMax: 5, planned: true },
} as const;
type CaseName = keyof typeof CASES;

const POLL_MS = 5;
const START_LIMIT_MS = 60_000;
const DETECT_LIMIT_MS = 30_000;

async function until(limitMs: number, what: string, holds: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** True where `name` neither is in the view in force on `at`, nor still served by its Envoy's configuration. */
async function isOut(cluster: Cluster, at: ClusterHost, name: string): Promise<boolean> {
  const status = await cluster.status(at);
  if (!status?.envoy.tookConfiguration) return false;
  const host = status.hosts.find((h) => h.name === name);
  return host !== undefined && (host.state === 'lost' || host.state === 'stopped');
}

async function isConverged(cluster: Cluster, at: ClusterHost): Promise<boolean> {
  const status = await cluster.status(at);
  return !!status?.envoy.tookConfiguration && status.hosts.every((h) => h.state === 'converged');
}

/** @returns milliseconds from the death or the verb until the last of the other hosts had it out */
async function measure(name: CaseName, run: number): Promise<number> {
  const { planned, ...heartbeat } = CASES[name];
  const cluster = startCluster({ hostCount: 3, ...heartbeat });
  try {
    await until(START_LIMIT_MS, 'three hosts converged', async () =>
      (await Promise.all(cluster.hosts.map((h) => isConverged(cluster, h)))).every(Boolean),
    );
    const [first, second, dying] = cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
    // A death is as likely at any point of a heartbeat period.
    await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * heartbeat.heartbeatPeriodMs));
    const diedMs = performance.now();
    if (planned) void cluster.post(dying, 'stop');
    else if (run % 2 === 0) cluster.network.setLink(dying, false);
    else cluster.signal(dying, 'SIGSTOP');
    await until(DETECT_LIMIT_MS, `${dying.name} out of the view`, async () =>
      (await Promise.all([first, second].map((h) => isOut(cluster, h, dying.name)))).every(Boolean),
    );
    return performance.now() - diedMs;
  } catch (error) {
    process.stderr.write(`${logsOf(cluster)}\n`);
    throw error;
  } finally {
    cluster.remove();
  }
}

function summary(times: number[]): { median_ms: number; worst_ms: number; runs: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median_ms: Math.round(median), worst_ms: Math.round(sorted.at(-1)!), runs: sorted.length };
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    only: { type: 'string', default: Object.keys(CASES).join(',') },
    json: { type: 'boolean', default: false },
  },
});
const why = whyNoNetwork();
if (why) {
  process.stderr.write(`detect: ${why}\n`);
  process.exit(1);
}
const results: Partial<Record<CaseName, ReturnType<typeof summary>>> = {};
for (const name of values.only.split(',')) {
  if (!Object.hasOwn(CASES, name)) {
    process.stderr.write(`detect: --only names ${name}, expected some of ${Object.keys(CASES).join(',')}\n`);
    process.exit(2);
  }
  const times: number[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    times.push(await measure(name as CaseName, run));
    if (!values.json) process.stderr.write(`${name} ${run + 1}: ${Math.round(times.at(-1)!)} ms\n`);
  }
  results[name as CaseName] = summary(times);
  if (!values.json) console.log(name, JSON.stringify(results[name as CaseName]));
}
if (values.json) console.log(JSON.stringify({ results }));
