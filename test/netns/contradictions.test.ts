/**
 * Contradictions that loopback cannot show: hosts in different modes, two machines with one address, and a network that is split
 * and healed. Hosts have a network namespace each; what they say is compared whole, in every place where it is said.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { favour } from '../../host/edge/nft.js';
import { waitFor } from '../e2e/harness/wait.js';
import {
  contradiction,
  diagnosis,
  entriesUnder,
  eventually,
  on,
  type Said,
  saysEverywhere,
  says,
  sorted,
  type Speaker,
} from '../e2e/said.js';
import { macOf } from './arp-watch.js';
import { type Cluster, type ClusterHost, logsOf, NLB, startCluster, VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { inside } from './inside.js';
import { type NetworkHost, whyNoNetwork } from './network.js';
import { Clients, startService } from './sessions.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: contradictions of hosts in networks: ${why}`);

const LIMIT_MS = 60_000;
const PERIOD_MS = 250;
type Mode = 'routed' | 'arp' | 'multicast';

let cluster: Cluster;
let clients: Clients | null = null;
const services: ChildProcess[] = [];

afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.log(logsOf(cluster));
  clients?.stop();
  clients = null;
  for (const service of services.splice(0)) service.kill('SIGKILL');
  cluster?.remove();
});

const fileText =
  (mode: Mode) =>
  (hosts: NetworkHost[]): string =>
    `cluster: mail.test.example
mode: ${mode}
${mode === 'routed' ? 'listenOn: dedicatedIp\n' : ''}virtualIps: [${VIRTUAL_IP}, '${VIRTUAL_IP6}']
hashSeed: 0x5eed1234
keyFile: cluster.key
heartbeat: {periodMs: ${PERIOD_MS}, missedMax: 5}
hosts:
${hosts.map((host, i) => `  - {name: ${host.name}, priority: ${i + 1}, dedicatedIp: ${host.address}}`).join('\n')}
portRules:
  - name: smtp
    ports: 25
    affinity: single
    service: {address: '127.0.0.1:2525', proxyProtocol: v2, check: {kind: none}}
`;

/** @param more  machines that the file does not list */
async function start(mode: Mode, more = 0): Promise<ClusterHost[]> {
  cluster = startCluster({
    hostCount: 3 + more,
    isFavoured: true,
    heartbeatPeriodMs: PERIOD_MS,
    missedHeartbeatsMax: 5,
    fileText: (hosts) => fileText(mode)(hosts.slice(0, 3)),
    sidecarArguments: ['--log', 'json', '--envoy-args=--concurrency 1 --drain-time-s 1'],
  });
  for (const host of cluster.hosts.slice(0, 3)) services.push(await startService(host, ['127.0.0.1'], [2525], true));
  clients = new Clients(cluster.network.client);
  await agreed(['n1', 'n2', 'n3']);
  return cluster.hosts.slice(0, 3);
}

/** Each of these has a view in which they and nobody else take part, taken by its Envoy. */
async function agreed(takers: string[]): Promise<void> {
  await waitFor(
    `a view of ${takers.join(', ')}`,
    async () => {
      const statuses = await Promise.all(takers.map((name) => cluster.status(host(name))));
      const views = new Set(statuses.map((status) => `${status?.view?.number} ${status?.view?.checksum}`));
      const isAgreed = statuses.every((status) => {
        const taking = status?.rules[0]?.hosts.filter(({ takesPart }) => takesPart).map((each) => each.host);
        return status?.envoy.tookConfiguration && taking?.join() === takers.join();
      });
      return (isAgreed && views.size === 1) || null;
    },
    LIMIT_MS,
  );
}

const host = (name: string): ClusterHost => cluster.hosts.find((each) => each.name === name)!;

function speaker({ name, stateDir, logPath }: ClusterHost): Speaker {
  return {
    ...{ name, stateDir, log: () => readFileSync(logPath, 'utf8') },
    status: async () => (await cluster.status(host(name)))!,
  };
}

/** By whom each of eight clients is served that comes to an address; the kernel knows of a new view a moment later. */
async function served(to: string, names: readonly string[]): Promise<void> {
  const from = Array.from({ length: 8 }, (_, i) => `198.18.3.${i + 1}`);
  let by: (string | undefined)[] = [];
  const isRight = async () => {
    by = await Promise.all(
      from.map(async (client) => {
        const { host: name, error } = await clients!.connect({ from: client, to, port: 25, wait: 10 });
        return name ?? error;
      }),
    );
    return by.every((name) => names.includes(name!)) || null;
  };
  await waitFor(`clients to be served by ${names}`, isRight, LIMIT_MS).catch(() =>
    expect([...new Set(by)]).toEqual(names),
  );
}

