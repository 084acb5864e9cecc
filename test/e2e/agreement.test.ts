/**
 * 10,000 client addresses through each of three entry hosts, real sidecars and real Envoys: every connection must end at
 * the host that the independent model names, no exception. Uneven weights, so that the weights are part of the claim: over
 * 20,000 addresses the hosts' shares are tested against them.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDecision } from '../../host/edge/decision.js';
import { greeting } from './harness/client.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const CLIENT_COUNT = 10_000;
const PARALLEL = 24;
const WEIGHTS = { mail1: 60, mail2: 60, mail3: 40 };
/** Two degrees of freedom: by chance alone larger once in a million runs. */
const CHI_SQUARE_MAX = 27.6;
const MODEL = fileURLToPath(new URL('../netns/oracle-model.py', import.meta.url));

const cluster = new SidecarCluster('127.0.56', 3);
cluster.writeFile('{mail1: 60, mail2: 60, mail3: 40}');

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

/** Distinct addresses of 127/8 that nothing here listens on: a multiplicative walk through 127.128.0.0/9. */
function clientAddresses(seed: number): string[] {
  return Array.from({ length: CLIENT_COUNT }, (_, i) => {
    const n = (Math.imul(i + seed, 2654435761) >>> 0) % 2 ** 23;
    return `127.${128 + (n >>> 16)}.${(n >>> 8) & 255}.${n & 255}`;
  });
}

function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, i) => sum + (count - total * shares[i]!) ** 2 / (total * shares[i]!), 0);
}

function ownersByModel(clients: string[]): string[] {
  const question = {
    affinity: 'single',
    hashSeed: 0x5eed1234,
    ipv6PrefixLength: 64,
    weights: WEIGHTS,
    clients: clients.map((address) => `${address}:1`),
  };
  const { status, stdout, stderr } = spawnSync('python3', [MODEL], {
    input: JSON.stringify(question),
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as string[];
}

/** The host that greets, and the client it saw; for a connection that failed, how it ended. */
async function served(client: string, entry: SidecarHost): Promise<string> {
  const line = await greeting(client, { host: entry.ip, port: PORTS.rule });
  const found = /^220 (\w+) client=([\d.]+):/.exec(line);
  return found && found[2] === client ? found[1]! : `${client} through ${entry.name}: ${line}`;
}

async function servedAll(clients: string[], entry: SidecarHost): Promise<string[]> {
  const answers: string[] = [];
  let next = 0;
  const work = async () => {
    while (next < clients.length) {
      const i = next++;
      answers[i] = await served(clients[i]!, entry);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return answers;
}

describe('10,000 client addresses', () => {
  const seed = Math.floor(Math.random() * 2 ** 23);
  const clients = [...new Set(clientAddresses(seed))];
  const expected = ownersByModel(clients);
  let firstAnswers: string[] | null = null;

  it.each(cluster.hosts.map((host) => host.name))('through %s reach the owner the model names', async (name) => {
    console.log(`seed ${seed}, ${clients.length} addresses`);
    const entry = cluster.hosts.find((host) => host.name === name)!;
    const actual = await servedAll(clients, entry);
    const wrong = clients.flatMap((client, i) => (actual[i] === expected[i] ? [] : [`${client}: ${actual[i]}`]));
    expect(wrong.slice(0, 10), `${wrong.length} of ${clients.length}, seed ${seed}\n${cluster.logs()}`).toEqual([]);
    expect(clients.length).toBe(CLIENT_COUNT);
    firstAnswers ??= actual;
  });

  it('and 10,000 others fall on the hosts as the bucket table and the weights 60-60-40 say', async () => {
    const others = clientAddresses(seed + CLIENT_COUNT);
    const answers = [...(firstAnswers ?? []), ...(await servedAll(others, cluster.hosts[0]!))];
    expect(new Set([...clients, ...others]).size).toBe(2 * CLIENT_COUNT);
    const names = Object.keys(WEIGHTS);
    const counts = names.map((name) => answers.filter((answer) => answer === name).length);
    const shares = await (await loadDecision()).shares(
      Object.entries(WEIGHTS).map(([name, loadWeight]) => ({ name, loadWeight })),
      0x5eed1234,
    );
    const byTable = chiSquare(
      counts,
      names.map((name) => shares.get(name)!),
    );
    const byWeights = chiSquare(counts, [60 / 160, 60 / 160, 40 / 160]);
    const asEqual = chiSquare(counts, [1 / 3, 1 / 3, 1 / 3]);
    const said = `seed ${seed}: ${counts.join(', ')}; chi-square by table ${byTable.toFixed(2)}, by weights ${byWeights.toFixed(2)}, if equal ${asEqual.toFixed(0)}`;
    console.log(said);
    expect(
      counts.reduce((sum, count) => sum + count, 0),
      said,
    ).toBe(2 * CLIENT_COUNT);
    expect(byTable, said).toBeLessThan(CHI_SQUARE_MAX);
    // The table itself is drawn, too: three hosts' shares of the buckets are off by a little, which counts as more clients.
    expect(byWeights, said).toBeLessThan(1.3 * CHI_SQUARE_MAX);
    expect(asEqual, said).toBeGreaterThan(200);
  });
});
