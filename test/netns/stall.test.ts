/**
 * Nobody is lost for standing still a little, and who stood still for long takes nobody else for dead: whole hosts (sidecar and
 * Envoy) stopped with SIGSTOP, and all CPUs kept busy, in network namespaces. The time a host may stand still follows from the
 * rule (host/protocol/probing.ts), so a slow machine that wakes it late makes these tests harder, never easier.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, startCluster } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
let cluster: Cluster;
const hogs: ChildProcess[] = [];

afterEach(() => {
  for (const hog of hogs.splice(0)) hog.kill('SIGKILL');
  cluster?.remove();
});

async function converged(heartbeatPeriodMs: number): Promise<[ClusterHost, ClusterHost, ClusterHost]> {
  cluster = startCluster({ hostCount: 3, heartbeatPeriodMs, missedHeartbeatsMax: 5 });
  await waitFor('three hosts converged', () => allConverged(cluster), LIMIT_MS);
  return cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
}

/** The view of each host, and whom it has ever called lost: its log has a line for each. */
async function viewsAndLosses(): Promise<{ view: string; lost: string[] }[]> {
  return Promise.all(
    cluster.hosts.map(async (host) => {
      const status = await cluster.status(host);
      const lost = cluster.logOf(host).filter((line) => / is lost: /.test(line));
      return { view: `${status?.view?.number} ${status?.view?.checksum}`, lost };
    }),
  );
}

async function standStill(host: ClusterHost, forMs: number): Promise<void> {
  cluster.signal(host, 'SIGSTOP');
  await sleep(forMs);
  cluster.signal(host, 'SIGCONT');
}

describe.skipIf(why !== null)('a host that stands still', () => {
  test.each([
    { heartbeatPeriodMs: 1000, stallMs: 960 },
    { heartbeatPeriodMs: 100, stallMs: 400 },
  ])('for $stallMs ms at heartbeats every $heartbeatPeriodMs ms is lost to nobody', async (given) => {
    const [, , third] = await converged(given.heartbeatPeriodMs);
    const before = await viewsAndLosses();
    // At ten points of the period.
    for (let i = 0; i < 10; i++) {
      await standStill(third, given.stallMs);
      await sleep(given.heartbeatPeriodMs * (1 + i / 10));
    }
    await waitFor('converged again', () => allConverged(cluster), LIMIT_MS);
    expect(await viewsAndLosses()).toEqual(before);
    expect(before.flatMap(({ lost }) => lost)).toEqual([]);
  });

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
    await converged(1000);
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
