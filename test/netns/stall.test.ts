/**
 * Nobody is lost for standing still a little, and who stood still for long takes nobody else for dead: whole hosts (sidecar and
 * Envoy) stopped with SIGSTOP, and all CPUs kept busy, in network namespaces. The time a host may stand still follows from the
 * rule (host/protocol/probing.ts) and leaves 30 ms for all the rest: who wakes later than that stood still for longer than it may,
 * which a busy machine brings about by itself. Such a round proves nothing and is made again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, logsOf, startCluster } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
/** A busy machine has many rounds made again. */
const TEST_MS = 600_000;
/** Of the 30 ms; the rest is for what it says to arrive. */
const LATE_MAX_MS = 10;
/** From here on a sidecar says that it stood still. */
const STALL_PERIODS = 2;
let cluster: Cluster;
const hogs: ChildProcess[] = [];

afterEach(({ task }) => {
  for (const hog of hogs.splice(0)) hog.kill('SIGKILL');
  if (task.result?.state === 'fail') console.log(logsOf(cluster));
  cluster?.remove();
});

/** @param isFavoured  they stand still only when they are stopped */
async function converged(
  heartbeatPeriodMs: number,
  isFavoured = true,
): Promise<[ClusterHost, ClusterHost, ClusterHost]> {
  cluster = startCluster({ hostCount: 3, heartbeatPeriodMs, missedHeartbeatsMax: 5, isFavoured });
  await waitFor('three hosts converged', () => allConverged(cluster), LIMIT_MS);
  return cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
}

/** The view of each host, and whom it has ever called lost: its log has a line for each. */
async function viewsAndLosses(): Promise<{ view: string; lost: string[] }[]> {
  return Promise.all(
    cluster.hosts.map(async (host) => {
      const { view } = await waitFor(`${host.name} to answer`, () => cluster.status(host), LIMIT_MS);
      const lost = cluster.logOf(host).filter((line) => / is lost: /.test(line));
      return { view: `${view?.number} ${view?.checksum}`, lost };
    }),
  );
}

/** @returns how long it stood still: as seen from here, until it answered again, or as it says itself, whichever is more */
async function standStill(host: ClusterHost, forMs: number, heartbeatPeriodMs: number): Promise<number> {
  const fromLine = cluster.logOf(host).length - 1;
  const sinceMs = performance.now();
  cluster.signal(host, 'SIGSTOP');
  await sleep(forMs);
  cluster.signal(host, 'SIGCONT');
  await waitFor(`${host.name} to answer`, () => cluster.status(host), LIMIT_MS);
  const answeredMs = performance.now() - sinceMs;
  await sleep(100);
  const toldIn = (lines: string[]) =>
    [...lines.join('\n').matchAll(/stood still for (\d+) ms/g)].map(([, ms]) => Number(ms));
  const all = cluster.logOf(host);
  const told = toldIn(all.slice(fromLine));
  // The log has one text once a minute: a stall that is not told here took as long as one of those before.
  const isTold = told.length > 0 || forMs < STALL_PERIODS * heartbeatPeriodMs;
  return Math.max(answeredMs, ...(isTold ? told : toldIn(all)));
}

describe.skipIf(why !== null)('a host that stands still', () => {
  test.each([
    { heartbeatPeriodMs: 1000, stallMs: 960 },
    { heartbeatPeriodMs: 100, stallMs: 400 },
  ])(
    'for $stallMs ms at heartbeats every $heartbeatPeriodMs ms is lost to nobody',
    async (given) => {
      const [, , third] = await converged(given.heartbeatPeriodMs);
      // At ten points of the period.
      for (let i = 0; i < 10; ) {
        const before = await viewsAndLosses();
        const stoodMs = await standStill(third, given.stallMs, given.heartbeatPeriodMs);
        await sleep(given.heartbeatPeriodMs * (1 + i / 10));
        const isFair = stoodMs <= given.stallMs + LATE_MAX_MS;
        // Without the delay of one that comes and goes.
        if (!isFair) await cluster.post(third, 'start?now=true');
        await waitFor('converged again', () => allConverged(cluster), LIMIT_MS);
        if (!isFair) continue;
        expect(await viewsAndLosses(), `it stood still for ${stoodMs} ms`).toEqual(before);
        i += 1;
      }
    },
    TEST_MS,
  );

  test('for longer than the tolerance loses itself alone, and is back', async () => {
    const [first, second, third] = await converged(100);
    cluster.signal(third, 'SIGSTOP');
    const isLost = async (host: ClusterHost) => /n3 is lost: /.test(cluster.logOf(host).join('\n'));
    await waitFor('n3 lost', async () => (await isLost(first)) && (await isLost(second)), LIMIT_MS);
    await sleep(600);
    cluster.signal(third, 'SIGCONT');
    await waitFor('converged again', () => allConverged(cluster), LIMIT_MS);
    const lost = (await viewsAndLosses()).flatMap((each) =>
      each.lost.map((line) => /host (\w+) is lost/.exec(line)![1]),
    );
    expect(new Set(lost)).toEqual(new Set(['n3']));
  });

  test('because all CPUs are busy is lost to nobody', async () => {
    await converged(1000, false);
    const before = await viewsAndLosses();
    for (const _ of cpus()) hogs.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    await sleep(8000);
    expect((await viewsAndLosses()).map(({ lost }) => lost)).toEqual([[], [], []]);
    expect(await viewsAndLosses()).toEqual(before);
  });

  test('with its sidecar alone keeps its share, and all show it', async () => {
    const [first, second, third] = await converged(100);
    const before = await viewsAndLosses();
    third.sidecar.kill('SIGSTOP');
    const shows = async (host: ClusterHost) =>
      (await cluster.status(host))?.hosts.find(({ name }) => name === 'n3')?.state === 'sidecarSilent';
    await waitFor('sidecar silent', async () => (await shows(first)) && (await shows(second)), LIMIT_MS);
    third.sidecar.kill('SIGCONT');
    await waitFor('converged again', () => allConverged(cluster), LIMIT_MS);
    expect(await viewsAndLosses()).toEqual(before);
  });
});
