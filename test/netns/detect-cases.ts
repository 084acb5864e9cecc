/**
 * What `npm run detect` measures. Each run has a network and a cluster of its own, so no run knows of the one before. Every
 * other silent death is a link taken down, the rest SIGSTOP: both leave no trace on the wire.
 */
import { type Cluster, logsOf, startCluster } from './cluster.js';
import { type OutTimes, outTimes } from './detect-times.js';
import { type MemberlistCluster, startMemberlist } from './memberlist.js';

/** Milliseconds from the death or the verb. */
export interface Measured {
  /** Until the last of the other hosts had it out, in its Envoy where it has one. */
  outMs: number;
  /** Until the first and the last of them called it lost, and until the last had a view without it in force. */
  firstLostMs?: number;
  lostMs?: number;
  inForceMs?: number;
}

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

const POLL_MS = 50;
const START_LIMIT_MS = 120_000;
const DETECT_LIMIT_MS = 60_000;

async function until(limitMs: number, what: string, holds: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** One view with all of them and nobody lost from it: a host that is heard again is not in the next view yet. */
export async function allConverged(cluster: Cluster): Promise<boolean> {
  const statuses = await Promise.all(cluster.hosts.map((host) => cluster.status(host)));
  const views = new Set(statuses.map((status) => `${status?.view?.number} ${status?.view?.checksum}`));
  const isConverged = statuses.every(
    (status) =>
      status?.state === 'converged' &&
      status.envoy.tookConfiguration &&
      status.lostSince.length === 0 &&
      status.hosts.every(({ state }) => state === 'converged'),
  );
  return isConverged && views.size === 1;
}

/** A death is as likely at any point of a heartbeat period. */
function anyMoment(periodMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * periodMs));
}

/** The last of the others, at each step. */
function lastOf(times: readonly OutTimes[]): Measured {
  const last = (of: (each: OutTimes) => number | null) => Math.max(...times.map((each) => of(each) ?? 0));
  const firstLostMs = Math.min(...times.map(({ lost }) => lost ?? 0));
  const [lostMs, inForceMs, outMs] = [
    last(({ lost }) => lost),
    last(({ inForce }) => inForce),
    last((each) => each.taken),
  ];
  return { outMs, firstLostMs, lostMs, inForceMs };
}

async function measureOurs({ planned, hostCount, ...heartbeat }: Case, run: number): Promise<Measured> {
  const cluster = startCluster({ hostCount, ...heartbeat });
  try {
    await until(START_LIMIT_MS, `${hostCount} hosts converged`, () => allConverged(cluster));
    const others = cluster.hosts.slice(0, -1);
    const dying = cluster.hosts.at(-1)!;
    await anyMoment(heartbeat.heartbeatPeriodMs);
    // The clock of the logs.
    const diedMs = Date.now();
    if (planned) void cluster.post(dying, 'stop');
    else if (run % 2 === 0) cluster.network.setLink(dying, false);
    else cluster.signal(dying, 'SIGSTOP');
    const times = () => others.map((host) => outTimes(cluster, host, dying.name, diedMs));
    await until(DETECT_LIMIT_MS, `${dying.name} out of the view`, async () => times().every((each) => each !== null));
    return lastOf(times().filter((each) => each !== null));
  } catch (error) {
    process.stderr.write(`${logsOf(cluster)}\n`);
    throw error;
  } finally {
    cluster.remove();
  }
}

async function measureMemberlist({ hostCount }: Case, run: number): Promise<Measured> {
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
    return { outMs: performance.now() - diedMs };
  } finally {
    cluster.remove();
  }
}

export function measure(name: CaseName, run: number): Promise<Measured> {
  const wanted: Case = CASES[name];
  return wanted.who === 'memberlist' ? measureMemberlist(wanted, run) : measureOurs(wanted, run);
}
