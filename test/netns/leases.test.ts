/**
 * What has run out in a kernel stays so, whatever was stopped when. The programs that renew and take are stopped with SIGSTOP between
 * what they were told and what they do, and go on after another host has taken the virtual IPs.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../host/edge/clock.js';
import { Nft } from '../../host/edge/nft.js';
import { Lease } from '../../host/virtual-ip/lease.js';
import { addressTables, inForceText, leaseText, permitText, takeText } from '../../host/virtual-ip/ruleset.js';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import { randomFrom } from '../sim/random.js';
import { type ArpWatch, watchArp } from './arp-watch.js';
import { type Cluster, type ClusterHost, logsOf, startCluster, VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { inside } from './inside.js';
import { createNetwork, type Network, type NetworkHost, whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
const ROUNDS = Number(process.env.NLB_HOLDER_ROUNDS ?? 3);
const NAME = 't';

/** Programs of one name in a namespace. */
function pidsOf({ namespace }: NetworkHost, program: string): number[] {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  const pids = stdout.split('\n').filter(Boolean).map(Number);
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === program;
    } catch {
      return false;
    }
  });
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended.
    }
  }
}

describe.skipIf(why !== null)('the lease of the holder', () => {
  let network: Network;
  let lease: Lease | null = null;
  afterEach(async () => {
    await lease?.end();
    lease = null;
    network?.remove();
  });

  /** One host with the tables of mode arp. */
  async function made() {
    network = createNetwork(1);
    const host = network.hosts[0]!;
    const prefix = ['ip', 'netns', 'exec', host.namespace];
    const nft = new Nft(prefix);
    const tables = { name: NAME, virtualIps: [VIRTUAL_IP, VIRTUAL_IP6] };
    await nft.run(addressTables(tables, null));
    const isLeased = () =>
      ['arp', 'ip6'].some((family) => inside(host, 'nft', 'list', 'set', family, NAME, 'lease').includes('elements'));
    return { host, prefix, nft, tables, isLeased };
  }

  test('is not renewed once it has run out, by renewals that waited in a program that stood still', async () => {
    const { host, prefix, nft, isLeased } = await made();
    const refused: string[] = [];
    await nft.run(leaseText(NAME, 'eth0', 1000));
    lease = new Lease({
      table: NAME,
      device: 'eth0',
      leaseMs: 1000,
      everyMs: 100,
      clock: systemClock,
      prefix,
      onRefused: (complaint) => refused.push(complaint),
      onProblem: () => {},
      onOver: () => {},
    });
    const pids = await waitFor('nft to renew', () => (pidsOf(host, 'nft').length > 0 ? pidsOf(host, 'nft') : null));
    signal(pids, 'SIGSTOP');
    await waitFor('the lease to run out', () => !isLeased(), LIMIT_MS);
    signal(pids, 'SIGCONT');
    await waitFor('nft to complain', () => refused.length > 0, LIMIT_MS);
    expect(isLeased()).toBe(false);
  });

  test('is taken while the permit lasts, and not after it', async () => {
    const { nft, isLeased } = await made();
    const hasPermit = async () => JSON.stringify(await nft.list('set', 'arp', NAME, 'permit')).includes('"elem"');
    await nft.run(permitText(NAME, 'eth0', 100));
    await waitFor('the permit to run out', async () => !(await hasPermit()), LIMIT_MS);
    expect(await nft.runWhereThere(takeText(NAME, 'eth0', 60_000), 'a take')).toBe(false);
    expect(isLeased()).toBe(false);
    await nft.run(permitText(NAME, 'eth0', 60_000));
    expect(await nft.runWhereThere(takeText(NAME, 'eth0', 60_000), 'a take')).toBe(true);
    expect([isLeased(), await hasPermit()]).toEqual([true, false]);
  });

  test('of an earlier run is gone on with while it lasts, and not after it', async () => {
    const { nft, tables, isLeased } = await made();
    const again = `${inForceText(NAME, 'eth0')}\n${addressTables(tables, { device: 'eth0', leaseMs: 300 })}`;
    await nft.run(leaseText(NAME, 'eth0', 60_000));
    expect(await nft.runWhereThere(again, 'the tables')).toBe(true);
    await waitFor('the lease to run out', () => !isLeased(), LIMIT_MS);
    expect(await nft.runWhereThere(again, 'the tables')).toBe(false);
    expect(isLeased()).toBe(false);
  });
});

