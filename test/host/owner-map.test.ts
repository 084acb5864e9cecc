import { beforeAll, describe, expect, test } from 'vitest';
import { type Decision, loadDecision } from '../../host/edge/decision.js';
import {
  changedBuckets,
  changeOf,
  defaultHostOf,
  intervalsOf,
  NO_HOST,
  ownerOfRule,
  ownersByRanking,
  rankingKey,
} from '../../host/kernel/owner-map.js';
import { isOurTable, tableName } from '../../host/kernel/names.js';
import type { Absence, FilteringMode, InForce, PortRule } from '../../host/protocol/types.js';

let decision: Decision;
beforeAll(async () => {
  decision = await loadDecision();
});

const SEED = 0x5eed1234;
const named = (weights: Record<string, number>) =>
  Object.entries(weights).map(([name, loadWeight]) => ({ name, loadWeight }));

interface RuleParts {
  mode: FilteringMode;
  /** In the file: load weights or handling priorities. */
  file: Record<string, number>;
  absent?: Record<string, Absence>;
  /** Weights of the view where they differ from the file's. */
  view?: Record<string, number>;
}

function inForceWith({ mode, file, absent = {}, view = {} }: RuleParts, lostSince: string[] = []): InForce {
  const names = Object.keys(file);
  const rule = {
    filteringMode: mode,
    loadWeights: mode === 'multiple' ? file : {},
    handlingPriorities: mode === 'single' ? file : {},
  } as PortRule;
  const hosts = names.map((name, i) => ({
    name,
    priority: names.length - i,
    rules: [
      {
        loadWeight: absent[name] || mode !== 'multiple' ? 0 : (view[name] ?? file[name]!),
        handlingPriority: absent[name] || mode !== 'single' ? 0 : file[name]!,
        absence: absent[name] ?? null,
      },
    ],
  }));
  return { file: { portRules: [rule], hashSeed: SEED }, view: { hosts }, lostSince } as unknown as InForce;
}

describe('ownersByRanking()', () => {
  test('has the owner that decision.wasm names, whoever takes part, as long as one of two best does', async () => {
    const hosts = named({ a: 50, b: 100, c: 7, d: 50, e: 33 });
    const ranking = { hosts, ...(await decision.ranking(hosts, SEED)) };
    for (const taking of [['a', 'b', 'c', 'd', 'e'], ['b', 'c', 'd', 'e'], ['a', 'c', 'e'], ['c', 'd'], ['e']]) {
      const owners = ownersByRanking(ranking, taking);
      const some = hosts.map(({ name, loadWeight }) => ({ name, loadWeight: taking.includes(name) ? loadWeight : 0 }));
      const expected = await decision.table(some, SEED);
      const differing = owners.filter((owner, bucket) => owner !== NO_HOST && owner !== expected[bucket]);
      expect(differing.length).toBe(0);
      const left = owners.filter((owner) => owner === NO_HOST).length;
      if (taking.length >= 4) expect(left).toBe(0);
      else expect(left).toBeGreaterThan(0);
    }
  });

  test('of two hosts each is the other one of every bucket; of one there is no second', async () => {
    const two = await decision.ranking(named({ a: 50, b: 50 }), SEED);
    expect(two.second.every((second, bucket) => second === 1 - two.first[bucket]!)).toBe(true);
    const one = await decision.ranking(named({ a: 50 }), SEED);
    expect(new Set(one.first)).toEqual(new Set([0]));
    expect(new Set(one.second)).toEqual(new Set([NO_HOST]));
  });
});

