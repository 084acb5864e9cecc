/** A host that comes back slowly: its eighths, what they make of its weight, and that nobody is moved between the others. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '../../host/edge/decision.js';
import { buildContent, type Participant } from '../../host/protocol/content.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { Returning } from '../../host/returning.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { changed, fileOf, LAWFUL } from './config-fixture.js';

const MINUTE = 60_000;

test('a host comes back in eighths, counted from when it came; another time in the file counts at once', () => {
  const back = new Returning();
  expect(back.eighths(8 * MINUTE, 0)).toBe(0);
  back.begin(1000);
  const at = [0, 1, 2, 4, 6, 7.99, 8].map((minutes) => back.eighths(8 * MINUTE, 1000 + minutes * MINUTE));
  expect(at).toEqual([1, 1, 2, 4, 6, 7, 0]);
  expect(back.eighths(8 * MINUTE, 1000)).toBe(0);
  back.begin(0);
  expect(back.eighths(0, 0)).toBe(0);
  back.begin(0);
  back.end();
  expect(back.eighths(8 * MINUTE, 0)).toBe(0);
});

describe('what a view says of a host that comes back', () => {
  /** mail1 and mail2; rule 0 comes back within ten minutes. */
  const file = fileOf(
    changed(['ports: 25', 'ports: 25\n    failback: slowly 10m\n    loadWeight: {mail1: 80, mail2: 40}']),
  );
  const weights = (returning: [number, number], of: ClusterFile = file, rules: Participant['rules'] = []) => {
    const participants = ['mail1', 'mail2'].map(
      (name, i): Participant => ({ name, hostState: 'started', returning: returning[i]!, rules }),
    );
    return buildContent(of, 'f', participants, { protocol: 1, decision: 1 }).hosts.map(
      (host) => host.rules[0]!.loadWeight,
    );
  };

  test('is its part of its weight, at least 1, where somebody has all of theirs', () => {
    expect([1, 4, 7, 0].map((eighths) => weights([0, eighths]))).toEqual([
      [80, 5],
      [80, 20],
      [80, 35],
      [80, 40],
    ]);
    const light = fileOf(
      changed(['ports: 25', 'ports: 25\n    failback: slowly 10m\n    loadWeight: {mail1: 80, mail2: 1}']),
    );
    expect(weights([0, 1], light)).toEqual([80, 1]);
  });

  test('is all of it where everybody comes at the same time, as at a cold start', () => {
    expect(weights([3, 1])).toEqual([80, 40]);
  });

  test('is all of it where the rule says nothing of it; a shorter time than the longest is over earlier', () => {
    expect(weights([0, 1], fileOf(LAWFUL))).toEqual([50, 50]);
    const two = structuredClone(file);
    two.portRules.push({
      ...structuredClone(two.portRules[0]!),
      name: 'slower',
      portFirst: 26,
      portLast: 26,
      failbackMs: 40 * MINUTE,
    });
    expect([1, 2].map((eighths) => weights([0, eighths], two))).toEqual([
      [80, 20],
      [80, 40],
    ]);
  });
});

describe('failback in the cluster file', () => {
  test('is kept where it is slow, and left out where it is not, so that fingerprints stay', () => {
    const ruleOf = (text: string) => fileOf(changed(['ports: 25', `ports: 25\n    failback: ${text}`])).portRules[0]!;
    expect(ruleOf('slowly 10m').failbackMs).toBe(10 * MINUTE);
    expect('failbackMs' in ruleOf('immediate')).toBe(false);
  });
});

describe('weighted rendezvous', () => {
  let decision: Decision;
  beforeAll(async () => {
    decision = await freshDecision();
  }, 120_000);

  test('moves clients to the host that comes back, step by step, and none between the others', async () => {
    const hosts = (weight: number) => [
      { name: 'mail1', loadWeight: 50 },
      { name: 'mail2', loadWeight: 30 },
      { name: 'mail3', loadWeight: weight },
    ];
    let before = await decision.table(hosts(0), 7);
    const shares: number[] = [];
    for (const weight of [5, 10, 15, 20, 25, 30, 35, 40]) {
      const after = await decision.table(hosts(weight), 7);
      const wrong = after.filter((owner, bucket) => owner !== before[bucket] && owner !== 2).length;
      expect(wrong).toBe(0);
      shares.push(after.filter((owner) => owner === 2).length);
      before = after;
    }
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares[0]! / 65_536).toBeCloseTo(5 / 85, 2);
  });
});