describe.skipIf(why !== null)('the virtual IPs at heartbeats of 100 ms', () => {
  let cluster: Cluster;
  let watch: ArpWatch | null = null;
  const hogs: ChildProcess[] = [];
  afterEach(async () => {
    for (const hog of hogs.splice(0)) hog.kill('SIGKILL');
    await watch?.end();
    if (watch !== null && watch.doubles.length > 0) console.log(watch, logsOf(cluster));
    watch = null;
    cluster?.remove();
  });

  async function converged(): Promise<void> {
    cluster = startCluster({ hostCount: 3, heartbeatPeriodMs: 100, missedHeartbeatsMax: 5, mode: 'arp' });
    await waitFor('three hosts converged', () => allConverged(cluster), LIMIT_MS);
    await holder();
    watch = watchArp(cluster.network.client, cluster.hosts, VIRTUAL_IP);
    await asked(3);
  }

  async function holderOf(hosts: readonly ClusterHost[]): Promise<ClusterHost | null> {
    const statuses = await Promise.all(hosts.map((host) => cluster.status(host)));
    return hosts.find((_, i) => statuses[i]?.virtualIp?.isHeldHere === true) ?? null;
  }

  const holder = (hosts = cluster.hosts) => waitFor('a holder', () => holderOf(hosts), LIMIT_MS);

  /** The client has asked so often from now on. */
  async function asked(count: number): Promise<void> {
    const from = watch!.momentCount;
    await waitFor('the client to ask', () => watch!.momentCount >= from + count, LIMIT_MS);
  }

  test('have one holder where the renewals of the one before come after the next has taken them', async () => {
    await converged();
    const first = await holder();
    const nft = pidsOf(first, 'nft');
    signal(nft, 'SIGSTOP');
    // Renewals wait in the pipe by now.
    await sleep(200);
    first.sidecar.kill('SIGSTOP');
    await holder(cluster.hosts.filter((host) => host !== first));
    // On a busy machine they may go on from the next to the one after.
    await waitFor('another one answers', () => watch!.answered.at(-1) !== first.name, LIMIT_MS);
    signal(nft, 'SIGCONT');
    await asked(8);
    first.sidecar.kill('SIGCONT');
    await asked(8);
    expect(watch!.doubles).toEqual([]);
  });

  test(`have one holder while holders stand still at random moments, ${ROUNDS} times, all CPUs busy`, async () => {
    const seed = Number(process.env.NLB_SEED ?? Date.now() % 1_000_000);
    console.log(`seed ${seed}`);
    const random = randomFrom(seed);
    await converged();
    for (const _ of cpus()) hogs.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    for (let round = 0; round < ROUNDS; round++) {
      const first = await holder();
      const programs = ['all', 'nft', 'sidecar'][Math.floor(random() * 3)]!;
      const pids = () => (programs === 'sidecar' ? [] : pidsOf(first, 'nft'));
      await sleep(random() * 300);
      const stopped = pids();
      signal(stopped, 'SIGSTOP');
      if (programs !== 'nft') first.sidecar.kill('SIGSTOP');
      await sleep(100 + random() * 1200);
      if (programs !== 'nft') first.sidecar.kill('SIGCONT');
      await sleep(random() * 100);
      signal(stopped, 'SIGCONT');
      // Whoever was about to take them, when others do, stands still as well.
      const other = cluster.hosts[Math.floor(random() * cluster.hosts.length)]!;
      other.sidecar.kill('SIGSTOP');
      await sleep(random() * 700);
      other.sidecar.kill('SIGCONT');
      await asked(3);
      expect(watch!.doubles, `seed ${seed}, round ${round}: ${programs}`).toEqual([]);
    }
    for (const hog of hogs.splice(0)) hog.kill('SIGKILL');
    // One that has come and gone often is kept out for minutes.
    for (const host of cluster.hosts) await cluster.post(host, 'start?now=true');
    await waitFor('three hosts converged', () => allConverged(cluster), 2 * LIMIT_MS);
    await holder();
    await asked(5);
    expect(watch!.doubles, `seed ${seed}`).toEqual([]);
  });
});
