/** What must hold for any cluster, over random ones. The seed is printed; NLB_SEED=<seed> runs the same again. */
import { beforeAll, describe, expect, test } from 'vitest';
import { BUCKETS, type Decision, type ScoredHost } from '../../host/edge/decision.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { inForceOf, loadVectors } from '../vectors/load.js';
import { randomFrom } from '../sim/random.js';

const SEED = Number(process.env.NLB_SEED ?? Math.floor(Math.random() * 2 ** 32));
console.log(`decision properties: NLB_SEED=${SEED}`);

const random = randomFrom(SEED);
const below = (limit: number): number => Math.floor(random() * limit);
const randomSeed = (): number => below(2 ** 32);

function randomHosts(count: number, weight: () => number): ScoredHost[] {
  const prefix = below(36 ** 4).toString(36);
  return Array.from({ length: count }, (_, i) => ({ name: `${prefix}-${i + 1}`, loadWeight: weight() }));
}

function shuffled<T>(list: readonly T[]): T[] {
  const left = [...list];
  return list.map(() => left.splice(below(left.length), 1)[0]!);
}

let decision: Decision;
beforeAll(async () => {
  decision = await freshDecision();
}, 120_000);

/** The owner of every bucket by name; null where nobody takes part. */
async function ownersOf(hosts: readonly ScoredHost[], hashSeed: number): Promise<(string | null)[]> {
  return [...(await decision.table(hosts, hashSeed))].map((index) => hosts[index]?.name ?? null);
}

/** Runs a property over random clusters of 2-32 hosts with weights 1-100. */
async function overClusters(property: (hosts: ScoredHost[], hashSeed: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < 12; round++)
    await property(
      randomHosts(2 + below(31), () => 1 + below(100)),
      randomSeed(),
    );
}

describe('over random clusters', () => {
  test('a client has one owner, whoever is asked and in whatever order the hosts are listed', async () => {
    await overClusters(async (hosts, hashSeed) => {
      const table = await ownersOf(hosts, hashSeed);
      expect(await ownersOf(shuffled(hosts), hashSeed)).toEqual(table);
      for (let i = 0; i < 50; i++) {
        const address = [10, below(256), below(256), below(256)].join('.');
        const question = { affinity: 'single', address, port: 0, hashSeed, ipv6PrefixLength: 64 } as const;
        const bucket = decision.bucket(question);
        expect(decision.owners(bucket, shuffled(hosts), hashSeed).owner).toBe(table[bucket]);
        expect(decision.bucket({ ...question, address: `::ffff:${address}`, port: 7 })).toBe(bucket);
      }
    });
  });

  test('a host that leaves moves only its own buckets, each to its next owner', async () => {
    await overClusters(async (hosts, hashSeed) => {
      const leaver = hosts[below(hosts.length)]!;
      const before = await ownersOf(hosts, hashSeed);
      const stayed = hosts.filter((host) => host !== leaver);
      const after = await ownersOf(stayed, hashSeed);
      expect(before.every((owner, bucket) => owner === leaver.name || owner === after[bucket])).toBe(true);
      for (let bucket = below(64); bucket < BUCKETS; bucket += 64) {
        if (before[bucket] !== leaver.name) continue;
        expect(decision.owners(bucket, hosts, hashSeed).nextOwner).toBe(after[bucket]);
      }
      // Weight 0 is leaving, too.
      const idle = hosts.map((host) => (host === leaver ? { ...host, loadWeight: 0 } : host));
      expect(await ownersOf(idle, hashSeed)).toEqual(after);
    });
  });

  test('a host that joins takes only what becomes its own', async () => {
    await overClusters(async (hosts, hashSeed) => {
      const joined = { name: 'newcomer', loadWeight: 1 + below(100) };
      const before = await ownersOf(hosts.slice(1), hashSeed);
      const after = await ownersOf([...hosts.slice(1), joined], hashSeed);
      expect(after.every((owner, bucket) => owner === joined.name || owner === before[bucket])).toBe(true);
    });
  });

  test('a changed weight moves buckets only towards that host, or only away from it', async () => {
    await overClusters(async (hosts, hashSeed) => {
      const changed = hosts[below(hosts.length)]!;
      const loadWeight = 1 + below(100);
      const before = await ownersOf(hosts, hashSeed);
      const weights = hosts.map((host) => (host === changed ? { ...host, loadWeight } : host));
      const after = await ownersOf(weights, hashSeed);
      const moved = before.flatMap((owner, bucket) =>
        owner === after[bucket] ? [] : [{ from: owner, to: after[bucket] }],
      );
      const isMore = loadWeight > changed.loadWeight;
      expect(moved.every(({ from, to }) => (isMore ? to : from) === changed.name)).toBe(true);
    });
  });

  test('order of listing and priorities of hosts in a view move nothing', () => {
    for (const { cluster, connections } of loadVectors().decisions) {
      const priorities = shuffled(cluster.hosts.map((host) => host.priority));
      const hosts = shuffled(cluster.hosts.map((host, index) => ({ ...host, priority: priorities[index]! })));
      for (const connection of connections) {
        // What no rule covers belongs to the default host, and that is the one thing a priority decides.
        if (connection.rule === null) continue;
        const before = decision.decide(encodeView(inForceOf(cluster), connection.self), connection);
        const after = decision.decide(encodeView(inForceOf({ ...cluster, hosts }), connection.self), connection);
        expect(after).toEqual(before);
      }
    }
  });

  test('shares follow the weights (chi-square)', async () => {
    let chiSquare = 0;
    let freedom = 0;
    await overClusters(async (hosts, hashSeed) => {
      const shares = await decision.shares(hosts, hashSeed);
      const total = hosts.reduce((sum, host) => sum + host.loadWeight, 0);
      for (const host of hosts) {
        const ideal = (BUCKETS * host.loadWeight) / total;
        chiSquare += (shares.get(host.name)! * BUCKETS - ideal) ** 2 / ideal;
      }
      freedom += hosts.length - 1;
    });
    // Independent draws would come to `freedom` +- sqrt(2 * freedom); permutations come to half of it.
    console.log(`chi-square of shares: ${chiSquare.toFixed(1)} with ${freedom} degrees of freedom`);
    expect(chiSquare).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });
});

describe('largest share over the ideal, 1,000 random host sets of equal weights', () => {
  test.each([
    { count: 8, median: 1.02, worst: 1.05 },
    { count: 32, median: 1.055, worst: 1.09 },
  ])('$count hosts: median at most $median, worst at most $worst', { timeout: 300_000 }, async (wanted) => {
    const ratios: number[] = [];
    for (let set = 0; set < 1000; set++) {
      const hosts = randomHosts(wanted.count, () => 50);
      const shares = await decision.shares(hosts, randomSeed());
      ratios.push(Math.max(...shares.values()) * wanted.count);
    }
    ratios.sort((a, b) => a - b);
    const [median, worst] = [ratios[500]!, ratios[999]!];
    console.log(
      `${wanted.count} hosts: largest share over ideal: median ${median.toFixed(4)}, worst ${worst.toFixed(4)}`,
    );
    expect(median).toBeLessThanOrEqual(wanted.median);
    expect(worst).toBeLessThanOrEqual(wanted.worst);
  });
});
