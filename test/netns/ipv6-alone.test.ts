/** A cluster in mode arp that has IPv6 addresses alone: its hosts, its virtual IP and its clients. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, logsOf, NLB, startCluster, VIRTUAL_IP6 } from './cluster.js';
import { inside } from './inside.js';
import { clientAddresses } from './kernel-lab.js';
import { modelOwners } from './model-owners.js';
import { whyNoNetwork } from './network.js';
import { Clients, startService } from './sessions.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: IPv6 alone: ${why}`);

const LIMIT_MS = 60_000;

describe.skipIf(why !== null)('a cluster of IPv6 addresses alone', () => {
  let cluster: Cluster;
  let clients: Clients | null = null;
  const services: ChildProcess[] = [];

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.log(logsOf(cluster));
    clients?.stop();
    for (const service of services.splice(0)) service.kill('SIGKILL');
    cluster?.remove();
  });

  /** These take part by each other's view, their kernels hand off, and one of them holds the virtual IP. */
  async function holder(names: readonly string[]): Promise<ClusterHost> {
    const hosts = cluster.hosts.filter(({ name }) => names.includes(name));
    const isSettled = async () => {
      const statuses = await Promise.all(hosts.map((host) => cluster.status(host)));
      const taking = (i: number) =>
        statuses[i]?.rules[0]?.hosts.filter((each) => each.takesPart).map((each) => each.host);
      const isWell = statuses.every((status, i) => {
        const isTaken = status?.envoy.tookConfiguration && status.virtualIp?.kernelProblem === null;
        return isTaken && taking(i)?.join() === names.join();
      });
      const holding = hosts.filter((_, i) => statuses[i]?.virtualIp?.isHeldHere);
      return isWell && holding.length === 1 ? holding[0]! : null;
    };
    return waitFor(`${names} to agree and one to hold`, isSettled, LIMIT_MS);
  }

  test('serves every client at its owner, goes on when the holder dies, and leaves nothing', async () => {
    cluster = startCluster({
      hostCount: 3,
      isFavoured: true,
      heartbeatPeriodMs: 500,
      missedHeartbeatsMax: 5,
      fileText: (hosts) => `cluster: mail.test.example
mode: arp
virtualIps: ['${VIRTUAL_IP6}']
hashSeed: 0x5eed1234
keyFile: cluster.key
heartbeat: {periodMs: 500, missedMax: 5}
hosts:
${hosts.map(({ name, address6 }, i) => `  - {name: ${name}, priority: ${i + 1}, dedicatedIp: '${address6}'}`).join('\n')}
portRules:
  - name: smtp
    ports: 25
    affinity: classC
    service: {address: '[::1]:2525', proxyProtocol: v2, check: {kind: none}}
`,
      sidecarArguments: ['--envoy-args=--concurrency 1 --drain-time-s 1'],
    });
    for (const host of cluster.hosts) services.push(await startService(host, ['::1'], [2525], true));
    clients = new Clients(cluster.network.client);
    const from = clientAddresses('ip6', 24);
    const served = async (names: string[]) => {
      const owners = modelOwners(
        { affinity: 'classC', hashSeed: 0x5eed1234, ipv6PrefixLength: 64 },
        names.map((name) => ({ name, loadWeight: 50 })),
        from.map((address) => ({ address, port: 1 })),
      );
      const isRight = async () => {
        const all = await Promise.all(
          from.map((client) => clients!.connect({ from: client, to: VIRTUAL_IP6, port: 25, wait: 10 })),
        );
        return all.every(({ host, seen }, i) => host === owners[i] && seen === from[i]) || null;
      };
      await waitFor('every client to be served at its owner', isRight, LIMIT_MS);
    };
    const first = await holder(['n1', 'n2', 'n3']);
    await served(['n1', 'n2', 'n3']);

    const left = cluster.hosts.map(({ name }) => name).filter((name) => name !== first.name);
    cluster.signal(first, 'SIGKILL');
    await holder(left);
    await served(left);

    const file = join(cluster.directory, 'cluster.yaml');
    const cleaned = inside(first, process.execPath, NLB, 'cleanup', file, '--state-dir', first.stateDir);
    expect(cleaned).toContain(`address ${VIRTUAL_IP6}/128 on lo`);
    expect(inside(first, 'nft', 'list', 'tables')).not.toContain('envoy_nlb');
    expect(inside(first, 'ip', 'addr')).not.toContain(VIRTUAL_IP6);
  }, 300_000);
});
