/**
 * Wide port rules, and what no rule covers: real sidecars and Envoys, a client on a machine of its own, the virtual IPs on
 * `lo` of every host. What the client's machine routes through decides which host is the entry host.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seesOwners } from '../e2e/harness/sees-owners.js';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, logsOf, startCluster } from './cluster.js';
import { startGreeter } from './greeter.js';
import { inside } from './inside.js';
import { type NetworkHost, whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: redirected ports: ${why}`);

const [VIP, VIP6] = ['10.77.0.200', 'fd77::200'];
const KNOCKER = fileURLToPath(new URL('knocker.py', import.meta.url));
/** Rules lead to loopback; the last three are programs that the hosts run for themselves. */
const PLACES = ['127.0.0.1,2525,v2', '127.0.0.1,41000,v2', '127.0.0.1,45000,v2', '127.0.0.1,49999,v2'].concat([
  '0.0.0.0,42000',
  '0.0.0.0,9999',
  '127.0.0.1,9998',
]);

/** Port 45000 of the wide range by itself, on one virtual IP. */
const OWN_RULE = `  - name: own
    virtualIp: ${VIP}
    ports: 45000
    service: {address: '127.0.0.1:45000', proxyProtocol: v2, check: {kind: none}}
`;

const ROUTED = 'mode: routed\nlistenOn: virtualIp\notherPorts: defaultHost';

const FILE = (hosts: NetworkHost[], moreRules = '', mode = ROUTED): string => `cluster: mail.test.example
${mode}
virtualIps: [${VIP}, '${VIP6}']
hashSeed: 0x5eed1234
keyFile: cluster.key
heartbeat: {periodMs: 500, missedMax: 5}
hosts:
${hosts.map((h, i) => `  - {name: ${h.name}, priority: ${i + 1}, dedicatedIp: ${h.address}}`).join('\n')}
portRules:
  - name: smtp
    ports: 25
    filteringMode: single
    handlingPriority: {n1: 2, n2: 1}
    service: {address: '127.0.0.1:2525', proxyProtocol: v2, check: {kind: none}}
  - name: passive
    ports: 40000-49999
    filteringMode: single
    handlingPriority: {n1: 2, n2: 1}
    service: {address: '127.0.0.1:{port}', proxyProtocol: v2, check: {port: 41000}}
  - {name: off, virtualIp: ${VIP}, ports: 42000, filteringMode: disabled}
${moreRules}`;

const TABLE = 'table inet envoy_nlb_redirect_mail_test_example_n1';
const tables = (host: NetworkHost): string => inside(host, 'nft', 'list', 'tables');

function startWide(fileText: (hosts: NetworkHost[]) => string, prefix: string[] = []): Cluster {
  return startCluster({
    hostCount: 2,
    isFavoured: true,
    heartbeatPeriodMs: 500,
    missedHeartbeatsMax: 5,
    fileText,
    prefix,
    sidecarArguments: ['--envoy-args=--concurrency 1 --drain-time-s 1'],
    prepare: (host, stateDir) => {
      for (const address of [`${VIP}/32`, `${VIP6}/128`]) {
        if (fileText([]).includes('mode: routed')) inside(host, 'ip', 'addr', 'add', address, 'dev', 'lo');
      }
      startGreeter(host, stateDir, PLACES);
    },
  });
}

async function waitUntilWell(cluster: Cluster): Promise<void> {
  await waitFor('a view of all hosts, without problems', () => isWell(cluster), 60_000).catch((error) => {
    throw new Error(`${error.message}\n${logsOf(cluster)}`);
  });
}

/** What greets a client of its own machine that goes through `entry`, or finds its own way; `closed` where nothing does. */
function askThrough(cluster: Cluster, entry: NetworkHost | null, port: number, address: string): string {
  const { client } = cluster.network;
  if (entry !== null && address !== entry.address) {
    const [family, via] = address.includes(':') ? ['-6', entry.address6] : ['-4', entry.address];
    inside(client, 'ip', family!, 'route', 'replace', address, 'via', via!, 'dev', 'eth0');
  }
  const script = 'exec 3<>"/dev/tcp/$1/$2" && head -n 1 <&3';
  const args = ['netns', 'exec', client.namespace, 'timeout', '10', 'bash', '-c', script, 'bash', address, `${port}`];
  const { stdout, status } = spawnSync('ip', args, { encoding: 'utf8' });
  expect(status, `the client through ${entry?.name} to ${address} port ${port} hangs`).not.toBe(124);
  return stdout.trim() || 'closed';
}