async function ended(one: ClusterHost): Promise<void> {
  one.sidecar.kill('SIGKILL');
  await waitFor(`${one.name}'s sidecar to end`, () => one.sidecar.exitCode !== null || one.sidecar.signalCode !== null);
}

const listenOn = (mode: Mode) => (mode === 'routed' ? 'dedicatedIp' : 'virtualIp');

const GO_ON = 'or, where it is to change, go on with the other hosts';

/** What the hosts say where n3 is in another mode. */
function ofMode(mode: Mode, odd: Mode): { n1: Said[]; n3: Said[] } {
  const items = [
    ['mode', odd, mode],
    ['listenOn', listenOn(odd), listenOn(mode)],
  ].filter(([, a, b]) => a !== b);
  return {
    n1: items.map(([item, theirs, ours]) =>
      contradiction(
        'n3',
        `host n3 has ${item} ${theirs}, the cluster has ${ours}`,
        `put the cluster file of this host on n3 and systemctl restart envoy-nlb there; ${GO_ON}`,
      ),
    ),
    n3: ['n1', 'n2'].flatMap((name) =>
      items.map(([item, theirs, ours]) =>
        contradiction(
          name,
          `host ${name} has ${item} ${ours}, this host has ${theirs}`,
          `put the cluster file of ${name} here and systemctl restart envoy-nlb; ${GO_ON}`,
        ),
      ),
    ),
  };
}

const ofOwnPlace = (text: string): Said => ({
  ...{ cause: 'outside', host: 'n3', text, event: 68 },
  todo: 'nlb display names the difference; this host comes in by itself when it is gone',
});

describe.skipIf(why !== null)('a host in another mode than the cluster', () => {
  test.each<[Mode, Mode]>([
    ['routed', 'arp'],
    ['routed', 'multicast'],
    ['arp', 'multicast'],
  ])(
    'mode %s, and one host has %s: it is outside, takes nothing, is named with what to do, and the cluster serves on',
    async (mode, odd) => {
      const [n1, n2, n3] = (await start(mode)).map(speaker) as [Speaker, Speaker, Speaker];
      const to = mode === 'routed' ? [host('n1').address, host('n2').address] : [VIRTUAL_IP];
      await ended(host('n3'));
      rmSync(join(n3.stateDir, 'state.json'));
      writeFileSync(join(cluster.directory, 'odd.yaml'), fileText(odd)(cluster.network.hosts.slice(0, 3)));
      const [logFrom, ownLogFrom] = [n1.log().length, n3.log().length];
      cluster.runSidecar(host('n3'), 'odd.yaml');
      await waitFor(
        'n3 to be outside',
        async () =>
          (await n1.status()).hosts[2]!.state === 'outside' &&
          (await cluster.status(host('n3')))?.hosts[2]?.state === 'outside',
        LIMIT_MS,
      );
      const { n1: ofCluster, n3: ofOdd } = ofMode(mode, odd);
      await saysEverywhere(n1, ofCluster, logFrom, 'mail.test.example');
      await says(n2, ofCluster);
      const [own, theirs] = [await n3.status(), await n1.status()];
      const place = ofOwnPlace(
        `this host is outside: its file is ${own.file.fingerprint}, that of n1, n2 is ${theirs.file.fingerprint.slice(0, 4)}...`,
      );
      await saysEverywhere(n3, [...ofOdd, place], ownLogFrom, 'mail.test.example');
      await eventually('the doctor finds what they say', async () => {
        const { said, others } = await diagnosis(n1);
        expect(sorted(said)).toEqual(
          sorted([
            ...ofCluster.map(({ text, todo }) => [`hosts n1 and n2 say: ${text}`, todo]),
            ...[...ofOdd, place].map(({ text, todo }) => [`host n3 says: ${text}`, todo]),
          ]),
        );
        expect(others).toContain('file');
      });
      if (odd === 'arp') expect((await n3.status()).virtualIp!.isHeldHere).toBe(false);
      await agreed(['n1', 'n2']);
      for (const address of to) await served(address, ['n1', 'n2']);
      await ended(host('n3'));
      cluster.runSidecar(host('n3'));
      await agreed(['n1', 'n2', 'n3']);
      for (const each of [n1, n2, n3]) await says(each, []);
    },
  );
});

/** As `told`, once it is enough: a line is written beside the event loop, and a status may be there before it. */
async function toldAll(
  one: Speaker,
  from: number,
  isEnough: (lines: Record<string, unknown>[]) => boolean,
): Promise<Record<string, unknown>[]> {
  await waitFor(`the lines of ${one.name}`, () => isEnough(told(one, from, SPLIT_CAUSES))).catch(() => {});
  return told(one, from, SPLIT_CAUSES);
}

const atLeast = (count: number) => (lines: readonly unknown[]) => lines.length >= count;

