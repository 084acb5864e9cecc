import { afterEach, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { type EnvoyJson, filterConfig, STAT } from '../../host/protocol/xds/index.js';
import { greeting, openClient } from './harness/client.js';
import { clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService } from './harness/service.js';
import { decisionFor, FILTER_WASM, viewOf } from './harness/view.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.35';
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');
const at = (host: number) => ({ host: `${PREFIX}.${host}`, port: RULE_PORT });

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The first hosts of the file, each with its Envoy, its service, and the decision filter under a view of all of `takingPart`. */
async function cluster(file: ClusterFile, takingPart: string[]): Promise<RunningEnvoy[]> {
  const envoys: RunningEnvoy[] = [];
  for (const { name, dedicatedIp } of file.hosts) {
    const service = await startService({
      name,
      listen: { host: dedicatedIp, port: SERVICE_PORT },
      proxyProtocol: 'v2',
    });
    cleanups.push(() => service.stop());
  }
  for (const { name } of file.hosts) {
    const envoy = await startEnvoy({ file, identity, self: name, ecds: decisionFor(viewOf(file, takingPart), name) });
    cleanups.push(() => envoy.stop());
    envoys.push(envoy);
  }
  for (const envoy of envoys) await waitFor('all hosts to answer each other', () => answered(envoy));
  return envoys;
}

/** Every handoff cluster has all its endpoints: hosts that were started later are known to be there. */
async function answered(envoy: RunningEnvoy): Promise<boolean> {
  const counts = await envoy.admin.stats('^cluster\\.nlb\\.handoff\\..*\\.membership_(healthy|total)$');
  return [...counts].every(([name, count]) => counts.get(name.replace('_total', '_healthy')) === count);
}

async function takeDecision(envoy: RunningEnvoy, resource: EnvoyJson, version: string): Promise<void> {
  envoy.write('ecds', [resource], version);
  await waitFor(`decision ${version}`, async () => (await envoy.admin.taken()).ecds === version);
}

const ownerIn = (line: string): string => /^220 (\S+) client=/.exec(line)?.[1] ?? line;

describe('the decision by ECDS', () => {
  it('leads 60 clients to the same owner from every entry host, seen as themselves', async () => {
    const file = clusterFile(PREFIX, 3);
    await cluster(file, ['mail1', 'mail2', 'mail3']);
    const owners = new Set<string>();
    for (let i = 1; i <= 60; i++) {
      const from = `127.77.5.${i}`;
      const lines = await Promise.all([1, 2, 3].map((host) => greeting(from, at(host))));
      for (const line of lines) expect(line).toContain(` client=${from}:`);
      expect(new Set(lines.map(ownerIn)).size).toBe(1);
      owners.add(ownerIn(lines[0]!));
    }
    expect([...owners].sort()).toEqual(['mail1', 'mail2', 'mail3']);
  });

  it('changes new connections only: 200 open ones outlive 100 views, listeners and clusters are not touched', async () => {
    const file = clusterFile(PREFIX, 2);
    const [entry] = await cluster(file, ['mail2']);
    if (!entry) throw new Error('no entry host');
    const held = Array.from({ length: 200 }, (_, i) => openClient({ from: `127.77.6.${i + 1}`, to: at(1) }));
    cleanups.push(() => {
      for (const client of held) client.close();
    });
    for (const client of held) expect(ownerIn(await client.firstLine())).toBe('mail2');
    const before = await fileUpdates(entry);
    for (let number = 2; number <= 101; number++) {
      const owner = number % 2 === 0 ? 'mail1' : 'mail2';
      await takeDecision(entry, decisionFor(viewOf(file, [owner], number), 'mail1'), String(number));
      if (number % 10 < 2) expect(ownerIn(await greeting('127.77.6.250', at(1)))).toBe(owner);
    }
    await Promise.all(held.map((client) => client.echo('NOOP\r\n')));
    expect(await fileUpdates(entry)).toEqual(before);
  });

  it('is kept as it was where a new one does not check out, and the last good file outlives a SIGKILL of Envoy', async () => {
    const file = clusterFile(PREFIX, 2);
    const [entry] = await cluster(file, ['mail1']);
    if (!entry) throw new Error('no entry host');
    const bad = filterConfig(Buffer.from('nonsense').toString('base64'), FILTER_WASM);
    entry.write('ecds', [bad], '2');
    await waitFor('the rejection', async () => (await entry.admin.taken()).ecdsRejectedCount > 0);
    expect((await entry.admin.taken()).ecds).toBe('1');
    expect(ownerIn(await greeting('127.77.7.1', at(1)))).toBe('mail1');
    entry.write('ecds', [decisionFor(viewOf(file, ['mail1']), 'mail1')], '1');
    await entry.restart();
    expect(ownerIn(await greeting('127.77.7.1', at(1)))).toBe('mail1');
  });

  it('counts by rule and outcome, under names that Prometheus labels', async () => {
    const file = clusterFile(PREFIX, 2);
    const [entry] = await cluster(file, ['mail1']);
    if (!entry) throw new Error('no entry host');
    await greeting('127.77.8.1', at(1));
    await takeDecision(entry, decisionFor(viewOf(file, ['mail2'], 2), 'mail1'), '2');
    await greeting('127.77.8.1', at(1));
    await takeDecision(entry, decisionFor(viewOf(file, [], 3), 'mail1'), '3');
    expect(await greeting('127.77.8.1', at(1))).toBe('closed');
    const counted = await entry.admin.stats(`^${STAT.filterPrefix.replaceAll('.', '\\.')}`);
    expect(counted.get(`${STAT.filterPrefix}smtp.served_here`)).toBe(1);
    expect(counted.get(`${STAT.filterPrefix}smtp.handed_off.mail2`)).toBe(1);
    const refused = [...counted].filter(([name]) => name.includes('.smtp.refused.'));
    expect(refused.map(([, count]) => Number(count)).reduce((a, b) => a + b, 0)).toBe(1);
  });

  it('of a single-host rule hands off without fallback: a dead owner is nobody else', async () => {
    const handlingPriorities = { mail1: 2, mail2: 1 };
    const file = clusterFile(PREFIX, 2, [
      { filteringMode: 'single', loadWeights: {}, handlingPriorities, ownerPatienceMs: 250 },
    ]);
    const [entry, owner] = await cluster(file, ['mail1', 'mail2']);
    expect(ownerIn(await greeting('127.77.9.1', at(1)))).toBe('mail2');
    owner?.signal('SIGSTOP');
    expect(await greeting('127.77.9.1', at(1))).toBe('closed');
    expect(await entry?.stat(STAT.fallbacks('smtp'))).toBe(0);
  });
});

/** How often Envoy took listeners or clusters anew. */
async function fileUpdates(envoy: RunningEnvoy): Promise<Record<string, number | string>> {
  return Object.fromEntries(
    await envoy.admin.stats('^(listener_manager\\.lds|cluster_manager\\.cds)\\.update_(success|attempt)$'),
  );
}