describe.skipIf(why !== null)('ports beyond 1,024 listeners', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = startWide(FILE);
    await waitUntilWell(cluster);
    // A single-host rule has no fallback: until the first check between the Envoys is answered there is nobody.
    for (const { name, stateDir } of cluster.hosts)
      await waitFor(`${name} to see the other`, () => seesOwners(stateDir), 60_000);
    const isServed = (entry: NetworkHost, port: number) =>
      [VIP, VIP6].every((address) => ask(entry, port, address).startsWith('n2 '));
    await waitFor('every entry host to lead to the owner', () =>
      cluster.hosts.every((entry) => isServed(entry, 25) && isServed(entry, 41000)),
    );
  });
  afterAll(() => cluster?.remove());

  const ask = (entry: NetworkHost, port: number, address = VIP): string => askThrough(cluster, entry, port, address);

  it('lead to their owner and its service at the very port, from every entry host and in both families', () => {
    const { hosts, network } = cluster;
    for (const entry of hosts) {
      expect(ask(entry, 41000)).toBe(`n2 client=${network.client.address} to=${VIP}:41000`);
      expect(ask(entry, 49999)).toBe(`n2 client=${network.client.address} to=${VIP}:49999`);
      expect(ask(entry, 41000, VIP6)).toBe(`n2 client=${network.client.address6} to=${VIP6}:41000`);
    }
  });

  it('leave the other rules their listeners', () => {
    for (const entry of cluster.hosts) {
      expect(ask(entry, 25)).toBe(`n2 client=${cluster.network.client.address} to=${VIP}:25`);
    }
  });

  it('are closed where a disabled rule of the virtual IP covers them, whatever listens on the host', () => {
    for (const entry of cluster.hosts) {
      expect(ask(entry, 42000)).toBe('closed');
    }
  });

  it('of no rule lead to the default host, from every entry host, and to no program of loopback', async () => {
    for (const entry of cluster.hosts) {
      expect(ask(entry, 9999)).toMatch(new RegExp(`^n1 client=\\S+ to=${VIP}:9999$`));
      expect(ask(entry, 9998)).toBe('closed');
      expect(ask(entry, 9999, entry.address)).toBe(
        `${entry.name} client=${cluster.network.client.address} to=${entry.address}:9999`,
      );
      expect(ask(entry, 7624)).toBe('closed');
    }
    const [, n2] = cluster.hosts as [ClusterHost, ClusterHost];
    await waitFor('the count of n2', async () => (await cluster.status(n2))?.otherPorts?.handedOffCount === 2);
  });

  it('are redirected again after somebody flushed the ruleset, and stay so while a sidecar is down', async () => {
    const [n1] = cluster.hosts as [ClusterHost];
    inside(n1, 'nft', 'flush', 'ruleset');
    await waitFor('the redirect to be back', () => tables(n1).includes(TABLE));
    expect(ask(n1, 41000)).toMatch(/^n2 /);
    n1.sidecar.kill('SIGKILL');
    await waitFor('the sidecar to be gone', () => n1.sidecar.signalCode !== null);
    expect(ask(n1, 41000)).toMatch(/^n2 /);
    cluster.runSidecar(n1);
    await waitFor('a view of both hosts', () => isWell(cluster), 60_000);
    expect(ask(n1, 41000)).toMatch(/^n2 /);
  });

  it('lose no connection, open or new, while a port gets a listener of its own and loses it again', async () => {
    const [entry] = cluster.hosts as [ClusterHost];
    ask(entry, 41000);
    const knocker = knockAt(cluster, [25, 41000, 45000]);
    try {
      await knocker.ready;
      for (const text of [FILE(cluster.hosts, OWN_RULE), FILE(cluster.hosts), FILE(cluster.hosts, OWN_RULE)]) {
        const before = await viewNumber(cluster);
        writeFileSync(join(cluster.directory, 'cluster.yaml'), text);
        for (const host of cluster.hosts) await cluster.post(host, 'reload');
        await waitFor(
          'the next view',
          async () => (await isWell(cluster)) && (await viewNumber(cluster)) > before,
          60_000,
        );
      }
      const { greeted, failures, held } = await knocker.end();
      expect(failures).toEqual([]);
      expect(greeted).toBeGreaterThan(0);
      // Also the one to port 45000 by the wide rule, which is as it was.
      expect(held).toBe(3);
    } finally {
      knocker.kill();
    }
  });

  it('are left to the host again when it is stopped', async () => {
    const [n1] = cluster.hosts as [ClusterHost];
    await cluster.post(n1, 'stop');
    await waitFor('the table to be gone', () => !tables(n1).includes('envoy_nlb_'));
    await waitFor('its Envoy to be gone', async () => (await cluster.status(n1))?.envoy.pid === null);
    await cluster.post(n1, 'start');
    await waitFor('a view of both hosts', () => isWell(cluster), 60_000);
    await waitFor('the redirect to be back', () => tables(n1).includes(TABLE));
  });
});

