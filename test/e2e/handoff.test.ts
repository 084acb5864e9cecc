import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { envoyClusters, handoffEnvoyCluster, listeners, STAT } from '../../host/protocol/xds/index.js';
import { type TestClient, greeting, openClient } from './harness/client.js';
import { chosenOwner, clusterFile, HANDOFF_PORT, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { PROXY_LOCAL_V2, proxyHeaderV2 } from './harness/proxy-header.js';
import { type TestService, startService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.30';
const [MAIL1, MAIL2, MAIL9] = [`${PREFIX}.1`, `${PREFIX}.2`, `${PREFIX}.9`];
const file = clusterFile(PREFIX, 2);
const handoff = { host: MAIL2, port: HANDOFF_PORT };
const header = proxyHeaderV2('203.0.113.8', 4321, MAIL1, RULE_PORT);

// Over plain TCP, so that a test can speak for a host of the cluster; who is let in is decided before TLS begins.
describe('handoff listener', () => {
  let service: TestService;
  let entry: RunningEnvoy;
  let owner: RunningEnvoy;
  const opened: TestClient[] = [];
  const open = (from: string, first?: Buffer): TestClient => {
    const client = openClient({ from, to: handoff, ...(first ? { first } : {}) });
    opened.push(client);
    return client;
  };

  beforeAll(async () => {
    service = await startService({ name: 'mail2', listen: { host: MAIL2, port: SERVICE_PORT }, proxyProtocol: 'v2' });
    const toMail2 = chosenOwner(handoffEnvoyCluster('mail2', 'fallback', 1000));
    owner = await startEnvoy({ file, self: 'mail2', listenersAs: chosenOwner(null) });
    entry = await startEnvoy({ file, self: 'mail1', listenersAs: toMail2 });
    await entry.seesOwners();
  });
  afterAll(async () => {
    for (const client of opened) client.close();
    await entry?.stop();
    await owner?.stop();
    await service?.stop();
  });

  it("shows the owner's service the client itself, after two Envoys", async () => {
    const client = openClient({ from: '127.77.0.1', to: { host: MAIL1, port: RULE_PORT } });
    opened.push(client);
    expect(await client.firstLine()).toBe(`220 mail2 client=127.77.0.1:${client.port()} to=${MAIL1}:${RULE_PORT}`);
    await client.echo('MAIL FROM:<a@example.org>\r\n');
    expect(await owner.stat(STAT.handedToUs('smtp'))).toBe(1);
  });

  it('believes the header of a host of the cluster', async () => {
    expect(await open(MAIL1, header).firstLine()).toBe(`220 mail2 client=203.0.113.8:4321 to=${MAIL1}:${RULE_PORT}`);
  });

  it('closes a stranger without a byte, whatever it sends and whomever it claims to be', async () => {
    const greetedBefore = service.greetedCount();
    const lies = [header, PROXY_LOCAL_V2, proxyHeaderV2(MAIL1, 4321, MAIL2, RULE_PORT), Buffer.from('EHLO x\r\n')];
    for (const lie of lies) {
      const stranger = open(MAIL9, lie);
      expect(await stranger.firstLine()).toMatch(/^(closed|refused ECONNRESET)$/);
      expect(stranger.received()).toBe('');
    }
    expect(service.greetedCount()).toBe(greetedBefore);
  });

  it('closes a stranger who sends nothing, without a byte', async () => {
    const stranger = open(MAIL9);
    await stranger.ended();
    expect(stranger.received()).toBe('');
  });

  it('answers "alive" to hosts of the cluster itself; the service sees no check', async () => {
    const checksBefore = await checkCount(entry);
    const acceptedBefore = service.acceptedCount();
    await waitFor('ten more checks', async () => (await checkCount(entry)) >= checksBefore + 10);
    expect(service.acceptedCount()).toBe(acceptedBefore);
    const knock = open(MAIL1, Buffer.concat([PROXY_LOCAL_V2, Buffer.from('alive')]));
    await waitFor('the answer', () => knock.received() === 'alive');
  });

  it('lets hosts and rules come and go; only connections of a removed rule end, at the end of the drain', async () => {
    const held = open(MAIL1, header);
    expect(await held.firstLine()).toContain('220 mail2');

    const more = { ...clusterFile(PREFIX, 2, [{}, { name: 'submission', portFirst: 2587, portLast: 2587 }]) };
    more.hosts = [...more.hosts, { name: 'mail9', priority: 9, dedicatedIp: MAIL9 }];
    await takeFile(owner, more, '2');
    const fromNewHost = open(MAIL9, header);
    expect(await fromNewHost.firstLine()).toContain('220 mail2');
    const ofNewRule = open(MAIL1, proxyHeaderV2('203.0.113.9', 4321, MAIL1, 2587));
    expect(await ofNewRule.firstLine()).toContain('220 mail2 client=203.0.113.9:4321');

    await takeFile(owner, file, '3');
    expect(await open(MAIL9, header).firstLine()).toMatch(/^(closed|refused ECONNRESET)$/);
    // Its chain is gone, so this one is cut when the drain ends: from then on a survivor has survived something.
    await ofNewRule.ended();
    await held.echo('NOOP held\r\n');
    await fromNewHost.echo('NOOP its host left the file, it is served to its end\r\n');
    expect(await greeting('127.77.0.2', { host: MAIL1, port: RULE_PORT })).toContain('220 mail2');
  });
});

describe('handoff listener under TLS', () => {
  it('keeps its connections while rules come and go: the certificate is the same each time', async () => {
    const identity = () => handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');
    const one = clusterFile('127.0.32', 2);
    const two = clusterFile('127.0.32', 2, [{}, { name: 'submission', portFirst: 2587, portLast: 2587 }]);
    const toMail2 = chosenOwner(handoffEnvoyCluster('mail2', 'fallback', 1000));
    const listen = { host: '127.0.32.2', port: SERVICE_PORT };
    const service = await startService({ name: 'mail2', listen, proxyProtocol: 'v2' });
    const owner = await startEnvoy({ file: two, self: 'mail2', identity: identity(), listenersAs: chosenOwner(null) });
    const entry = await startEnvoy({ file: two, self: 'mail1', identity: identity(), listenersAs: toMail2 });
    await entry.seesOwners();
    const [held, ofRemovedRule] = [RULE_PORT, 2587].map((port) =>
      openClient({ from: '127.77.0.3', to: { host: '127.0.32.1', port } }),
    ) as [TestClient, TestClient];
    try {
      for (const client of [held, ofRemovedRule]) expect(await client.firstLine()).toContain('220 mail2');
      await owner.relisten(chosenOwner(null)(listeners(one, 'mail2', owner.paths, owner.paths)), '2');
      await ofRemovedRule.ended();
      await held.echo('NOOP\r\n');
    } finally {
      for (const client of [held, ofRemovedRule]) client.close();
      await entry.stop();
      await owner.stop();
      await service.stop();
    }
  });
});

const checkCount = (envoy: RunningEnvoy): Promise<number> =>
  envoy.stat(`cluster.${handoffEnvoyCluster('mail2', 'fallback', 1000)}.health_check.success`);

/** Clusters first, then the listeners that name them, as the sidecar does; removed clusters go last. */
async function takeFile(envoy: RunningEnvoy, next: ClusterFile, version: string): Promise<void> {
  const known = envoyClusters(next, 'mail2');
  const leaving = envoyClusters(previous, 'mail2').filter((c) => !known.some((k) => k.name === c.name));
  envoy.write('cds', [...known, ...leaving], version);
  await waitFor(`clusters of version ${version}`, async () => (await envoy.admin.taken()).cds === version);
  await envoy.relisten(chosenOwner(null)(listeners(next, 'mail2', envoy.paths)), version);
  previous = next;
}
let previous: ClusterFile = file;
