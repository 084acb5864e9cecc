/**
 * Mode arp with real sidecars and Envoys, a network namespace a host: who answers for the virtual IPs while their holder is killed,
 * stopped, frozen, cut off and brought back. A client asks all the time, and never may two hosts answer.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { type ArpWatch, macOf, watchArp } from './arp-watch.js';
import { type Cluster, type ClusterHost, logsOf, startCluster, VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { leftovers, neighbourOf } from './holder-lab.js';
import { inside } from './inside.js';
import { whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
let cluster: Cluster;
let watch: ArpWatch | null = null;

afterEach(async () => {
  await watch?.end();
  if (watch !== null && watch.doubles.length > 0) console.log(watch, logsOf(cluster));
  watch = null;
  cluster?.remove();
});

type Hosts = [ClusterHost, ClusterHost, ClusterHost];

async function converged(lines: string[] = []): Promise<Hosts> {
  const heartbeat = { heartbeatPeriodMs: 1000, missedHeartbeatsMax: 5 };
  cluster = startCluster({ hostCount: 3, ...heartbeat, mode: 'arp', lines, isFavoured: true });
  await waitFor('three hosts converged', () => allConverged(cluster), LIMIT_MS);
  return cluster.hosts as Hosts;
}

async function isHolder(host: ClusterHost): Promise<boolean> {
  return (await cluster.status(host))?.virtualIp?.isHeldHere === true;
}

async function heldBy(host: ClusterHost): Promise<void> {
  await waitFor(`${host.name} holds the virtual IPs`, () => isHolder(host), LIMIT_MS);
}

async function heldByFirst(lines: string[] = []): Promise<Hosts> {
  const hosts = await converged(lines);
  // On a busy machine another may have been there first.
  const isHeld = async () => (await Promise.all(hosts.map(isHolder))).includes(true);
  await waitFor('a holder', isHeld, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}\n${logsOf(cluster)}`);
  });
  if (!(await isHolder(hosts[0]))) void cluster.post(hosts[0], 'move-vip');
  await heldBy(hosts[0]);
  watch = watchArp(cluster.network.client, hosts, VIRTUAL_IP);
  await waitFor('n1 answers', () => watch!.answered.includes('n1'), LIMIT_MS);
  return hosts;
}

describe.skipIf(why !== null)('the virtual IPs in mode arp', () => {
  test('are taken over from a holder that is stopped, and nothing of ours is left in its kernel', async () => {
    const [first, second] = await heldByFirst();
    await waitFor(
      'n1 answers for IPv6',
      () => neighbourOf(cluster.network.client, VIRTUAL_IP6) === macOf(first),
      LIMIT_MS,
    );
    void cluster.post(second, 'move-vip');
    await heldBy(second);
    expect(await isHolder(first)).toBe(false);
    void cluster.post(first, 'move-vip');
    await heldBy(first);
    await cluster.post(first, 'stop');
    await heldBy(second);
    await waitFor('n2 answers', () => watch!.answered.at(-1) === 'n2', LIMIT_MS);
    await waitFor(
      'n2 answers for IPv6',
      () => neighbourOf(cluster.network.client, VIRTUAL_IP6) === macOf(second),
      LIMIT_MS,
    );
    await waitFor('nothing left', () => leftovers(first).length === 0, LIMIT_MS);
    expect(watch!.doubles).toEqual([]);
  });

  test('are held by one host while the sidecar of the holder is frozen, and when it wakes up', async () => {
    const [first, second] = await heldByFirst();
    first.sidecar.kill('SIGSTOP');
    await heldBy(second);
    first.sidecar.kill('SIGCONT');
    await waitFor('n1 knows', async () => (await cluster.status(first))?.virtualIp?.holder === 'n2', LIMIT_MS);
    await waitFor('n1 has let go', () => !inside(first, 'ip', 'addr', 'show', 'eth0').includes(VIRTUAL_IP), LIMIT_MS);
    await waitFor('n2 answers', () => watch!.answered.at(-1) === 'n2', LIMIT_MS);
    expect([await isHolder(second), watch!.answered, watch!.doubles]).toEqual([true, ['n1', 'n2'], []]);
  });

  test('are held by one host when the sidecar of the holder is killed and started again', async () => {
    const [first, second] = await heldByFirst();
    first.sidecar.kill('SIGKILL');
    await heldBy(second);
    cluster.runSidecar(first);
    await waitFor('n1 is back', () => allConverged(cluster), LIMIT_MS);
    expect(await isHolder(second)).toBe(true);
    await waitFor('n1 has let go', () => !inside(first, 'ip', 'addr', 'show', 'eth0').includes(VIRTUAL_IP), LIMIT_MS);
    expect(watch!.doubles).toEqual([]);
  });

  test('go back to the host of highest priority where failback says so', async () => {
    const [first, second] = await heldByFirst(['failback: immediate']);
    cluster.network.setLink(first, false);
    await heldBy(second);
    cluster.network.setLink(first, true);
    await heldBy(first);
    await waitFor('n2 has let go', async () => !(await isHolder(second)), LIMIT_MS);
    expect(watch!.doubles).toEqual([]);
  });

  test('are put back where somebody takes the address, the rules or the name of the interface away', async () => {
    const [first] = await heldByFirst();
    inside(first, 'ip', 'addr', 'del', `${VIRTUAL_IP}/32`, 'dev', 'eth0');
    await waitFor('address back', () => inside(first, 'ip', 'addr', 'show', 'eth0').includes(VIRTUAL_IP), LIMIT_MS);
    inside(first, 'nft', 'flush', 'ruleset');
    await waitFor(
      'rules back',
      () => leftovers(first).some((line) => line.includes('arp envoy_nlb_address')),
      LIMIT_MS,
    );
    inside(first, 'sh', '-c', 'ip link set eth0 down; ip link set eth0 name wan0; ip link set wan0 up');
    const isReady = async () => {
      const { virtualIp, problems } = (await cluster.status(first))!;
      return virtualIp?.device === 'wan0' && problems.every(({ text }) => !/cannot hold/.test(text));
    };
    await waitFor('n1 found wan0', isReady, LIMIT_MS);
    // Bare: it comes back without its own address, which its owner gives it again.
    inside(first, 'sh', '-c', 'ip link set wan0 down; ip addr flush dev wan0; ip link set wan0 up');
    inside(first, 'ip', 'addr', 'add', `${first.address}/24`, 'dev', 'wan0');
    await waitFor('n1 is ready on wan0', isReady, LIMIT_MS);
    await waitFor('all converged', () => allConverged(cluster), LIMIT_MS);
    void cluster.post(first, 'move-vip');
    await heldBy(first);
    await waitFor('n1 answers again', () => watch!.answered.at(-1) === 'n1', LIMIT_MS);
    expect(watch!.doubles).toEqual([]);
    await cluster.post(first, 'stop');
    await waitFor('nothing left', () => leftovers(first).length === 0, LIMIT_MS);
  });

  test('are not taken while a stranger has one, who is named, and are taken when it is gone', async () => {
    const stranger = (verb: string) =>
      inside(cluster.network.client, 'ip', 'addr', verb, `${VIRTUAL_IP}/32`, 'dev', 'eth0');
    cluster = startCluster({
      hostCount: 3,
      heartbeatPeriodMs: 1000,
      missedHeartbeatsMax: 5,
      mode: 'arp',
      isFavoured: true,
      prepare: (host) => {
        if (host.name === 'n1')
          execFileSync('ip', [
            '-n',
            host.namespace.replace(/n1$/, 'cl'),
            'addr',
            'add',
            `${VIRTUAL_IP}/32`,
            'dev',
            'eth0',
          ]);
      },
    });
    const [first] = cluster.hosts as Hosts;
    const mac = macOf(cluster.network.client);
    const text = `virtual IP ${VIRTUAL_IP} is in use by ${mac}, which is no host of this cluster`;
    const isSaid = async () => (await cluster.status(first))?.problems.some((each) => each.text === text) === true;
    await waitFor('the stranger is named', isSaid, LIMIT_MS);
    expect(await Promise.all(cluster.hosts.map(isHolder))).toEqual([false, false, false]);
    stranger('del');
    await waitFor(
      'somebody holds',
      async () => (await Promise.all(cluster.hosts.map(isHolder))).includes(true),
      LIMIT_MS,
    );
    await waitFor('nothing is said of it', async () => !(await isSaid()), LIMIT_MS);
    // A sidecar that died for good: what it left is taken away without one.
    first.sidecar.kill('SIGKILL');
    const cleanup = [process.execPath, 'build/host/main.js', 'cleanup', join(cluster.directory, 'cluster.yaml')];
    await waitFor('the sidecar is gone', () => first.sidecar.signalCode !== null, LIMIT_MS);
    const said = inside(first, ...cleanup, '--state-dir', first.stateDir);
    expect(said).toContain('nftables table arp envoy_nlb_address_mail_test_example');
    expect([leftovers(first), inside(first, ...cleanup, '--state-dir', first.stateDir)]).toEqual([
      [],
      'Nothing of ours is in the kernel\n',
    ]);
  });
});
