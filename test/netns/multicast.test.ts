/**
 * Mode multicast: real sidecars, Envoys and kernels, clients of 1,000 addresses in each family. Every host receives every
 * packet; who answers a client is compared with the decision.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Decision, loadDecision } from '../../host/edge/decision.js';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import { randomFrom } from '../sim/random.js';
import { type Clients, clientAddresses, startClients } from './clients.js';
import { type Cluster, type ClusterHost, logsOf, NLB, startCluster } from './cluster.js';
import { startGreeter } from './greeter.js';
import { inside } from './inside.js';
import { type NetworkHost, whyNoNetwork } from './network.js';
import { SynWatch } from './syn-watch.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: mode multicast: ${why}`);

const [VIP, VIP6, MAC] = ['10.77.0.200', 'fd77::c8', '03:bf:0a:4d:00:c8'];
const SEED = 0x5eed1234;
const PLACES = ['127.0.0.1,2525,v2', '127.0.0.1,2526,v2', '0.0.0.0,9999'];
const TABLE = 'envoy_nlb_multicast_mail_test_example';
const CLIENTS = [...clientAddresses(4, 1000), ...clientAddresses(6, 1000)];

const FILE = (hosts: NetworkHost[]): string => `cluster: mail.test.example
mode: multicast
virtualIps: [${VIP}, '${VIP6}']
hashSeed: 0x5eed1234
keyFile: cluster.key
heartbeat: {periodMs: 500, missedMax: 5}
hosts:
${hosts.map((h, i) => `  - {name: ${h.name}, priority: ${i + 1}, dedicatedIp: ${h.address}}`).join('\n')}
portRules:
  - name: smtp
    ports: 25
    filteringMode: multiple
    affinity: single
    service: {address: '127.0.0.1:2525', proxyProtocol: v2, check: {kind: none}}
  - name: one
    ports: 26
    filteringMode: single
    handlingPriority: {n1: 3, n2: 1, n3: 2}
    service: {address: '127.0.0.1:2526', proxyProtocol: v2, check: {kind: none}}
  - {name: off, ports: 27, filteringMode: disabled}
`;

describe.skipIf(why !== null)('mode multicast', () => {
  let cluster: Cluster;
  let clients: Clients;
  let decision: Decision;

  beforeAll(async () => {
    decision = await loadDecision();
    cluster = startCluster({
      hostCount: 3,
      isFavoured: true,
      heartbeatPeriodMs: 500,
      missedHeartbeatsMax: 5,
      fileText: FILE,
      sidecarArguments: ['--envoy-args=--concurrency 1 --drain-time-s 1'],
      prepare: (host, stateDir) => startGreeter(host, stateDir, PLACES),
    });
    clients = startClients(cluster.network);
    await converged(cluster.hosts);
  });
  afterAll(() => {
    clients?.end();
    cluster?.remove();
  });

  /** These hosts have one view with exactly each other, nothing to complain of, and all of it is accepted by somebody. */
  async function converged(hosts: readonly ClusterHost[]): Promise<void> {
    const names = hosts.map(({ name }) => name);
    const isWell = async () => {
      const statuses = await Promise.all(hosts.map((host) => cluster.status(host)));
      return statuses.every(
        (status) =>
          status?.envoy.tookConfiguration &&
          status.rules[0]!.hosts.filter(({ takesPart }) => takesPart)
            .map(({ host }) => host)
            .join() === names.join(),
      );
    };
    // One that has come and gone three times is let back in after 40 s.
    await waitFor(`a view of ${names}`, isWell, 120_000).catch((error) => {
      throw new Error(`${error.message}\n${logsOf(cluster)}`);
    });
    const accepts = (host: NetworkHost) =>
      (inside(host, 'nft', 'list', 'table', 'inet', TABLE).match(/: goto take/g) ?? []).length;
    await waitFor('all buckets to be accepted', () => hosts.reduce((sum, host) => sum + accepts(host), 0) === 65_536);
  }

  const ownerOf = (client: string, hosts: readonly ClusterHost[]): string => {
    const bucket = decision.bucket({
      affinity: 'single',
      address: client,
      port: 0,
      hashSeed: SEED,
      ipv6PrefixLength: 64,
    });
    return decision.owners(
      bucket,
      hosts.map(({ name }) => ({ name, loadWeight: 50 })),
      SEED,
    ).owner!;
  };

  async function expectOwners(hosts: readonly ClusterHost[]): Promise<void> {
    const answers = new Map([
      ...(await clients.ask(VIP, 25, CLIENTS.slice(0, 1000))),
      ...(await clients.ask(VIP6, 25, CLIENTS.slice(1000))),
    ]);
    const wrong = CLIENTS.filter((client) => {
      const to = client.includes(':') ? VIP6 : VIP;
      return answers.get(client) !== `${ownerOf(client, hosts)} client=${client} to=${to}:25`;
    });
    if (wrong.length > 0) {
      for (const host of hosts) console.log(host.name, inside(host, 'nft', 'list', 'counters', 'table', 'inet', TABLE));
      console.log(logsOf(cluster));
    }
    expect(wrong.map((client) => `${client} by ${ownerOf(client, hosts)}: ${answers.get(client)}`)).toEqual([]);
  }

  it('answers each of 1,000 client addresses in both families by the host that the decision names', async () => {
    await expectOwners(cluster.hosts);
    const { client } = cluster.network;
    const neighbours = inside(client, 'ip', 'neigh');
    expect(neighbours).toMatch(new RegExp(`^${VIP} .*lladdr ${MAC}`, 'm'));
    expect(neighbours).toMatch(new RegExp(`^${VIP6} .*lladdr ${MAC}`, 'm'));
  });

  it('leads a single-host rule, what no rule covers and echo requests to one host, and a disabled port to none', async () => {
    const some = CLIENTS.filter((_, i) => i % 100 === 0);
    const four = some.filter((client) => !client.includes(':'));
    for (const [port, host] of [
      [26, 'n2'],
      [9999, 'n1'],
    ] as const) {
      const answers = await clients.ask(VIP, port, four);
      expect([...answers.values()].map((line) => line.split(' ')[0])).toEqual(four.map(() => host));
    }
    expect([...(await clients.ask(VIP, 27, four.slice(0, 3), 2)).values()].join('')).toBe('');
    const counted = inside(cluster.hosts[2]!, 'nft', 'list', 'counters', 'table', 'inet', TABLE);
    expect(counted).toMatch(/counter disabled \{\s+packets [1-9]/);
    for (const address of [VIP, VIP6]) {
      const said = inside(cluster.network.client, 'ping', '-c', '3', '-i', '0.2', '-W', '2', address);
      expect(said).toContain('3 received');
      expect(said).not.toContain('DUP');
    }
  });

  it('never has two hosts answer one SYN while sidecars are frozen and wake up, and every client is answered again', async () => {
    const { client } = cluster.network;
    const watch = new SynWatch(client, cluster.hosts, 25, [
      [VIP, MAC],
      [VIP6, MAC],
    ]);
    try {
      const answered = async () => {
        const fromMs = SynWatch.nowMs();
        await waitFor('every client to be answered', () => watch.isAnsweredSince(fromMs), 60_000);
      };
      await answered();
      for (const host of cluster.hosts) {
        host.sidecar.kill('SIGSTOP');
        await answered();
        host.sidecar.kill('SIGCONT');
        await converged(cluster.hosts);
      }
      // Shorter and longer than a lease, two at a time, also in the midst of a change.
      const seed = Number(process.env.NLB_SEED ?? Date.now() % 1_000_000);
      console.log(`seed ${seed}`);
      const random = randomFrom(seed);
      for (let round = 0; round < 6; round++) {
        const [one, other] = [0, 1].map(() => cluster.hosts[Math.floor(random() * 3)]!) as [ClusterHost, ClusterHost];
        one.sidecar.kill('SIGSTOP');
        await sleep(random() * 900);
        other.sidecar.kill('SIGSTOP');
        await sleep(random() * 900);
        one.sidecar.kill('SIGCONT');
        await sleep(random() * 300);
        other.sidecar.kill('SIGCONT');
      }
      await converged(cluster.hosts);
      await answered();
      console.log(`${watch.answeredCount} SYNs answered, a client waited ${watch.longestSilenceMs} ms at the most`);
      expect(watch.doubles).toEqual([]);
    } finally {
      watch.end();
    }
  });

  it('makes rules and addresses again where somebody flushes nftables or takes an address away, and goes on', async () => {
    const [n1] = cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
    await clients.hold(VIP, 25, CLIENTS.slice(0, 50));
    await clients.hold(VIP6, 25, CLIENTS.slice(1000, 1050));
    inside(n1, 'nft', 'flush', 'ruleset');
    await converged(cluster.hosts);
    await waitFor('the answers for ARP', () => inside(n1, 'nft', 'list', 'tables').includes(`arp ${TABLE}`), 60_000);
    inside(n1, 'ip', 'addr', 'del', `${VIP}/32`, 'dev', 'eth0');
    inside(n1, 'ip', 'maddr', 'del', MAC, 'dev', 'eth0');
    const isWhole = () =>
      inside(n1, 'ip', 'addr').includes(`${VIP}/32`) && inside(n1, 'ip', 'maddr').includes(MAC) ? true : null;
    await waitFor('the address of the cluster', isWhole, 60_000);
    await expectOwners(cluster.hosts);
    expect([...(await clients.check())].filter(([, lives]) => !lives)).toEqual([]);
    await clients.drop();
    const wrong = inside(n1, process.execPath, NLB, 'ip2mac', VIP);
    expect(wrong.toLowerCase()).toContain('03-bf-0a-4d-00-c8');
  });

  it('keeps every session of the other hosts while hosts die, freeze, lose their sidecar, drain and come back', async () => {
    const [n1, n2, n3] = cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
    const held = new Map([
      ...(await clients.hold(VIP, 25, CLIENTS.slice(0, 100))),
      ...(await clients.hold(VIP6, 25, CLIENTS.slice(1000, 1100))),
    ]);
    const hostOf = (client: string) => held.get(client)!.split(' ')[0]!;
    const expectLost = async (lost: readonly ClusterHost[]) => {
      const names = lost.map(({ name }) => name);
      const lives = await clients.check();
      const wrong = [...lives].filter(([client, is]) => is === names.includes(hostOf(client)));
      expect(wrong.map(([client, is]) => `${client} at ${hostOf(client)} ${is ? 'lives' : 'is lost'}`)).toEqual([]);
    };
    await expectLost([]);

    n2.sidecar.kill('SIGKILL');
    await converged([n1, n3]);
    await expectOwners([n1, n3]);
    await expectLost([]);
    cluster.runSidecar(n2);
    await converged(cluster.hosts);
    await expectLost([]);

    await cluster.post(n1, 'drainstop');
    await converged([n2, n3]);
    await expectOwners([n2, n3]);
    await expectLost([]);
    await cluster.post(n1, 'start');
    await converged(cluster.hosts);
    await expectLost([]);

    cluster.signal(n3, 'SIGSTOP');
    await converged([n1, n2]);
    await expectOwners([n1, n2]);
    cluster.signal(n3, 'SIGCONT');
    await converged(cluster.hosts);
    await expectLost([]);

    cluster.network.setLink(n3, false);
    cluster.signal(n3, 'SIGKILL');
    await converged([n1, n2]);
    await expectOwners([n1, n2]);
    await expectLost([n3]);
    await clients.drop();
  });

  it('leaves nothing in the kernel of a host that is stopped, nor after nlb cleanup where its sidecar is gone', async () => {
    const [n1, n2, n3] = cluster.hosts as [ClusterHost, ClusterHost, ClusterHost];
    const ours = (host: NetworkHost) =>
      `${inside(host, 'nft', 'list', 'tables')}${inside(host, 'ip', 'addr')}${inside(host, 'ip', 'maddr')}`.match(
        /envoy_nlb_multicast|:nlb|fd77::c8|03:bf/g,
      );
    expect(ours(n3)).not.toBeNull();
    expect(
      inside(n3, process.execPath, NLB, 'cleanup', `${cluster.directory}/cluster.yaml`, '--state-dir', n3.stateDir),
    ).toBe(
      `Removed:
  nftables table inet ${TABLE}
  nftables table arp ${TABLE}
  address ${VIP}/32 on eth0
  address ${VIP6}/128 on eth0
  Ethernet address ${MAC} on eth0
`,
    );
    expect(ours(n3)).toBeNull();
    for (const host of [n2, n1]) {
      await cluster.post(host, 'stop');
      await waitFor(`nothing of ours to be left on ${host.name}`, () => ours(host) === null);
    }
  });
});