/** Neighbours that nobody hears are given up after some seconds, and a connect to one then fails at once: not so in this test. */
function acquaintForGood(): void {
  const hosts = cluster.hosts.slice(0, 3);
  for (const one of hosts)
    for (const other of hosts.filter((each) => each !== one))
      inside(one, 'ip', 'neigh', 'replace', other.address, 'lladdr', macOf(other), 'nud', 'permanent', 'dev', 'eth0');
}

/** Lines of the log of these causes, less their times. */
function told(one: Speaker, from: number, causes: readonly string[]): Record<string, unknown>[] {
  const lines = one.log().slice(from).trim().split('\n').filter(Boolean);
  return lines.flatMap((line) => {
    const { time: _time, cluster: _cluster, sidecar: _sidecar, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return causes.includes(String(rest.cause)) ? [rest] : [];
  });
}

const SPLIT_CAUSES = ['hostLost', 'alone', 'hostBack', 'damped', 'takesPart', 'takesNoPart'];

describe.skipIf(why !== null)('a split', () => {
  test('is told on both sides while it lasts, and on both when it is healed', async () => {
    const [n1, n2, n3] = (await start('routed')).map(speaker) as [Speaker, Speaker, Speaker];
    acquaintForGood();
    const from = [n1, n2, n3].map((each) => each.log().length);
    const cut = (isCut: boolean) => {
      for (const name of ['n1', 'n2']) cluster.network.setCut(host(name), host('n3'), isCut);
    };
    cut(true);
    await Promise.all([agreed(['n1', 'n2']), agreed(['n3'])]);
    const states = async (one: Speaker) => {
      const { state, hosts, lostSince, problems } = await one.status();
      return { state, hosts: hosts.map((each) => each.state), lostSince, problems: problems.map(({ text }) => text) };
    };
    /** Who is lost leaves what is in force at once; the view without it comes a moment later. */
    const expectStates = async (wanted: object[]) => {
      const text = JSON.stringify(wanted);
      let seen: object[] = [];
      const isRight = async () => {
        seen = await Promise.all([n1, n2, n3].map(states));
        return JSON.stringify(seen) === text;
      };
      await waitFor('all to be in the states they should', isRight, LIMIT_MS).catch(() => expect(seen).toEqual(wanted));
    };
    const here = { state: 'converged', hosts: ['converged', 'converged', 'lost'], lostSince: [], problems: [] };
    const there = { state: 'alone', hosts: ['lost', 'lost', 'converged'], lostSince: [], problems: [] };
    await expectStates([here, here, there]);
    const lost = (name: string) => ({
      level: 'warning',
      cause: 'hostLost',
      host: name,
      event: 69,
      todo: 'look after the machine and its network',
      msg: `host ${name} is lost: neither its sidecar nor its Envoy is heard`,
    });
    const alone = {
      level: 'warning',
      cause: 'alone',
      host: 'n3',
      todo: 'look at the network between this host and the others: nlb doctor',
      msg: 'this host is alone: it agrees with none of n1, n2',
    };
    expect(await toldAll(n1, from[0]!, atLeast(1))).toEqual([lost('n3')]);
    expect(await toldAll(n2, from[1]!, atLeast(1))).toEqual([lost('n3')]);
    const [first, second, ...rest] = await toldAll(n3, from[2]!, atLeast(3));
    // The cut falls before a heartbeat of one of them or of the other.
    expect([sorted([first, second]), rest]).toEqual([sorted([lost('n1'), lost('n2')]), [alone]]);
    const query = async (one: Speaker) => (await on(one, 'query')).out.split('\n')[1];
    expect([await query(n1), await query(n2), await query(n3)]).toEqual([
      'Host n1 converged as DEFAULT with the following host(s) as part of the cluster: 1,2',
      'Host n2 converged with the following host(s) as part of the cluster: 1,2',
      'Host n3 converged as DEFAULT, alone, with the following host(s) as part of the cluster: 3',
    ]);
    const doctor = async (one: Speaker) =>
      (
        JSON.parse((await on(one, 'doctor', '--no-dns', '--json')).out) as {
          findings: { text: string; todo: string }[];
        }
      ).findings
        .map(({ text, todo }) => `${text} -> ${todo}`)
        .filter((text) => / is lost: | does not reach the handoff port /.test(text));
    const gone = (name: string) =>
      `host ${name} is lost: no host hears it -> look after the machine, its network and its sidecar (systemctl status envoy-nlb)`;
    const unreached = (one: string, other: string, failure: string) =>
      `host ${one} does not reach the handoff port of ${other} (${host(other).address}:7620/tcp): ${failure} -> let 7620/tcp through, both ways; is Envoy up on ${other}?`;
    const silence = 'no connection within 2000 ms';
    expect(await doctor(n1)).toEqual([gone('n3'), unreached('n1', 'n3', silence), unreached('n2', 'n3', silence)]);
    expect(await doctor(n3)).toEqual([
      gone('n1'),
      gone('n2'),
      unreached('n3', 'n1', silence),
      unreached('n3', 'n2', silence),
    ]);
    for (const [address, names] of [
      [host('n1').address, ['n1', 'n2']],
      [host('n3').address, ['n3']],
    ] as const) {
      await served(address, names);
    }

    const healedFrom = [n1, n2, n3].map((each) => each.log().length);
    cut(false);
    await agreed(['n1', 'n2', 'n3']);
    const whole = { state: 'converged', hosts: ['converged', 'converged', 'converged'], lostSince: [], problems: [] };
    await expectStates([whole, whole, whole]);
    // Who hears the first of the other side knows what it had meanwhile; who is only told of it by then has one view with it.
    const isWhole = (others: string[]) => (lines: Record<string, unknown>[]) =>
      others.every((name) => lines.some(({ msg }) => String(msg).split(' heard again')[0]!.includes(name)));
    const told3 = await Promise.all([
      toldAll(n1, healedFrom[0]!, isWhole(['n3'])),
      toldAll(n2, healedFrom[1]!, isWhole(['n3'])),
      toldAll(n3, healedFrom[2]!, isWhole(['n1', 'n2'])),
    ]);
    for (const lines of told3) {
      expect(lines.map(({ level, cause, event }) => [level, cause, event])).toEqual(
        lines.map(() => ['info', 'hostBack', 18]),
      );
    }
    const words = told3.map((lines) => lines.map(({ msg }) => msg).join('\n'));
    const healed = (apart: string) => `(: a split is healed, in which (${apart}) had a view without this host)?`;
    expect(words[0]).toMatch(new RegExp(`^n3 heard again${healed('n3')}$`));
    expect(words[1]).toMatch(new RegExp(`^n3 heard again${healed('n3')}$`));
    expect(words[2]).toMatch(
      new RegExp(`^(n1, n2 heard again${healed('n1, n2|n1|n2')}|(n[12] heard again${healed('n1, n2|n1|n2')}\n?){2})$`),
    );
    expect(words.join('\n')).toContain('a split is healed');
    expect(entriesUnder((await on(n3, 'query')).out, /^Contradictions/m)).toEqual([]);
    const history = (await on(n3, 'history')).out;
    expect(history).toMatch(/n1, n2 lost|n1 lost/);
    for (const each of ['n1', 'n3']) await served(host(each).address, ['n1', 'n2', 'n3']);
  });
});

describe.skipIf(why !== null)('two machines with one address and one name', () => {
  test('are named by all that hear both, and the cluster serves on', async () => {
    const [n1, n2] = (await start('routed', 1)).map(speaker) as [Speaker, Speaker, Speaker];
    const [n3, twin] = [host('n3'), host('n4')];
    inside(twin, 'ip', 'addr', 'del', `${twin.address}/24`, 'dev', 'eth0');
    inside(twin, 'ip', 'addr', 'add', `${n3.address}/24`, 'dev', 'eth0');
    services.push(await startService({ ...twin, name: 'n3' }, ['127.0.0.1'], [2525], true));
    const stateDir = join(cluster.directory, 'twin');
    mkdirSync(stateDir, { mode: 0o700 });
    const logFrom = n1.log().length;
    const log = openSync(join(cluster.directory, 'twin.log'), 'a');
    const place = ['--config', join(cluster.directory, 'cluster.yaml'), '--host', 'n3', '--state-dir', stateDir];
    const rest = ['--log', 'json', '--envoy-args=--concurrency 1 --drain-time-s 1'];
    const sidecar = cluster.network.spawn(twin, process.execPath, [NLB, 'run', ...place, ...rest], log);
    favour(sidecar.pid);
    closeSync(log);
    const claimed: Said = {
      cause: 'claimedName',
      host: 'n3',
      text: `host n3: two sidecars send from ${n3.address}, expected one`,
      todo: `stop one of the two (at ${n3.address}: systemctl stop envoy-nlb); each host needs a name and an address of its own`,
      event: 66,
    };
    await says(n1, [claimed]);
    await saysEverywhere(n1, [claimed], logFrom, 'mail.test.example');
    await says(n2, [claimed]);
    await served(host('n1').address, ['n1', 'n2', 'n3']);
    sidecar.kill('SIGKILL');
    inside(twin, 'ip', 'link', 'set', 'eth0', 'down');
    // Neighbours would find out by themselves, after a while.
    for (const each of cluster.hosts.slice(0, 3)) inside(each, 'ip', 'neigh', 'flush', 'dev', 'eth0');
    await agreed(['n1', 'n2', 'n3']);
    for (const each of [n1, n2]) await says(each, []);
  });
});
