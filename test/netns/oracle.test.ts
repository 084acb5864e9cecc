/**
 * The kernel's own opinion: nftables' jhash marks real packets, and each client has the bucket and the owner that
 * decision.wasm and the Python model say. What was found: docs/decisions/0008-the-kernels-hash.md.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Decision, loadDecision, type ScoredHost } from '../../host/edge/decision.js';
import type { Affinity } from '../../host/protocol/types.js';
import { randomFrom } from '../sim/random.js';
import { modelOwners } from './model-owners.js';
import { createNetwork, type Network } from './network.js';
import { type Client, drawClients, FAMILIES, type Family } from './oracle-clients.js';
import { askKernel, clientId, type Marking, type Marks } from './oracle-kernel.js';
import { bucketMarking, type KeySettings, ownerMap, ownerMarking } from './oracle-markings.js';

const TEST_SEED = Number(process.env.NLB_SEED ?? Math.floor(Math.random() * 2 ** 32));
const CLIENTS_A_FAMILY = 5000;
const OWNED_A_FAMILY = 1000;
const PREFIX_CLIENTS = 100;
const AFFINITIES: readonly Affinity[] = ['none', 'single', 'classC'];

const random = randomFrom(TEST_SEED);
const randomSeed = Math.floor(random() * 2 ** 32);
/** The least, the greatest (with it the hash's first sum wraps), and one nobody chose. */
const HASH_SEEDS = [0, 0xffffffff, randomSeed];
const HEX_SEEDS = HASH_SEEDS.map((seed) => seed.toString(16).padStart(8, '0'));

const hostsOf = (loadWeights: readonly number[]): ScoredHost[] =>
  loadWeights.map((loadWeight, i) => ({ name: `mail${i + 1}`, loadWeight }));
/** The first of the 32 has weight 0: it takes no part. */
const VIEWS: { affinity: Affinity; hosts: ScoredHost[] }[] = [
  { affinity: 'none', hosts: hostsOf([50, 30, 100]) },
  { affinity: 'single', hosts: hostsOf(Array.from({ length: 32 }, (_, i) => (i * 37) % 101)) },
];

const whyNot = process.getuid?.() === 0 ? '' : ' (network namespaces need root)';
let network: Network | undefined;
let decision: Decision;
let clients: Record<Family, Client[]>;

function bucketOf({ address, port }: Client, settings: KeySettings): number {
  return decision.bucket({ ...settings, address, port });
}

/** Expects one mark for each client, the one that `expected` says; a few that differ are shown. */
function compare(
  marks: Marks | undefined,
  of: readonly Client[],
  expected: (client: Client) => number | undefined,
): void {
  const differing = of
    .map((client) => ({ client, kernel: marks?.get(clientId(client)), ours: expected(client) }))
    .filter(({ kernel, ours }) => kernel === undefined || kernel !== ours);
  expect(differing.slice(0, 5), `${differing.length} of ${of.length} clients differ`).toEqual([]);
  expect(marks?.size).toBe(of.length);
}

