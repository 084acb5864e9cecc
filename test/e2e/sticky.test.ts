/** Clients with a recent connection stay at their host when another one comes; three sidecars with real Envoys. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../host/admin/explain.js';
import type { ListedRule } from '../../host/stick/listed.js';
import { greeting, openClient } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.66', 3, false, '    stickFor: 10m\n');
const [mail1, , mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

const at = (host: SidecarHost) => ({ host: host.ip, port: PORTS.rule });
const clients = (net: string, count: number) => Array.from({ length: count }, (_, i) => `127.0.${net}.${i + 1}`);

/** The name in `220 mail2 client=...`. */
async function servedBy(client: string, entry: SidecarHost): Promise<string> {
  const line = await greeting(client, at(entry));
  return /^220 (\w+) client=([\d.]+):/.exec(line)?.[1] ?? line;
}

async function serversOf(all: string[], entry: SidecarHost): Promise<Record<string, string>> {
  const servers: Record<string, string> = {};
  for (const client of all) servers[client] = await servedBy(client, entry);
  return servers;
}

const recent = async (host: SidecarHost) => (await host.status()).rules[0]!.recentClients!;

async function explained(client: string): Promise<Explanation> {
  return (await mail1.ask('GET', `/explain?client=${client}&port=${PORTS.rule}`)) as Explanation;
}

/** The promise rests on it: these hosts know who serves each of these clients. */
async function allKnow(servers: Record<string, string>, hosts: SidecarHost[] = cluster.hosts): Promise<void> {
  const wanted: [number, string][] = [];
  for (const [client, server] of Object.entries(servers)) wanted.push([(await explained(client)).key!.hash, server]);
  for (const host of hosts) {
    await waitFor(`${host.name} knows who serves ${wanted.length} clients`, async () => {
      const [list] = (await host.ask('GET', '/clients')) as ListedRule[];
      const known = new Map(list!.clients.map((each) => [each.hash, each.host]));
      return wanted.every(([hash, server]) => known.get(hash) === server);
    });
  }
}

/** Who would serve a client if nobody were kept. */
async function ownerOf(client: string): Promise<string> {
  const said = await explained(client);
  return said.kept?.without ?? said.owner!;
}

/** Sidecar and Envoy are killed, as with the machine; what it knew of clients is lost with the disk. */
async function lose(host: SidecarHost): Promise<void> {
  await host.end('SIGKILL');
  await host.endEnvoy();
  rmSync(join(host.stateDir, 'clients.json'), { force: true });
}

const isOut = async (host: SidecarHost) => {
  const { rules, envoy } = await mail1.status();
  return envoy.tookConfiguration && rules[0]!.hosts.some((each) => each.host === host.name && !each.takesPart);
};

describe('stickFor', () => {
  it('keeps clients where they were while a host was away, through every entry host; new ones go to it', async () => {
    await cluster.converged();
    expect(await mail3.ask('POST', '/stop')).toMatchObject({ ok: true });
    await waitFor('mail3 is out', () => mail3.envoyPid === null);
    const known = clients('67', 40);
    const before = await serversOf(known, mail1);
    expect(new Set(Object.values(before))).toEqual(new Set(['mail1', 'mail2']));
    await allKnow(before);
    await mail3.ask('POST', '/start');
    await cluster.converged();
    for (const entry of cluster.hosts) expect(await serversOf(known, entry)).toEqual(before);
    const fresh = await serversOf(clients('68', 60), mail3);
    expect(new Set(Object.values(fresh))).toEqual(new Set(['mail1', 'mail2', 'mail3']));
    expect((await recent(mail1)).keptCount).toBeGreaterThan(0);
  });

  it('says of a client that is kept where, since when, and who is its owner otherwise', async () => {
    const kept = await waitFor('somebody who is kept', async () => {
      for (const client of clients('67', 40)) {
        const said = (await mail3.ask('GET', `/explain?client=${client}&port=${PORTS.rule}`)) as Explanation;
        if (said.kept) return said;
      }
      return null;
    });
    expect(kept.text).toMatch(
      /is kept on mail[12], where it ha[ds] .*\(stickFor 10m\); without that its owner is mail3\. /,
    );
    const [list] = (await mail3.ask('GET', '/clients?kept=true')) as {
      keptCount: number;
      clients: { host: string }[];
    }[];
    expect(list!.clients).toHaveLength(list!.keptCount);
    expect(new Set(list!.clients.map(({ host }) => host))).toEqual(new Set(['mail1', 'mail2']));
  });

  it('keeps them over a kill of a sidecar, and learns afterwards who was served meanwhile', async () => {
    const before = await serversOf(clients('67', 40), mail3);
    await allKnow(before);
    await mail1.end('SIGKILL');
    const meanwhile = await serversOf(clients('69', 20), mail1);
    mail1.run();
    await cluster.converged();
    await allKnow({ ...before, ...meanwhile });
    expect(await serversOf(clients('67', 40), mail1)).toEqual(before);
    // Each writes a view of its own when it learns that others are to be kept.
    await waitFor(
      'both keep the same',
      async () => (await recent(mail1)).keptCount === (await recent(mail3)).keptCount,
    );
  });

  it('keeps clients from a host that was lost and comes back with nothing: it asks the others first', async () => {
    await lose(mail3);
    await waitFor('mail3 is lost', () => isOut(mail3));
    const known = clients('70', 40);
    const before = await serversOf(known, mail1);
    await allKnow(before, cluster.hosts.slice(0, 2));
    mail3.run();
    await cluster.converged();
    for (const entry of cluster.hosts) expect(await serversOf(known, entry)).toEqual(before);
    expect(Object.values(await serversOf(clients('71', 40), mail3))).toContain('mail3');
  });

  it('lets clients go to their owners after stickFor, but for one with an open connection; a shorter time holds at once', async () => {
    const known = clients('67', 40);
    const owners: Record<string, string> = {};
    for (const client of known) owners[client] = await ownerOf(client);
    const held = known.find((client) => owners[client] === 'mail3')!;
    const connection = openClient({ from: held, to: at(mail1) });
    const holder = /^220 (\w+) /.exec(await connection.firstLine())![1]!;
    expect(holder).toMatch(/^mail[12]$/);
    cluster.ruleText = '    stickFor: 2s\n';
    cluster.writeFile('equal');
    for (const host of cluster.hosts) expect(await host.ask('POST', '/reload')).toMatchObject({ ok: true });
    for (const host of cluster.hosts) {
      await waitFor(`${host.name} keeps one client`, async () => {
        const { stickForMs, keptCount } = await recent(host);
        return stickForMs === 2000 && keptCount === 1;
      });
    }
    await connection.echo('after the new file');
    for (const entry of cluster.hosts) expect(await servedBy(held, entry)).toBe(holder);
    expect(await serversOf(known, mail1)).toEqual({ ...owners, [held]: holder });
    connection.close();
    for (const host of cluster.hosts) {
      await waitFor(`${host.name} keeps nobody`, async () => (await recent(host)).keptCount === 0);
    }
    expect(await servedBy(held, mail1)).toBe('mail3');
  });
});
