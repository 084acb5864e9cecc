import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import { handoffEnvoyCluster, STAT } from '../../host/protocol/xds/index.js';
import { openClient, type TestClient } from './harness/client.js';
import { chosenOwner, clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.34';
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');
const openFilesMax = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()) || 1_048_576;
/** Client, service and Envoy share the machine, not the limit: each has files of its own; two processes hold two each. */
const CONNECTION_COUNT = 9000;
const FILES_NEEDED = 2 * CONNECTION_COUNT + 400;
const tooFew = openFilesMax < FILES_NEEDED ? ` (ulimit -Hn is ${openFilesMax}, needs ${FILES_NEEDED})` : '';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function up(options: EnvoyOptions): Promise<RunningEnvoy> {
  const envoy = await startEnvoy({ identity, ...options });
  cleanups.push(() => envoy.stop());
  return envoy;
}

async function mail(name: string, host: string): Promise<void> {
  const service = await startService({ name, listen: { host, port: SERVICE_PORT }, proxyProtocol: 'v2' });
  cleanups.push(() => service.stop());
}

/** `count` greeted connections, `width` at a time. */
async function openMany(count: number, to: string, width = 100): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  const openOne = async (i: number) => {
    const from = `127.77.${40 + (i >> 8)}.${i & 255}`;
    const client = openClient({ from, to: { host: to, port: RULE_PORT } });
    clients.push(client);
    const line = await client.firstLine();
    if (!line.startsWith('220 ')) throw new Error(`connection ${i} of ${count} from ${from} was ${line}`);
  };
  let next = 0;
  const worker = async () => {
    while (next < count) await openOne(next++);
  };
  cleanups.push(() => {
    for (const client of clients) client.close();
  });
  await Promise.all(Array.from({ length: width }, worker));
  return clients;
}

describe('connections of one Envoy', () => {
  it.skipIf(tooFew !== '')(`reach ${CONNECTION_COUNT} at once${tooFew}`, async () => {
    await mail('mail1', `${PREFIX}.1`);
    const file = clusterFile(PREFIX, 1);
    const entry = await up({ file, self: 'mail1', listenersAs: chosenOwner(null), openFilesMax });
    const clients = await openMany(CONNECTION_COUNT, `${PREFIX}.1`);
    expect(clients.filter((client) => !client.isOpen())).toEqual([]);
    expect(await entry.stat(STAT.servedOpen('smtp'))).toBe(CONNECTION_COUNT);
    expect(await entry.stat(STAT.refusedAtLimit('smtp'))).toBe(0);
    await Promise.all([0, 1, CONNECTION_COUNT - 1].map((i) => clients[i]!.echo('NOOP\r\n')));
  });

  it('are refused cleanly beyond the limit, the open ones stay, and room that is freed is used', async () => {
    await mail('mail1', `${PREFIX}.1`);
    const file = clusterFile(PREFIX, 1);
    // 200 files of Envoy's own, 2 listening sockets: 50 connections are left of 302.
    const entry = await up({ file, self: 'mail1', listenersAs: chosenOwner(null), openFilesMax: 302 });
    const clients = await openMany(50, `${PREFIX}.1`);
    for (let i = 0; i < 20; i++) {
      const refused = openClient({ from: '127.77.4.1', to: { host: `${PREFIX}.1`, port: RULE_PORT } });
      expect(await refused.firstLine()).toMatch(/^(closed|refused ECONNRESET)$/);
    }
    expect(await entry.stat(STAT.refusedAtLimit('smtp'))).toBe(20);
    for (const client of clients) await client.echo('NOOP\r\n');
    clients[0]!.close();
    await waitFor('the room', async () => (await entry.stat(STAT.enteredOpen('smtp'))) < 50);
    expect((await openMany(1, `${PREFIX}.1`)).length).toBe(1);
  });
});

describe('1,500 clients at once', () => {
  it('are all served by their owner, which is not taken for dead for being busy', async () => {
    await mail('mail1', `${PREFIX}.1`);
    await mail('mail2', `${PREFIX}.2`);
    const file = clusterFile(PREFIX, 2);
    const envoyCluster = handoffEnvoyCluster('mail2', 'fallback', 1000);
    await up({ file, self: 'mail2', listenersAs: chosenOwner(null), openFilesMax });
    const entry = await up({ file, self: 'mail1', listenersAs: chosenOwner(envoyCluster), openFilesMax });
    await entry.seesOwners();
    const clients = await openMany(1500, `${PREFIX}.1`, 1500);
    expect(clients.filter((client) => !client.received().startsWith('220 mail2'))).toEqual([]);
    expect(await entry.stat(STAT.healthy(envoyCluster))).toBe(2);
  });
});

describe('an owner at its limit', () => {
  it('is not taken for dead: what was handed off to it stays open', async () => {
    await mail('mail2', `${PREFIX}.2`);
    const file = clusterFile(PREFIX, 2);
    const envoyCluster = handoffEnvoyCluster('mail2', 'fallback', 1000);
    await up({ file, self: 'mail2', listenersAs: chosenOwner(null), openFilesMax: 302 });
    const entry = await up({ file, self: 'mail1', listenersAs: chosenOwner(envoyCluster) });
    await entry.seesOwners();
    // Two of its 50 are the checks of mail1, one for each of the handoff clusters.
    const clients = await openMany(48, `${PREFIX}.1`);
    for (const entryAddress of [`${PREFIX}.1`, `${PREFIX}.2`]) {
      const refused = openClient({ from: '127.77.4.2', to: { host: entryAddress, port: RULE_PORT } });
      expect(await refused.firstLine()).toMatch(/^(closed|refused ECONNRESET)$/);
    }

    const checks = `cluster.${envoyCluster}.health_check`;
    const before = await entry.stat(`${checks}.success`);
    await waitFor('ten more checks', async () => (await entry.stat(`${checks}.success`)) >= before + 10);
    expect(await entry.stat(`${checks}.failure`)).toBe(0);
    expect(clients.filter((client) => !client.isOpen())).toEqual([]);
  });
});

describe('many ports', () => {
  it('of one rule open and lead to its service, each with a listener of its own', async () => {
    await mail('mail1', `${PREFIX}.1`);
    const file = clusterFile(PREFIX, 1, [{ portFirst: 20_000, portLast: 21_023 }]);
    const entry = await up({ file, self: 'mail1', listenersAs: chosenOwner(null) });
    expect(await entry.stat('listener_manager.total_listeners_active')).toBe(1024 + 1);
    for (const port of [20_000, 20_511, 21_023]) {
      const client = openClient({ from: '127.77.4.4', to: { host: `${PREFIX}.1`, port } });
      expect(await client.firstLine()).toContain(`to=${PREFIX}.1:${port}`);
      client.close();
    }
  });
});