describe.skipIf(why !== null)('ports beyond 1,024 listeners elsewhere', () => {
  let cluster: Cluster;
  afterEach(() => cluster?.remove());

  it('in mode arp come to their owner as packets; those of no rule to the default host, which sees its client', async () => {
    cluster = startWide((hosts) => FILE(hosts, '', 'mode: arp'));
    await waitUntilWell(cluster);
    const { address } = cluster.network.client;
    const ask = (port: number) => askThrough(cluster, null, port, VIP);
    await waitFor('a holder', async () => (await cluster.status(cluster.hosts[0]!))?.virtualIp?.holder !== null);
    // Every kernel decides by the view, or every Envoy has seen the owner's: a single-host rule has no fallback before.
    await waitFor(
      'n2 and n1 to serve',
      () => [25, 41000].every((port) => ask(port).startsWith('n2 ')) && ask(9999).startsWith('n1 '),
    );
    expect(ask(41000)).toBe(`n2 client=${address} to=${VIP}:41000`);
    expect(ask(25)).toBe(`n2 client=${address} to=${VIP}:25`);
    expect(ask(9999)).toBe(`n1 client=${address} to=${VIP}:9999`);
  });

  it('are named where the sidecar has no right to redirect them, and the others are served', async () => {
    const right = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    cluster = startWide(FILE, right);
    const [n1] = cluster.hosts as [ClusterHost];
    let said: string[] = [];
    // A service that was looked at before it was there is a problem for a moment.
    const isAlone = async () => {
      const status = await cluster.status(n1);
      said = status?.problems.map(({ text }) => text) ?? [];
      return status?.envoy.tookConfiguration && said.length === 1 && said[0]!.includes('are not carried');
    };
    await waitFor('one problem', isAlone).catch(() => {});
    expect(said).toEqual([
      `Ports 1-24, 26-7619, 7623, 7625-65535 of ${VIP} and 1-24, 26-7619, 7623, 7625-65535 of ${VIP6} are not carried: clients that come to this host for them do not reach the cluster: nftables needs CAP_NET_ADMIN, which this process does not have: run it as root or with AmbientCapabilities=CAP_NET_ADMIN`,
    ]);
    await waitFor('n2 to serve', () => askThrough(cluster, n1, 25, VIP).startsWith('n2 '));
    expect(askThrough(cluster, n1, 41000, VIP)).toBe('closed');
  });
});

interface Knocked {
  greeted: number;
  failures: string[];
  held: number;
}

/** knocker.py on the client's machine. */
function knockAt({ network }: Cluster, ports: number[]) {
  const args = ['netns', 'exec', network.client.namespace, 'python3', KNOCKER, VIP, ...ports.map(String)];
  const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  return {
    ready: waitFor('the knocker', () => lines.includes('ready')),
    end: async (): Promise<Knocked> => {
      child.stdin.end();
      const last = await waitFor('what the knocker says', () => lines.find((line) => line.startsWith('{')));
      return JSON.parse(last) as Knocked;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

async function viewNumber(cluster: Cluster): Promise<number> {
  const statuses = await Promise.all(cluster.hosts.map((host) => cluster.status(host)));
  return Math.min(...statuses.map((status) => status?.view?.number ?? 0));
}

async function isWell(cluster: Cluster): Promise<boolean> {
  const statuses = await Promise.all(cluster.hosts.map((host: ClusterHost) => cluster.status(host)));
  return statuses.every(
    (status) =>
      status?.state === 'converged' &&
      status.envoy.tookConfiguration &&
      status.problems.length === 0 &&
      status.rules.every((rule) => rule.filteringMode === 'disabled' || rule.hosts.every(({ takesPart }) => takesPart)),
  );
}