describe.skipIf(whyNot !== '')(`the kernel${whyNot}`, () => {
  beforeAll(async () => {
    console.log(`kernel oracle: NLB_SEED=${TEST_SEED}, hash seeds ${HEX_SEEDS.join(' ')}`);
    decision = await loadDecision();
    network = createNetwork(1);
    const [ip, ip6] = FAMILIES.map((family) => drawClients(random, family, CLIENTS_A_FAMILY));
    clients = { ip: ip!, ip6: ip6! };
  });

  afterAll(() => {
    network?.remove();
    const left = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    expect(left).not.toContain(`nlb${process.pid}-`);
  });

  describe(`marks ${2 * CLIENTS_A_FAMILY} clients with our buckets`, () => {
    const cases = HASH_SEEDS.flatMap((hashSeed, i) =>
      FAMILIES.flatMap((family) =>
        AFFINITIES.map((affinity) => {
          const settings = { affinity, hashSeed, ipv6PrefixLength: 64 };
          const place = i === HASH_SEEDS.length - 1 ? 'a random seed' : `seed ${HEX_SEEDS[i]}`;
          const name = `${family}_${affinity}_${i}`;
          return { title: `${family}, affinity ${affinity}, ${place}`, family, affinity, settings, name };
        }),
      ),
    );
    let answers: Map<string, Marks>;

    beforeAll(async () => {
      const markings = cases.map(({ name, family, settings }): Marking => bucketMarking(name, family, settings));
      answers = await askKernel(network!, { markings, clients: FAMILIES.flatMap((family) => clients[family]) });
    });

    it.each(cases.map((c) => [c.title, c] as const))('%s', (_, { name, family, settings }) => {
      compare(answers.get(name), clients[family], (client) => bucketOf(client, settings));
      expect(new Set(answers.get(name)!.values()).size).toBeGreaterThan(CLIENTS_A_FAMILY / 10);
    });

    it.each(FAMILIES)('%s: a concatenation is padded to whole registers with zeros', (family) => {
      const { name, settings } = cases.find((c) => c.family === family && c.affinity === 'none')!;
      const unpadded = clients[family].filter((client) => {
        const { key } = decision.key({ ...settings, address: client.address, port: client.port });
        expect([...key.slice(-2)]).toEqual([0, 0]);
        const hash = decision.hash(key.slice(0, -2), settings.hashSeed);
        return hash >>> 16 === answers.get(name)!.get(clientId(client));
      });
      // Two hashes of one client meet in a bucket once in 65,536 times.
      expect(unpadded.length).toBeLessThan(10);
    });
  });

  it('cuts IPv6 to each prefix length of 1-128 as we do', async () => {
    const some = clients.ip6.slice(0, PREFIX_CLIENTS);
    const settingsOf = (length: number): KeySettings => ({
      affinity: 'classC',
      hashSeed: randomSeed,
      ipv6PrefixLength: length,
    });
    const lengths = Array.from({ length: 128 }, (_, i) => i + 1);
    const markings = lengths.map((length) => bucketMarking(`prefix_${length}`, 'ip6', settingsOf(length)));
    const answers = await askKernel(network!, { markings, clients: some });
    for (const length of lengths) {
      compare(answers.get(`prefix_${length}`), some, (client) => bucketOf(client, settingsOf(length)));
    }
  });

  it('has another bucket than we for an IPv4-mapped source, which a rule ahead must drop', async () => {
    const raw = (address: string): Client => ({ family: 'ip6', protocol: 'raw', address, port: 40_000 });
    const mapped = raw('::ffff:192.0.2.17');
    const translated = raw('64:ff9b::192.0.2.17');
    const settings: KeySettings = { affinity: 'single', hashSeed: randomSeed, ipv6PrefixLength: 64 };
    const markings = [bucketMarking('raw', 'ip6', settings)];

    const seen = (await askKernel(network!, { markings, clients: [mapped, translated] })).get('raw')!;
    const asIpv6 = decision.hash(decision.address(mapped.address), settings.hashSeed) >>> 16;
    expect(seen.get(clientId(mapped))).toBe(asIpv6);
    expect(bucketOf(mapped, settings)).toBe(bucketOf({ ...mapped, address: '192.0.2.17' }, settings));
    expect(seen.get(clientId(translated))).toBe(bucketOf(translated, settings));

    const before = ['ip6 saddr ::ffff:0.0.0.0/96 drop'];
    const dropped = await askKernel(network!, { markings, before, clients: [translated], perhapsSeen: [mapped] });
    expect([...dropped.get('raw')!.keys()]).toEqual([clientId(translated)]);
  });

  it.each(VIEWS)('picks the owner that we and the model pick, $hosts.length hosts', async ({ affinity, hosts }) => {
    const settings: KeySettings = { affinity, hashSeed: randomSeed, ipv6PrefixLength: 64 };
    const maps = ownerMap('owner', await decision.table(hosts, settings.hashSeed));
    const markings = FAMILIES.map((family) => ownerMarking(`${family}_owned`, family, settings, 'owner'));
    const some = FAMILIES.flatMap((family) => clients[family].slice(0, OWNED_A_FAMILY));
    const answers = await askKernel(network!, { markings, maps, clients: some });
    const kernel = new Map([...answers.values()].flatMap((marks) => [...marks]));

    const markOf = (owner: string | null | undefined) => hosts.findIndex(({ name }) => name === owner) + 1;
    compare(kernel, some, (client) =>
      markOf(decision.owners(bucketOf(client, settings), hosts, settings.hashSeed).owner),
    );
    const byModel = modelOwners(settings, hosts, some);
    const modelOwner = new Map(some.map((client, i) => [clientId(client), byModel[i]]));
    compare(kernel, some, (client) => markOf(modelOwner.get(clientId(client))));
    expect(new Set(kernel.values()).size).toBeGreaterThan(hosts.length / 2);
  });
});
