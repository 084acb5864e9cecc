import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { handoffEnvoyCluster, STAT } from '../../host/protocol/xds/index.js';
import { openClient, type TestClient } from './harness/client.js';
import { chosenOwner, clusterFile, RULE_PORT, SERVICE_PORT, service } from './harness/cluster.js';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.36';
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');
const otherIdentity = handoffIdentity(Buffer.alloc(32, 8), 'mail.example.org');

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function up(options: EnvoyOptions): Promise<RunningEnvoy> {
  const envoy = await startEnvoy({ identity, listenersAs: chosenOwner(null), ...options });
  cleanups.push(() => envoy.stop());
  return envoy;
}

async function serve(...args: Parameters<typeof startService>): Promise<void> {
  const started = await startService(...args);
  cleanups.push(() => started.stop());
}

function open(from: string, to: { host: string; port: number }): TestClient {
  const client = openClient({ from, to });
  cleanups.push(() => client.close());
  return client;
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'nlb-services-'));
  cleanups.push(() => rmSync(made, { recursive: true }));
  return made;
}

describe.each(['tcp', 'unix'] as const)('a service over %s', (kind) => {
  it.each(['v1', 'v2', 'none'] as const)(
    'with proxyProtocol %s sees what it was promised, handed off or not',
    async (version) => {
      const path = join(directory(), 'smtp.sock');
      const listen = kind === 'unix' ? { path } : { host: `${PREFIX}.2`, port: SERVICE_PORT };
      const address = kind === 'unix' ? `unix:${path}` : `{dedicatedIp}:${SERVICE_PORT}`;
      const file = clusterFile(PREFIX, 2, [{ service: service(address, version) }]);
      await serve({ name: 'mail2', listen, proxyProtocol: version });
      const owner = await up({ file, self: 'mail2' });
      const toMail2 = chosenOwner(handoffEnvoyCluster('mail2', 'fallback', 1000));
      await (await up({ file, self: 'mail1', listenersAs: toMail2 })).seesOwners();
      for (const entryAddress of [`${PREFIX}.1`, `${PREFIX}.2`]) {
        const client = open('127.77.10.1', { host: entryAddress, port: RULE_PORT });
        const line = await client.firstLine();
        if (version === 'none') expect(line).toMatch(/^220 mail2 client=(127\.0\.0\.1|127\.0\.36\.2|unix):/);
        else expect(line).toBe(`220 mail2 client=127.77.10.1:${client.port()} to=${entryAddress}:${RULE_PORT}`);
        await client.echo('EHLO x\r\n');
      }
      expect(await owner.stat(STAT.handedToUs('smtp'))).toBe(1);
    },
  );
});

describe('two rules of one port on two virtual IPs', () => {
  it('lead to their own services, also after a handoff', async () => {
    const virtualIps = [`${PREFIX}.101`, `${PREFIX}.102`];
    const rules: Partial<PortRule>[] = virtualIps.map((virtualIp, i) => ({
      name: `smtp${i}`,
      virtualIp,
      service: service(`{dedicatedIp}:${SERVICE_PORT + i}`),
    }));
    const file: ClusterFile = { ...clusterFile(PREFIX, 2, rules), listenOn: 'virtualIp', virtualIps };
    for (const i of [0, 1]) {
      const listen = { host: `${PREFIX}.2`, port: SERVICE_PORT + i };
      await serve({ name: `mail2-${i}`, listen, proxyProtocol: 'v2' });
    }
    // One machine cannot have the virtual IPs twice: mail2 listens for handoffs only.
    const handoffOnly: EnvoyOptions['listenersAs'] = (all) => all.filter((one) => one.name === 'nlb.handoff');
    await up({ file, self: 'mail2', listenersAs: handoffOnly });
    const listenersAs = chosenOwner(handoffEnvoyCluster('mail2', 'fallback', 1000));
    await (await up({ file, self: 'mail1', listenersAs })).seesOwners();
    for (const [i, host] of virtualIps.entries()) {
      const client = open('127.77.10.2', { host, port: RULE_PORT });
      expect(await client.firstLine()).toBe(
        `220 mail2-${i} client=127.77.10.2:${client.port()} to=${host}:${RULE_PORT}`,
      );
    }
  });
});

describe('a host with another cluster key', () => {
  const owner = { file: clusterFile(PREFIX, 2), self: 'mail2' };
  const toMail2 = chosenOwner(handoffEnvoyCluster('mail2', 'strict', 1000));
  const entry = { ...owner, self: 'mail1', listenersAs: toMail2 };
  const mail2 = { name: 'mail2', listen: { host: `${PREFIX}.2`, port: SERVICE_PORT }, proxyProtocol: 'v2' } as const;

  it('cannot hand off: its connections end without a byte of the service', async () => {
    await serve(mail2);
    const refusing = await up(owner);
    await up({ ...entry, identity: otherIdentity });
    expect(await open('127.77.10.3', { host: `${PREFIX}.1`, port: RULE_PORT }).firstLine()).toBe('closed');
    expect(await refusing.stat(STAT.servedOpen('smtp'))).toBe(0);
  });

  it('can while both keys are valid', async () => {
    const [old, young] = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)];
    await serve(mail2);
    await up({ ...owner, identity: handoffIdentity(old, 'mail.example.org', [young]) });
    await (await up({ ...entry, identity: handoffIdentity(young, 'mail.example.org', [old]) })).seesOwners();
    expect(await open('127.77.10.4', { host: `${PREFIX}.1`, port: RULE_PORT }).firstLine()).toContain('220 mail2');
  });
});

describe('hosts with IPv6 addresses', () => {
  const whyNot = process.getuid?.() === 0 ? '' : ' (needs root, to add addresses to lo)';
  const addresses = [1, 2].map((host) => `fd00:77:36::${host}`);

  it.skipIf(whyNot !== '')(`hand off, fall back and check each other${whyNot}`, async () => {
    for (const address of addresses) {
      execFileSync('ip', ['address', 'replace', `${address}/128`, 'dev', 'lo', 'nodad']);
      cleanups.push(() => void execFileSync('ip', ['address', 'del', `${address}/128`, 'dev', 'lo']));
    }
    const plain = clusterFile(PREFIX, 2, [{ ownerPatienceMs: 250 }]);
    const hosts = plain.hosts.map((host, i) => ({ ...host, dedicatedIp: addresses[i]! }));
    const file = { ...plain, hosts };
    for (const { name, dedicatedIp } of hosts) {
      await serve({ name, listen: { host: dedicatedIp, port: SERVICE_PORT }, proxyProtocol: 'v2' });
    }
    const owner = await up({ file, self: 'mail2' });
    const listenersAs = chosenOwner(handoffEnvoyCluster('mail2', 'fallback', 250));
    await (await up({ file, self: 'mail1', listenersAs })).seesOwners();
    const entryAddress = { host: addresses[0]!, port: RULE_PORT };
    const client = open('::1', entryAddress);
    expect(await client.firstLine()).toBe(`220 mail2 client=[::1]:${client.port()} to=[${addresses[0]}]:${RULE_PORT}`);
    owner.signal('SIGKILL');
    await waitFor('the fallback', async () =>
      (await open('::1', entryAddress).firstLine()).startsWith('220 mail1 client=[::1]:'),
    );
  });
});
