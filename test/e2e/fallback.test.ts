import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import { type HandoffPolicy, handoffEnvoyCluster, STAT } from '../../host/protocol/xds/index.js';
import { openClient, type TestClient } from './harness/client.js';
import { chosenOwner, clusterFile, HANDOFF_PORT, RULE_PORT, SERVICE_PORT, service } from './harness/cluster.js';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { type ServiceOptions, startService, type TestService } from './harness/service.js';
import { buildSilentMachine, type SilentMachine, whyNoNamespaces } from './harness/silent-owner.js';
import { sleep, waitFor } from './harness/wait.js';

const PREFIX = '127.0.31';
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');
/** Connections opened while an owner dies, spread over one and a half patiences. */
const CLIENT_COUNT = 30;

type Death = 'SIGKILL' | 'SIGSTOP' | 'silence';

/** Entry host mail1 and owner mail2, each with its service; every connection at mail1 is for mail2. */
interface Pair {
  entry: RunningEnvoy;
  owner: RunningEnvoy;
  die(): void;
  recover: () => void;
  open(from: string): TestClient;
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function up(options: EnvoyOptions): Promise<RunningEnvoy> {
  const envoy = await startEnvoy(options);
  cleanups.push(() => envoy.stop());
  return envoy;
}

async function serve(options: ServiceOptions): Promise<TestService> {
  const started = await startService(options);
  cleanups.push(() => started.stop());
  return started;
}

function opener(host: string): (from: string) => TestClient {
  return (from) => {
    const client = openClient({ from, to: { host, port: RULE_PORT } });
    cleanups.push(() => client.close());
    return client;
  };
}

async function pair(death: Death, policy: HandoffPolicy, ownerPatienceMs: number): Promise<Pair> {
  const machine = death === 'silence' ? silentMachine() : null;
  const prefix = machine ? '10.78.31' : PREFIX;
  const directory = mkdtempSync(join(tmpdir(), 'nlb-services-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const file = clusterFile(prefix, 2, [{ ownerPatienceMs, service: service(`unix:${directory}/{name}`) }]);
  for (const name of ['mail1', 'mail2']) {
    await serve({ name, listen: { path: join(directory, name) }, proxyProtocol: 'v2' });
  }
  const toMail2 = chosenOwner(handoffEnvoyCluster('mail2', policy, ownerPatienceMs));
  const ownerOptions = { file, identity, self: 'mail2', listenersAs: chosenOwner(null) };
  const owner = await up({ ...ownerOptions, ...(machine ? { prefix: machine.prefix } : {}) });
  const entry = await up({ file, identity, self: 'mail1', listenersAs: toMail2 });
  await entry.seesOwners();
  const die = () => (death === 'silence' ? machine?.fallSilent() : owner.signal(death));
  const recover = () => (death === 'silence' ? machine?.speakAgain() : owner.signal('SIGCONT'));
  return { entry, owner, die, recover, open: opener(`${prefix}.1`) };
}

function silentMachine(): SilentMachine {
  const machine = buildSilentMachine('10.78.31');
  cleanups.push(() => machine.remove());
  return machine;
}

/** What CLIENT_COUNT clients were greeted with that came from the death on, one after another. */
async function greetingsAfter(host: Pair, ownerPatienceMs: number): Promise<string[]> {
  const lines: Promise<string>[] = [];
  for (let i = 0; i < CLIENT_COUNT; i++) {
    lines.push(host.open(`127.77.1.${i + 2}`).firstLine());
    await sleep((1.5 * ownerPatienceMs) / CLIENT_COUNT);
  }
  return Promise.all(lines);
}

const noNamespaces = whyNoNamespaces();
const DEATHS: [Death, number][] = [
  ['SIGKILL', 1000],
  ['SIGKILL', 250],
  ['SIGSTOP', 1000],
  ['SIGSTOP', 250],
  ['silence', 1000],
  ['silence', 250],
];

describe.each(DEATHS)('an owner that dies by %s, with a patience of %i ms', (death, patienceMs) => {
  const possible = death !== 'silence' || noNamespaces === null;
  const unless = possible ? '' : ` (${noNamespaces})`;

  it.skipIf(!possible)(`costs no new connection under fallback, and open ones are cut${unless}`, async () => {
    const hosts = await pair(death, 'fallback', patienceMs);
    const held = hosts.open('127.77.1.1');
    expect(await held.firstLine()).toContain('220 mail2 client=127.77.1.1:');
    hosts.die();
    const lines = await greetingsAfter(hosts, patienceMs);
    expect(lines.filter((line) => !line.startsWith('220 mail1 client=127.77.1.'))).toEqual([]);
    await held.ended();
    expect(await hosts.entry.stat(STAT.fallbacks('smtp'))).toBe(CLIENT_COUNT);
    // Nothing was handed on from the fallback: one hop at most.
    expect(await hosts.entry.stat(STAT.handedToUs('smtp'))).toBe(0);
  });

  it.skipIf(!possible)(`costs every new connection under strict, none is served twice${unless}`, async () => {
    const hosts = await pair(death, 'strict', patienceMs);
    const held = hosts.open('127.77.1.1');
    expect(await held.firstLine()).toContain('220 mail2');
    hosts.die();
    const lines = await greetingsAfter(hosts, patienceMs);
    expect(new Set(lines)).toEqual(new Set(['closed']));
    await held.ended();
    expect(await hosts.entry.stat(STAT.fallbacks('smtp'))).toBe(0);
  });
});

describe('an owner that comes back', () => {
  it.each(['SIGSTOP', 'silence'] as const)('gets its connections again after %s', async (death) => {
    if (death === 'silence' && noNamespaces !== null) return console.warn(`not tried: ${noNamespaces}`);
    const hosts = await pair(death, 'fallback', 250);
    hosts.die();
    expect(await hosts.open('127.77.1.1').firstLine()).toContain('220 mail1');
    hosts.recover();
    await waitFor('the owner to serve again', async () =>
      (await hosts.open('127.77.1.2').firstLine()).includes('220 mail2'),
    );
  });
});

describe('a refused connect', () => {
  /** It is tried again for about two of these: longer than this machine needs to listen again, however busy. */
  const ownerPatienceMs = 10_000;

  it('is tried again, and costs neither the new connection nor the open ones of the owner', async () => {
    // Over plain TCP a service answers as a handoff listener does, and can stop listening while connections stay.
    const owner = await serve({
      name: 'mail2',
      listen: { host: `${PREFIX}.2`, port: HANDOFF_PORT },
      proxyProtocol: 'v2',
    });
    const envoyCluster = handoffEnvoyCluster('mail2', 'fallback', ownerPatienceMs);
    const entry = await up({
      file: clusterFile(PREFIX, 2, [{ ownerPatienceMs }]),
      self: 'mail1',
      listenersAs: chosenOwner(envoyCluster),
    });
    await entry.seesOwners();
    const open = opener(`${PREFIX}.1`);
    const held = open('127.77.1.1');
    expect(await held.firstLine()).toContain('220 mail2');
    await owner.refuse();
    const next = open('127.77.1.2');
    await refusedOnce(entry, envoyCluster);
    await owner.accept();
    expect(await next.firstLine()).toContain('220 mail2');
    await held.echo('NOOP\r\n');
    expect(await entry.stat(STAT.fallbacks('smtp'))).toBe(0);
  });

  it('of the own service is tried again: a mail server may restart', async () => {
    const listen = { host: `${PREFIX}.1`, port: SERVICE_PORT };
    const own = await serve({ name: 'mail1', listen, proxyProtocol: 'v2' });
    const entry = await up({
      file: clusterFile(PREFIX, 1, [{ ownerPatienceMs }]),
      self: 'mail1',
      listenersAs: chosenOwner(null),
    });
    await own.refuse();
    const client = opener(`${PREFIX}.1`)('127.77.1.1');
    await refusedOnce(entry, 'nlb.service.smtp');
    await own.accept();
    expect(await client.firstLine()).toContain('220 mail1');
  });
});

async function refusedOnce(entry: RunningEnvoy, envoyCluster: string): Promise<void> {
  const name = `cluster.${envoyCluster}.upstream_cx_connect_fail`;
  await waitFor('a refused connect', async () => (await entry.stat(name)) > 0);
}
