/** nlb plan: what moves is what the decision will do, bucket by bucket; the spread is that of chance. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { inForceOfFile } from '../../host/admin/explain.js';
import { planText } from '../../host/cli/plan-text.js';
import type { Decision } from '../../host/edge/decision.js';
import { type Change, changed as afterChange } from '../../host/plan/change.js';
import { type PlannedRule, planOf } from '../../host/plan/plan.js';
import { binomialDraw, binomialQuantiles, logFactorialsTo, spreadOf } from '../../host/plan/spread.js';
import type { InForce } from '../../host/protocol/types.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { fakeSidecar, freshDirectory, nlb } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const THIRD = '  - {name: mail3, priority: 3, dedicatedIp: 10.0.0.13}\nportRules:';
const THREE = changed(['portRules:', THIRD]);
const NONE: Change = { file: null, weights: [], drained: [], lost: [] };

let decision: Decision;
beforeAll(async () => {
  decision = await freshDecision();
}, 120_000);

const inForce = (text = THREE): InForce => inForceOfFile(fileOf(text), decision.version);

async function planned(before: InForce, change: Partial<Change>): Promise<PlannedRule[]> {
  const plan = await planOf(before, afterChange(before, { ...NONE, ...change }), decision, { isFromFile: true });
  return plan.rules;
}

const summed = (values: number[]): number => values.reduce((sum, value) => sum + value, 0);

describe('planOf()', () => {
  test('gives the clients of a lost host to their next owners and moves nobody else', async () => {
    const [smtp] = await planned(inForce(), { lost: ['mail3'] });
    const weighted = ['mail1', 'mail2', 'mail3'].map((name) => ({ name, loadWeight: 50 }));
    const expected: Record<string, number> = {};
    for (let bucket = 0; bucket < 65_536; bucket++) {
      const { owner, nextOwner } = decision.owners(bucket, weighted, 0x5eed1234);
      if (owner === 'mail3') expected[nextOwner!] = (expected[nextOwner!] ?? 0) + 1 / 65_536;
    }
    expect(Object.fromEntries(smtp!.flows.map(({ to, share }) => [to, share]))).toEqual(expected);
    expect(smtp!.flows.map(({ from }) => from)).toEqual(['mail3', 'mail3']);
    const [, , third] = smtp!.hosts;
    expect([third!.shareBefore, third!.shareAfter]).toEqual([smtp!.movedShare, 0]);
    expect(summed(smtp!.hosts.map(({ shareAfter }) => shareAfter!))).toBe(1);
  });

  test('moves to a heavier host only what it gains', async () => {
    const [smtp] = await planned(inForce(), { weights: [{ rule: 'smtp', host: 'mail1', loadWeight: 100 }] });
    expect(smtp!.flows.every(({ to }) => to === 'mail1')).toBe(true);
    const [first] = smtp!.hosts;
    expect(first!.shareAfter! - first!.shareBefore!).toBeCloseTo(smtp!.movedShare, 12);
    expect(first!.shareAfter!).toBeGreaterThan(0.48);
    expect(first!.shareAfter!).toBeLessThan(0.52);
  });

  test('a drained host gives up its single-host rule as well; a lost one too', async () => {
    for (const change of [{ drained: ['mail1'] }, { lost: ['mail1'] }]) {
      const [, web] = await planned(inForce(), change);
      expect(web!.flows).toEqual([{ from: 'mail1', to: 'mail2', share: 1 }]);
      expect([web!.movedShare, web!.spreads]).toEqual([1, []]);
    }
  });

  test('of a rule with failback never it brings in who is on standby when another host leaves, and not who is new', async () => {
    const never = THREE.replace('ports: 25', 'ports: 25\n    failback: never').replace(
      'filteringMode: single',
      'filteringMode: single\n    failback: never',
    );
    const before = inForce(never);
    const standby = { loadWeight: 0, handlingPriority: 0, absence: 'standby' } as const;
    before.view.hosts[0]!.rules = [standby, standby];
    const [smtp, web] = await planned(before, { drained: ['mail2'] });
    expect(smtp!.hosts.map(({ shareBefore }) => shareBefore! > 0)).toEqual([false, true, true]);
    expect(smtp!.hosts.map(({ shareAfter }) => shareAfter! > 0)).toEqual([true, false, true]);
    expect(web!.flows).toEqual([{ from: 'mail2', to: 'mail3', share: 1 }]);
    const [, last] = await planned(before, { lost: ['mail2', 'mail3'] });
    expect(last!.flows).toEqual([{ from: 'mail2', to: 'mail1', share: 1 }]);
    const file = fileOf(never.replace(THIRD, THIRD.replace('portRules:', THIRD.replace(/3/g, '4'))));
    const [added] = await planned(inForce(never), { file });
    expect([added!.hosts[3]!.name, added!.movedShare]).toEqual(['mail4', 0]);
  });

  test('plans a whole file: a new host, a rule that is gone, one that is new', async () => {
    const file = fileOf(THREE.replace('name: web', 'name: admin'));
    const [smtp, admin, web] = await planned(inForce(changed()), { file });
    expect(smtp!.flows.map(({ to }) => to)).toEqual(['mail3', 'mail3']);
    expect(smtp!.hosts[2]).toEqual({ name: 'mail3', shareBefore: 0, shareAfter: smtp!.movedShare });
    expect([admin!.change, web!.change]).toEqual(['added', 'removed']);
    expect(web!.hosts.map(({ shareAfter }) => shareAfter)).toEqual([null, null, null]);
  });

  test('keeps a drained host drained and a lost host lost under a new file', async () => {
    const before = afterChange(inForce(), { ...NONE, drained: ['mail2'], lost: ['mail3'] });
    const [smtp] = await planned(before, { file: fileOf(THREE.replace('mail.example.org', 'mx.example.org')) });
    expect(smtp!.movedShare).toBe(0);
    expect(smtp!.hosts.map(({ shareAfter }) => shareAfter)).toEqual([1, 0, 0]);
  });

  test('says which clients stickFor keeps where they are: those whose host still takes part', async () => {
    const sticky = THREE.replace('ports: 25', 'ports: 25\n    stickFor: 30m');
    const textOf = async (before: InForce, change: Partial<Change>) => {
      const [smtp] = await planned(before, change);
      return planText({ viewNumber: 7, rules: [smtp!] }).replace(/\s+/g, ' ');
    };
    const weights = [{ rule: 'smtp', host: 'mail1', loadWeight: 100 }];
    expect(await textOf(inForce(sticky), { weights })).toMatch(
      /1[67]\.\d % of its clients get another host; of these those with a connection within 30m stay there \(stickFor\) HOST/,
    );
    expect(await textOf(inForce(sticky), { lost: ['mail3'] })).toMatch(
      /33\.\d % of its clients get another host; stickFor keeps none of them, as their host takes no part any more HOST/,
    );
    expect(await textOf(inForce(sticky), { weights, drained: ['mail2'] })).toMatch(
      /; of \d+\.\d %, whose host still takes part, those with a connection within 30m stay there \(stickFor\) HOST/,
    );
    // Nobody is remembered yet where the rule had no stickFor, nor by another hash.
    expect(await textOf(inForce(), { file: fileOf(sticky), weights })).not.toContain('stickFor');
    const other = fileOf(sticky.replace('0x5eed1234', '0x5eed1235'));
    expect(await textOf(inForce(sticky), { file: other })).not.toContain('stickFor');
  });

  test('says of failback who comes in steps, and who does not come yet', async () => {
    const fourth = '  - {name: mail4, priority: 4, dedicatedIp: 10.0.0.14}\nportRules:';
    const textOf = async (failback: string) => {
      const text = THREE.replace('ports: 25', `ports: 25\n    failback: ${failback}`);
      const [smtp] = await planned(inForce(text), { file: fileOf(text.replace('portRules:', fourth)) });
      return planText({ viewNumber: 7, rules: [smtp!] }).replace(/\s+/g, ' ');
    };
    expect(await textOf('slowly 10m')).toMatch(
      /2[45]\.\d % of its clients get another host; mail4 takes its part in steps over 10m \(failback: slowly\) HOST/,
    );
    expect(await textOf('never')).toContain(
      ': nobody moves; mail4 is on standby and takes none while the others serve (failback: never) HOST',
    );
    expect(await textOf('immediate')).toMatch(/2[45]\.\d % of its clients get another host HOST/);
  });

  test('says that another hash seed deals every client anew', async () => {
    const before = inForce();
    const [smtp, web] = await planned(before, { file: fileOf(THREE.replace('0x5eed1234', '0x5eed1235')) });
    expect([smtp!.isRehashed, web!.isRehashed]).toEqual([true, false]);
    expect(smtp!.movedShare).toBeCloseTo(2 / 3, 2);
  });

  test('says so where nobody is left', async () => {
    const rules = await planned(inForce(), { drained: ['mail1', 'mail2'], lost: ['mail3'] });
    expect(summed(rules[0]!.flows.map(({ share }) => share))).toBe(1);
    expect(planText({ viewNumber: 7, rules })).toContain('no host takes part any more, clients are refused\n');
  });

  test('refuses hosts and rules that are not there', () => {
    const of = (change: Partial<Change>) => () => afterChange(inForce(), { ...NONE, ...change });
    expect(of({ lost: ['mail9'] })).toThrow('There is no host mail9, expected mail1, mail2, mail3');
    const weight = { rule: 'imap', host: 'mail1', loadWeight: 1 };
    expect(of({ weights: [weight] })).toThrow('There is no port rule imap, expected smtp, web');
    expect(of({ weights: [{ ...weight, rule: 'web' }] })).toThrow(
      'Port rule web has no load weights: its filtering mode is single',
    );
  });
});

describe('spreadOf()', () => {
  test('has the quantiles of the binomial distribution', () => {
    expect(binomialQuantiles(20, 0.5, [0.05, 0.95])).toEqual([6, 14]);
    expect(binomialQuantiles(50, 0.5, [0.05, 0.95])).toEqual([19, 31]);
    expect(binomialQuantiles(5000, 0.999, [0.05, 0.95])).toEqual([4991, 4998]);
    expect(binomialQuantiles(50, 1, [0.05, 0.95])).toEqual([50, 50]);
  });

  test('draws each number of clients as often as it is likely', () => {
    for (const [n, p] of [
      [20, 0.3],
      [50, 0.5],
      [1, 0.25],
      [7, 0.999],
    ] as const) {
      const points = 100_000;
      const counts = new Array<number>(n + 1).fill(0);
      for (let i = 0; i < points; i++) counts[binomialDraw(n, p, (i + 0.5) / points, logFactorialsTo(n))]! += 1;
      let likelihood = (1 - p) ** n;
      for (let k = 0; k <= n; k++) {
        expect(Math.abs(counts[k]! - likelihood * points), `${k} of ${n} at ${p}`).toBeLessThan(2);
        likelihood *= ((n - k) / (k + 1)) * (p / (1 - p));
      }
    }
    expect([0, 0.5, 0.999999].map((point) => binomialDraw(9, 1, point, logFactorialsTo(9)))).toEqual([9, 9, 9]);
    expect([binomialDraw(9, 0, 0.5, logFactorialsTo(9)), binomialDraw(0, 0.5, 0.5, logFactorialsTo(0))]).toEqual([
      0, 0,
    ]);
  });

  test('the busiest of many hosts is far above the mean with few clients, and near it with many', () => {
    const shares = new Map(Array.from({ length: 10 }, (_, index) => [`host${index}`, 0.1]));
    const [few, many] = [50, 5000].map((count) => spreadOf(shares, count).busiest);
    expect(few!.mean).toBeGreaterThan(0.15);
    expect(many!.mean).toBeLessThan(0.11);
    expect(many!.p95).toBeGreaterThan(many!.mean);
    expect(spreadOf(shares, 50)).toEqual(spreadOf(shares, 50));
  });
});

describe('nlb plan', () => {
  function fileWith(text: string): string {
    const path = join(freshDirectory(), 'cluster.yaml');
    writeFileSync(path, text);
    return path;
  }

  test('works from a file alone', async () => {
    const { code, out, err } = await nlb(['plan', '--from', fileWith(THREE), '--lost', 'mail3', '--rule', 'smtp']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('Rule smtp (multiple hosts, affinity single): 33.');
    expect(out).toMatch(/\n {2}mail3 {2}mail[12] {3}1[67]\.[0-9] %\n/);
    expect(out).not.toContain('Rule web');
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('asks the sidecar what is in force', async () => {
    const directory = freshDirectory();
    const sidecar = await fakeSidecar(directory, { 'GET /in-force': { code: 200, body: inForce() } });
    const { code, out } = await nlb(['plan', '--drain', 'mail1', '--state-dir', directory, '--json']);
    await sidecar.close();
    const plan = JSON.parse(out) as { viewNumber: number; rules: PlannedRule[] };
    expect([code, plan.viewNumber, plan.rules[1]!.movedShare]).toEqual([0, 0, 1]);
  });

  test('refuses a weight that is none, and a file with mistakes', async () => {
    const weight = await nlb(['plan', '--from', fileWith(THREE), '--weight', 'smtp:mail1=101']);
    const expected = 'nlb plan: --weight is smtp:mail1=101, expected RULE:HOST=0-100 such as smtp:mail1=30\n';
    expect([weight.code, weight.err]).toEqual([2, expected]);
    expect((await nlb(['plan', '--from', fileWith('mode: routed\n')])).code).toBe(1);
  });
});
