/**
 * filter.wasm in real Envoys: three hosts on loopback with the generated configuration and a view each.
 *
 *     client 127.120.x.y ──> 127.0.20.N:2525 Envoy of mailN ──┬──> 127.0.20.N:3525 service of mailN
 *                                                             └──> 127.0.20.M:7620 Envoy of mailM ──> its service
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterFile, InForce, PortRule } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { type EnvoyJson, filterConfig, handoffEnvoyCluster, STAT } from '../../host/protocol/xds/index.js';
import { buildFilter, type SourceChange } from '../filter/build-filter.js';
import { ProxyHost } from '../filter/proxy-host.js';
import { greeting } from './harness/client.js';
import { clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService, type TestService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.20';
const HOSTS = ['mail1', 'mail2', 'mail3'];
const directory = mkdtempSync(join(tmpdir(), 'nlb-filter-'));
const wasmPath = join(directory, 'filter.wasm');
let wasm: Uint8Array<ArrayBuffer>;

/** What is in force when each host brings `parts` to the only rule. */
function inForceOf(file: ClusterFile, parts: number[]): InForce {
  const isSingle = file.portRules[0]!.filteringMode === 'single';
  const hosts = HOSTS.map((name, i) => {
    const part = { loadWeight: isSingle ? 0 : parts[i]!, handlingPriority: isSingle ? parts[i]! : 0, absence: null };
    return { name, priority: i + 1, rules: [part] };
  });
  const identity = { number: 1, checksum: '0123456789abcdef', fingerprint: '', decisionVersion: 1, protocolVersion: 1 };
  return { file, view: { ...identity, hosts }, lostSince: [] };
}

function ecdsOf(bytes: Uint8Array): EnvoyJson {
  return filterConfig(Buffer.from(bytes).toString('base64'), wasmPath);
}

async function useFilter(change?: SourceChange): Promise<void> {
  wasm = (await buildFilter(change)).wasm;
  writeFileSync(wasmPath, wasm);
}

const addressOf = (host: number) => `${PREFIX}.${host + 1}`;
const clientAddress = (i: number) => `127.120.${i >> 8}.${i & 255}`;
const enter = (host: number, from: string) => greeting(from, { host: addressOf(host), port: RULE_PORT });
const serverOf = (line: string) => line.split(' ')[1] ?? line;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Until its first good check an owner counts as one that does not answer. The fallback endpoint is healthy unchecked. */
async function seesOwner(envoy: RunningEnvoy, owner: string, file: ClusterFile, isMultiple: boolean): Promise<void> {
  const strict = handoffEnvoyCluster(owner, 'strict', file.portRules[0]!.ownerPatienceMs);
  const wanted = new Map([[strict, 1]]);
  if (isMultiple) wanted.set(handoffEnvoyCluster(owner, 'fallback', 1000), 2);
  for (const [name, count] of wanted) {
    await waitFor(`${name} to be healthy`, async () => (await envoy.stat(STAT.healthy(name))) >= count);
  }
}

/** Services and Envoys of all hosts, each with its view; ready once every owner counts as alive. */
async function startHosts(
  file: ClusterFile,
  parts: number[],
): Promise<{ envoys: RunningEnvoy[]; stop(): Promise<void> }> {
  const services: TestService[] = [];
  const envoys: RunningEnvoy[] = [];
  for (const [i, name] of HOSTS.entries()) {
    services.push(
      await startService({ name, listen: { host: addressOf(i), port: SERVICE_PORT }, proxyProtocol: 'v2' }),
    );
    envoys.push(await startEnvoy({ file, self: name, ecds: ecdsOf(encodeView(inForceOf(file, parts), name)) }));
  }
  const isMultiple = file.portRules[0]!.filteringMode === 'multiple';
  for (const [i, envoy] of envoys.entries()) {
    for (const owner of HOSTS.filter((_, host) => host !== i)) await seesOwner(envoy, owner, file, isMultiple);
  }
  const stop = async () => {
    for (const envoy of envoys) await envoy.stop();
    for (const service of services) await service.stop();
  };
  return { envoys, stop };
}

