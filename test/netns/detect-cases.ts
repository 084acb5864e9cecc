/**
 * What `npm run detect` measures. Each run has a network and a cluster of its own, so no run knows of the one before. Every
 * other silent death is a link taken down, the rest SIGSTOP: both leave no trace on the wire.
 */
import { type Cluster, type ClusterHost, logsOf, startCluster } from './cluster.js';
import { type MemberlistCluster, startMemberlist } from './memberlist.js';

interface Case {
  who: 'envoy-nlb' | 'memberlist';
  hostCount: number;
  heartbeatPeriodMs: number;
  missedHeartbeatsMax: number;
  planned: boolean;
}

const DEFAULTS = {
  who: 'envoy-nlb',
  hostCount: 3,
  heartbeatPeriodMs: 1000,
  missedHeartbeatsMax: 5,
  planned: false,
} as const;

/** memberlist runs at its own defaults (DefaultLANConfig), the heartbeats are not its. */
export const CASES = {
  silent_default: DEFAULTS,
  silent_fast: { ...DEFAULTS, heartbeatPeriodMs: 100 },
  planned_stop: { ...DEFAULTS, planned: true },
  silent_default_8: { ...DEFAULTS, hostCount: 8 },
  memberlist: { ...DEFAULTS, who: 'memberlist' },
  memberlist_8: { ...DEFAULTS, who: 'memberlist', hostCount: 8 },
} as const satisfies Record<string, Case>;
export type CaseName = keyof typeof CASES;

/** Each question costs its host some CPU, which is scarce with eight of them. */
const POLL_MS = 15;
const START_LIMIT_MS = 120_000;
const DETECT_LIMIT_MS = 60_000;

async function until(limitMs: number, what: string, holds: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function everyOne(
  hosts: readonly ClusterHost[],
  holds: (host: ClusterHost) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(hosts.map(holds))).every(Boolean);
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

export function allConverged(cluster: Cluster): Promise<boolean> {
  return everyOne(cluster.hosts, (host) => isConverged(cluster, host));
}

/** A death is as likely at any point of a heartbeat period. */
function anyMoment(periodMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * periodMs));
}

async function measureOurs({ planned, hostCount, ...heartbeat }: Case, run: number): Promise<number> {
  const cluster = startCluster({ hostCount, ...heartbeat });
  try {
    await until(START_LIMIT_MS, `${hostCount} hosts converged`, () => allConverged(cluster));
    const others = cluster.hosts.slice(0, -1);
    const dying = cluster.hosts.at(-1)!;
    await anyMoment(heartbeat.heartbeatPeriodMs);
    const diedMs = performance.now();
    if (planned) void cluster.post(dying, 'stop');
    else if (run % 2 === 0) cluster.network.setLink(dying, false);
    else cluster.signal(dying, 'SIGSTOP');
    await until(DETECT_LIMIT_MS, `${dying.name} out of the view`, () =>
      everyOne(others, (host) => isOut(cluster, host, dying.name)),
    );
    return performance.now() - diedMs;
  } catch (error) {
    process.stderr.write(`${logsOf(cluster)}\n`);
    throw error;
  } finally {
    cluster.remove();
  }
}

async function measureMemberlist({ hostCount }: Case, run: number): Promise<number> {
  const cluster: MemberlistCluster = startMemberlist(hostCount);
  const [others, dying] = [cluster.members.slice(0, -1), cluster.members.at(-1)!];
  try {
    await until(START_LIMIT_MS, `${hostCount} members know each other`, async () =>
      cluster.members.every((member) => cluster.linesOf(member, 'alive').size === hostCount),
    );
    await anyMoment(1000);
    const diedMs = performance.now();
    if (run % 2 === 0) cluster.network.setLink(dying.host, false);
    else dying.process.kill('SIGSTOP');
    await until(DETECT_LIMIT_MS, `${dying.host.name} is taken for dead`, async () =>
      others.every((member) => cluster.linesOf(member, 'dead').has(dying.host.name)),
    );
    return performance.now() - diedMs;
  } finally {
    cluster.remove();
  }
}

/** @returns milliseconds from the death or the verb until the last of the other hosts had it out */
export function measure(name: CaseName, run: number): Promise<number> {
  const wanted: Case = CASES[name];
  return wanted.who === 'memberlist' ? measureMemberlist(wanted, run) : measureOurs(wanted, run);
}
