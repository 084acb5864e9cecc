/**
 * The decision's test vectors (made by the model in test/model) through filter.wasm: what another program says of a
 * connection is what the filter does with it. And the proof that they look: one changed constant, and they fail.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { InForce } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { BUILD_TIMEOUT_MS, buildFilter, type SourceChange } from './build-filter.js';
import { type ClusterVector, keptOf } from '../vectors/load.js';
import { clientsByBucket } from './clients-by-bucket.js';
import { CLOSE_CALLS } from './close-calls.js';
import { type Connection, ProxyHost } from './proxy-host.js';
import { inForceOf, type TestRule, viewOf } from './views.js';

interface VectorConnection {
  protocol: 'tcp' | 'udp';
  client: string;
  destination: string;
  self: string;
  rule: string | null;
  owner: string | null;
  action: 'serve' | 'handoff' | 'handoffOrFallback' | 'refuse';
}
interface Vectors {
  endpoints: { text: string; port: number | null }[];
  owners: { hashSeed: number; weights: Record<string, number>; owners: [number, string | null, string | null][] }[];
  decisions: {
    cluster: {
      hashSeed: number;
      ipv6PrefixLength: number;
      hosts: { name: string; priority: number }[];
      rules: (Omit<TestRule, 'parts'> & { parts: Record<string, number>; kept?: [number, string][] })[];
    };
    connections: VectorConnection[];
  }[];
  keptDecisions: Vectors['decisions'];
}

const VECTORS: Vectors = JSON.parse(readFileSync(new URL('../vectors/decision.json', import.meta.url), 'utf8'));
let wasm: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  wasm = (await buildFilter()).wasm;
}, BUILD_TIMEOUT_MS);

/** In force what a vector's cluster says. */
function inForceOfVector({ hashSeed, ipv6PrefixLength, hosts, rules }: Vectors['decisions'][0]['cluster']): InForce {
  const names = hosts.map(({ name }) => name);
  const testRules = rules.map(({ parts, kept: _, ...rule }) => ({
    ...rule,
    parts: names.map((name) => parts[name] ?? 0),
  }));
  const inForce = inForceOf(testRules, names);
  Object.assign(inForce.file, { hashSeed, ipv6PrefixLength });
  for (const [i, host] of inForce.view.hosts.entries()) host.priority = hosts[i]!.priority;
  return inForce;
}

/** What the filter did, in the words of the vectors. */
function actionOf({ goesOn, envoyCluster, closed }: Connection): { action: string; owner: string | null } {
  if (!goesOn) return { action: closed ? 'refuse' : 'left hanging', owner: null };
  if (envoyCluster === null) return { action: 'serve', owner: null };
  const [, , owner = null, policy] = envoyCluster.split('.');
  return { action: policy!.startsWith('p') ? 'handoffOrFallback' : 'handoff', owner };
}

/** The connections of the vectors that the filter decides otherwise. Envoy's network filters see TCP alone. */
function wrongDecisions(filter: Uint8Array<ArrayBuffer>): string[] {
  const wrong: string[] = [];
  for (const { cluster, connections } of [...VECTORS.decisions, ...VECTORS.keptDecisions]) {
    const inForce = inForceOfVector(cluster);
    const kept = keptOf(cluster as ClusterVector);
    const host = new ProxyHost(filter);
    for (const expected of connections.filter(({ protocol }) => protocol === 'tcp')) {
      const root = host.addRoot(encodeView(inForce, expected.self, kept));
      if (root === null) return [host.logged.at(-1)!];
      host.counters.clear();
      const found = actionOf(host.connect(root, expected.client, expected.destination));
      const owner = expected.action === 'serve' ? null : expected.owner;
      const rule = Object.keys(host.counted())[0]?.split('.')[0];
      const isRight = found.action === expected.action && found.owner === owner && rule === (expected.rule ?? '_none');
      if (!isRight) wrong.push(`${JSON.stringify(expected)}: filter says ${JSON.stringify(found)} by rule ${rule}`);
      host.removeRoot(root);
    }
  }
  return wrong;
}

/** The buckets of the vectors that the filter gives to another owner. */
function wrongOwners(filter: Uint8Array<ArrayBuffer>): string[] {
  const wrong: string[] = [];
  for (const { hashSeed, weights, owners } of [...VECTORS.owners, ...CLOSE_CALLS]) {
    const names = Object.keys(weights);
    const inForce = inForceOf([{ parts: names.map((name) => weights[name]!) }], names);
    Object.assign(inForce.file, { hashSeed });
    const host = new ProxyHost(filter);
    const root = host.addRoot(encodeView(inForce, 'outside'));
    if (root === null) return [host.logged.at(-1)!];
    const buckets = owners.map(([bucket]) => bucket);
    const clients = clientsByBucket(buckets, hashSeed);
    for (const [bucket, expected] of owners) {
      const { owner } = actionOf(host.connect(root, `${clients.get(bucket)}:1`));
      if (owner !== expected) wrong.push(`bucket ${bucket}: ${owner}, expected ${expected}`);
    }
  }
  return wrong;
}

describe('filter.wasm', () => {
  it('decides every connection of the vectors as the model does', () => {
    expect(wrongDecisions(wasm)).toEqual([]);
  });

  it('gives every bucket of the vectors to its owner', () => {
    expect(wrongOwners(wasm)).toEqual([]);
  });

  it('reads the addresses that the model reads, and no others', () => {
    const host = new ProxyHost(wasm);
    const root = host.addRoot(viewOf([{ parts: [50, 50, 50] }]))!;
    for (const { text, port } of VECTORS.endpoints) {
      host.counters.clear();
      host.connect(root, text);
      const isUnreadable = 'smtp.fallback.client_unreadable' in host.counted();
      expect(isUnreadable, text).toBe(port === null);
    }
  });
});

const LOGARITHM = 'assembly/decision/logarithm.ts';
const CHANGES: SourceChange[] = [
  { path: LOGARITHM, from: 'FRACTION_BITS: u32 = 31', to: 'FRACTION_BITS: u32 = 30' },
  { path: LOGARITHM, from: 'STEP_BITS: u32 = 12', to: 'STEP_BITS: u32 = 11' },
  { path: LOGARITHM, from: '(digits + 1) >> 1', to: '(digits + 0) >> 1' },
  { path: 'assembly/decision/jhash.ts', from: '0xdeadbeef', to: '0xdeadbeee' },
  { path: 'assembly/decision/draw.ts', from: 'ROUNDS: u32 = 4', to: 'ROUNDS: u32 = 3' },
  { path: 'assembly/decision/draw.ts', from: '0x9e3779b9', to: '0x9e3779b8' },
  { path: 'assembly/decision/draw.ts', from: '0x85ebca6b', to: '0x85ebca69' },
  { path: 'assembly/decision/draw.ts', from: '0xc2b2ae35', to: '0xc2b2ae37' },
  { path: 'assembly/decision/key.ts', from: 'CLASS_C_PREFIX_LENGTH: u32 = 24', to: 'CLASS_C_PREFIX_LENGTH: u32 = 25' },
  { path: 'assembly/decision/key.ts', from: 'hash >> 16', to: 'hash >> 15' },
];

describe('one changed constant in assembly/ is noticed', () => {
  it.each(CHANGES)('$path: $from becomes $to', async (change) => {
    const { wasm: changed } = await buildFilter(change);
    expect(wrongDecisions(changed).length + wrongOwners(changed).length).toBeGreaterThan(0);
  });
});