describe('filter.wasm in Envoy', () => {
  const file = clusterFile(PREFIX, 3);
  let envoys: RunningEnvoy[] = [];
  let stop = async () => {};
  beforeAll(async () => {
    await useFilter();
    ({ envoys, stop } = await startHosts(file, [50, 50, 50]));
  });
  afterAll(() => stop());

  /** The filter's answer without Envoy, for the same view: 'mail2', or the host itself. */
  function ownerOf(host: number, client: string): string {
    const proxyHost = new ProxyHost(wasm);
    const root = proxyHost.addRoot(encodeView(inForceOf(file, [50, 50, 50]), HOSTS[host]!));
    const { envoyCluster } = proxyHost.connect(root!, `${client}:1`, `${addressOf(host)}:${RULE_PORT}`);
    return envoyCluster?.split('.')[2] ?? HOSTS[host]!;
  }

  it('brings 200 clients to their owners through each of three entry hosts, the service sees the client', async () => {
    const expected = new Map<string, number>();
    for (let i = 1; i <= 200; i++) {
      const client = clientAddress(i);
      const owner = ownerOf(0, client);
      expected.set(owner, (expected.get(owner) ?? 0) + 1);
      for (const host of [0, 1, 2]) {
        const line = await enter(host, client);
        expect(line, `client ${client} through mail${host + 1}`).toMatch(`220 ${owner} client=${client}:`);
      }
    }
    for (const [i, envoy] of envoys.entries()) {
      const outcomeOf = (owner: string) => (owner === HOSTS[i] ? 'served_here' : `handed_off.${owner}`);
      for (const [owner, count] of expected) {
        expect(await envoy.stat(`wasmcustom.nlb.smtp.${outcomeOf(owner)}`)).toBe(count);
      }
    }
  });

  it('decides by a changed view as soon as Envoy has taken it, and keeps its counters', async () => {
    const entry = envoys[0]!;
    const before = await entry.stat('wasmcustom.nlb.smtp.handed_off.mail2');
    entry.write('ecds', [ecdsOf(encodeView(inForceOf(file, [0, 50, 0]), 'mail1'))], '2');
    await waitFor('view 2', async () => (await entry.admin.taken()).ecds === '2');
    for (let i = 1; i <= 20; i++) expect(serverOf(await enter(0, clientAddress(i)))).toBe('mail2');
    expect(await entry.stat('wasmcustom.nlb.smtp.handed_off.mail2')).toBe(before + 20);
  });

  it('keeps the old view where the new one does not check out, says why, and takes the next good one', async () => {
    const entry = envoys[0]!;
    const damaged = encodeView(inForceOf(file, [0, 0, 50]), 'mail1');
    damaged[60]! ^= 1;
    entry.write('ecds', [ecdsOf(damaged)], '3');
    await waitFor('the rejection', async () => (await entry.admin.taken()).ecdsRejectedCount > 0);
    expect((await entry.admin.taken()).ecds).toBe('2');
    expect(entry.log()).toMatch(/view of \d+ bytes refused, what was in force stays: checksum of the bytes is \d+/);
    for (let i = 1; i <= 20; i++) expect(serverOf(await enter(0, clientAddress(i)))).toBe('mail2');
    entry.write('ecds', [ecdsOf(encodeView(inForceOf(file, [0, 0, 50]), 'mail1'))], '4');
    await waitFor('view 4', async () => (await entry.admin.taken()).ecds === '4');
    for (let i = 1; i <= 20; i++) expect(serverOf(await enter(0, clientAddress(i)))).toBe('mail3');
  });

  it('closes refused connections with an end of file and counts them', async () => {
    const entry = envoys[0]!;
    entry.write('ecds', [ecdsOf(encodeView(inForceOf(file, [0, 0, 0]), 'mail1'))], '5');
    await waitFor('view 5', async () => (await entry.admin.taken()).ecds === '5');
    expect(await enter(0, clientAddress(1))).toBe('closed');
    expect(await entry.stat('wasmcustom.nlb.smtp.refused.nobody_takes_part')).toBe(1);
  });
});

describe('a filter that trapped (planted: it does so for one client)', () => {
  const rule: Partial<PortRule> = { filteringMode: 'single', handlingPriorities: { mail1: 2, mail2: 1, mail3: 3 } };
  const file = clusterFile(PREFIX, 3, [rule]);
  const TRAP: SourceChange = {
    path: 'assembly/connection.ts',
    from: '  const view = plugin.view;\n',
    to: '  if (readSource(SOURCE) && load<u8>(SOURCE, 15) == 66) unreachable();\n  const view = plugin.view;\n',
  };
  let envoys: RunningEnvoy[] = [];
  let stop = async () => {};
  beforeAll(async () => {
    await useFilter(TRAP);
    ({ envoys, stop } = await startHosts(file, [2, 1, 3]));
  });
  afterAll(() => stop());

  it('never serves a single-host rule on a second host, and comes back by itself', async () => {
    expect(serverOf(await enter(0, '127.120.0.1'))).toBe('mail2');
    expect(await enter(0, '127.120.0.66')).toMatch(/^(closed|refused ECONNRESET)$/);
    const answers: string[] = [];
    await waitFor('the filter to be back', async () => {
      answers.push(serverOf(await enter(0, '127.120.0.1')));
      return answers.at(-1) === 'mail2';
    });
    expect(answers).not.toContain('mail1');
    expect(envoys[0]!.log()).toContain('unreachable');
  });
});
