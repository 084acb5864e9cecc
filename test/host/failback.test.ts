/** A host that comes back slowly: its eighths, what they make of its weight, and that nobody is moved between the others. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '../../host/edge/decision.js';
import { buildContent, type Participant } from '../../host/protocol/content.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { changed, errorsOf, fileOf, LAWFUL } from './config-fixture.js';

const MINUTE = 60_000;

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
    expect(ruleOf('never')).toMatchObject({ failback: 'never' });
    expect('failback' in ruleOf('slowly 10m')).toBe(false);
  });

  test('is never or immediate where one host serves all clients', () => {
    const single = 'filteringMode: single';
    expect(fileOf(changed([single, `${single}\n    failback: never`])).portRules[1]!.failback).toBe('never');
    expect(errorsOf(changed([single, `${single}\n    failback: slowly 10m`]))).toEqual([
      'c.yaml:15:15: portRules[1].failback has no meaning under filteringMode single, where one host serves all clients: expected failback immediate or never under filteringMode single',
    ]);
  });

  test('is never in files of at most 27 port rules, whose standby a heartbeat has room for', () => {
    const rules = (count: number) =>
      Array.from(
        { length: count },
        (_, i) => `  - {name: r${i}, ports: ${100 + i}, service: {address: 'unix:/s', proxyProtocol: v2}}\n`,
      );
    const text = (count: number) => changed(['ports: 25', 'ports: 25\n    failback: never']) + rules(count).join('');
    expect(errorsOf(text(25))).toEqual([]);
    expect(errorsOf(text(26))).toEqual([
      'c.yaml:11:15: portRules[0].failback is one of 28 port rules, expected at most 27 port rules in a file with failback never',
    ]);
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