describe('ownerOfRule()', () => {
  const multiple = { mode: 'multiple', file: { a: 50, b: 100, c: 0, d: 20 } } as const;

  test('ranks everybody who has a weight, and lets those own that take part', () => {
    expect(ownerOfRule(inForceWith({ ...multiple, absent: { d: 'draining' } }), 0)).toEqual({
      kind: 'buckets',
      ranked: named({ a: 50, b: 100, d: 20 }),
      taking: ['a', 'b'],
    });
    expect(ownerOfRule(inForceWith(multiple, ['a']), 0)).toMatchObject({ taking: ['b', 'd'] });
  });

  test('a weight of the view goes before that of the file', () => {
    const ramping = ownerOfRule(inForceWith({ ...multiple, view: { b: 10 } }), 0);
    expect(ramping).toMatchObject({ ranked: named({ a: 50, b: 10, d: 20 }) });
  });

  test('has no map where one host alone has a weight, or none takes part', () => {
    const alone = { mode: 'multiple', file: { a: 0, b: 10 } } as const;
    expect(ownerOfRule(inForceWith(alone), 0)).toEqual({ kind: 'host', host: 'b' });
    expect(ownerOfRule(inForceWith(multiple, ['a', 'b']), 0)).toMatchObject({ kind: 'buckets', taking: ['d'] });
    expect(ownerOfRule(inForceWith(multiple, ['a', 'b', 'd']), 0)).toEqual({ kind: 'nobody' });
  });

  test('single host: the lowest handling priority of those that take part', () => {
    const single = { mode: 'single', file: { a: 3, b: 1, c: 2 } } as const;
    expect(ownerOfRule(inForceWith(single), 0)).toEqual({ kind: 'host', host: 'b' });
    expect(ownerOfRule(inForceWith(single, ['b']), 0)).toEqual({ kind: 'host', host: 'c' });
    expect(ownerOfRule(inForceWith(single, ['a', 'b', 'c']), 0)).toEqual({ kind: 'nobody' });
  });

  test('disabled is disabled whoever is there', () => {
    expect(ownerOfRule(inForceWith({ mode: 'disabled', file: { a: 0 } }), 0)).toEqual({ kind: 'disabled' });
  });
});

test('defaultHostOf() is the host of the highest priority that is not lost', () => {
  const inForce = inForceWith({ mode: 'multiple', file: { a: 1, b: 1, c: 1 } });
  expect(defaultHostOf(inForce)).toBe('c');
  expect(defaultHostOf({ ...inForce, lostSince: ['c'] })).toBe('b');
  expect(defaultHostOf({ ...inForce, lostSince: ['a', 'b', 'c'] })).toBe(null);
});

test('rules with the same hosts, weights and seed share one ranking', () => {
  const hosts = named({ a: 50, b: 50 });
  expect(rankingKey(1, hosts)).toBe(rankingKey(1, named({ a: 50, b: 50 })));
  expect(rankingKey(1, hosts)).not.toBe(rankingKey(2, hosts));
  expect(rankingKey(1, hosts)).not.toBe(rankingKey(1, named({ a: 50, b: 51 })));
});

test('changeOf() and changedBuckets() name the difference and nothing else', () => {
  const before = new Map([[1, 'a'], [2, 'b'], [3, 'c']]); // biome-ignore format: one look
  const after = new Map([[1, 'a'], [2, 'x'], [4, 'd']]); // biome-ignore format: one look
  expect(changeOf(before, after)).toEqual({ removed: [2, 3], added: [[2, 'x'], [4, 'd']] }); // biome-ignore format: one look
  expect(changedBuckets(Uint8Array.of(0, 1, 2), Uint8Array.of(0, 2, 2))).toEqual([1]);
});

test('intervalsOf() joins neighbours of one owner', () => {
  expect(intervalsOf(Uint8Array.of(1, 1, 0, 0, 0, 1))).toEqual([
    { first: 0, last: 1, owner: 1 },
    { first: 2, last: 4, owner: 0 },
    { first: 5, last: 5, owner: 1 },
  ]);
});

test('tableName() is a name nftables takes, and another one for each part and cluster', () => {
  expect(tableName('handoff', 'mail.example.org')).toBe('envoy_nlb_handoff_mail_example_org');
  const long = `${'very-'.repeat(40)}long.example.org`;
  expect(tableName('multicast', long)).toMatch(/^[a-z0-9_]{1,120}$/);
  expect(tableName('multicast', long)).not.toBe(tableName('multicast', `${long}2`));
  expect(isOurTable(tableName('address', 'x'))).toBe(true);
  expect(isOurTable('filter')).toBe(false);
});
