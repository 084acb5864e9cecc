/** What stickFor is for: a desktop that somebody was cut off from is found again, though a host has come meanwhile. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../host/admin/explain.js';
import type { ListedRule } from '../../host/stick/listed.js';
import { waitFor } from './harness/wait.js';
import { whyNoRdp } from './rdp/needs.js';
import { RdpClient, Screen } from './rdp/rdp-client.js';
import { Xrdp } from './rdp/xrdp.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

class RdpCluster extends SidecarCluster {
  override fileText(loadWeight: string): string {
    const text = super.fileText(loadWeight);
    const check = 'check: {kind: connect, periodMs: 10000, timeoutMs: 1000}';
    return text
      .replace('name: smtp', 'name: rdp')
      .replace('proxyProtocol: v2', 'proxyProtocol: none\n      trustsNobodyByAddress: true')
      .replace(/check: \{.*\}/, check);
  }
}

const missing = whyNoRdp();
if (missing) console.log(`skipped: ${missing}`);

describe.skipIf(missing !== null)('xrdp behind a rule with stickFor', () => {
  const cluster = new RdpCluster('127.0.84', 2, false, '    stickFor: 10m\n');
  const [mail1, mail2] = cluster.hosts as [SidecarHost, SidecarHost];
  const servers = new Map<SidecarHost, Xrdp>();
  const clients: RdpClient[] = [];
  let screen: Screen;

  beforeAll(async () => {
    screen = await Screen.open(join(cluster.directory, 'screen.log'));
    for (const [index, host] of cluster.hosts.entries()) {
      const server = new Xrdp(join(cluster.directory, `xrdp-${host.name}`), host.ip, PORTS.service, index);
      servers.set(host, server);
      server.start();
      mkdirSync(host.stateDir, { mode: 0o700 });
      host.run();
    }
    await cluster.converged();
  });

  afterAll(async () => {
    for (const client of clients) await client.cut();
    await screen?.close();
    for (const server of servers.values()) await server.kill();
    await cluster.stop();
  });

  const explain = async (client: string) =>
    (await mail1.ask('GET', `/explain?client=${client}&port=${PORTS.rule}`)) as Explanation;

  async function logIn(from: string, entry: SidecarHost): Promise<RdpClient> {
    const to = { host: entry.ip, port: PORTS.rule };
    const client = await RdpClient.logIn(screen, from, to, join(cluster.directory, 'xfreerdp.log'));
    clients.push(client);
    return client;
  }

  /** Sessions begun on each host, and logins that found one of before. */
  const seen = () =>
    cluster.hosts.map((host) => [servers.get(host)!.sessionCount(), servers.get(host)!.reconnectedCount()]);

  async function hasSeen(wanted: number[][]): Promise<void> {
    await waitFor(
      `sessions ${JSON.stringify(wanted)}`,
      () => JSON.stringify(seen()) === JSON.stringify(wanted),
      60_000,
    ).catch((error) => {
      const ofClients = readFileSync(join(cluster.directory, 'xfreerdp.log'), 'utf8');
      const logs = [...[...servers.values()].map((server) => server.logs()), ofClients].join('\n---\n');
      throw new Error(`${error.message}, but ${JSON.stringify(seen())}\n${logs}`);
    });
  }

  it('leads a client that was cut off to its session again, though its owner has come meanwhile; a new client to that', async () => {
    const ofMail2: string[] = [];
    for (let i = 1; ofMail2.length < 2; i++) {
      const client = `127.0.85.${i}`;
      if ((await explain(client)).owner === 'mail2') ofMail2.push(client);
    }
    const [client, stranger] = ofMail2 as [string, string];
    expect(await mail2.ask('POST', '/stop')).toMatchObject({ ok: true });
    await waitFor('mail2 is out', () => mail2.envoyPid === null);
    const first = await logIn(client, mail1);
    await hasSeen([
      [1, 0],
      [0, 0],
    ]);
    await first.cut();
    // Envoy writes down who was served, and mail1 reads it, a moment later.
    const knows = async () => ((await mail1.ask('GET', '/clients')) as ListedRule[])[0]!.clients.length > 0;
    await waitFor('mail1 to know its client', knows);
    expect(await mail2.ask('POST', '/start')).toMatchObject({ ok: true });
    await cluster.converged();
    expect((await explain(client)).kept).toMatchObject({ without: 'mail2' });
    await logIn(client, mail2);
    await hasSeen([
      [1, 1],
      [0, 0],
    ]);
    await logIn(stranger, mail1);
    await hasSeen([
      [1, 1],
      [1, 0],
    ]);
  });
});
