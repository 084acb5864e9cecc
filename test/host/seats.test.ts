/** Who stands in for whom under `failback: never`, what a row says of it, and that nobody's clients move but those of who left. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '../../host/edge/decision.js';
import { ByteReader, ByteWriter } from '../../host/protocol/bytes.js';
import { buildContent, type Participant } from '../../host/protocol/content.js';
import { type RowRules, type RuleState, readRules, writeRules } from '../../host/protocol/rule-code.js';
import { seatFor, seatsOf } from '../../host/protocol/seats.js';
import type { InForce } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { entryOf, inForceOf } from '../../host/history/entry.js';
import { acceptanceOf } from '../../host/kernel/acceptance.js';
import { HandoffPlanner } from '../../host/kernel/handoff-plan.js';
import { hostLabel, hostOfLabel, pairLabel } from '../../host/kernel/labels.js';
import { OwnerTables } from '../../host/kernel/owner-tables.js';
import { changed } from '../../host/plan/change.js';
import { ownersOf } from '../../host/plan/owners.js';
import { makeFile } from '../sim/files.js';
import { freshDecision } from '../vectors/fresh-decision.js';

const RULE = 2;
const { file, fingerprint } = makeFile({ hostCount: 5, moreRules: 1, never: true });
const rule = file.portRules[RULE]!;

/** `up`, `standby`, or the host that it stands in for; a host that is not named is gone. */
type Said = Record<string, string>;

function inForce(said: Said, protocol = 2): InForce {
  const participants = Object.entries(said).map(([name, what]): Participant => {
    const isFor = what.startsWith('mail');
    const state = isFor ? 'standingIn' : (what as RuleState);
    return { name, hostState: 'started', rules: ['up', 'up', state], standsInFor: isFor ? what : null };
  });
  const content = buildContent(file, fingerprint, participants, { protocol, decision: 1 });
  const view = { ...content, number: 1, checksum: '0123456789abcdef' };
  return { file, view, lostSince: [] };
}

const partsIn = (said: Said, protocol?: number) =>
  inForce(said, protocol).view.hosts.map(({ rules }) => {
    const { absence, standsInFor, loadWeight } = rules[RULE]!;
    return absence ?? standsInFor ?? loadWeight;
  });

test('a row comes back as it went, for whomever its host stands in, and takes 8 bytes', () => {
  const states: RuleState[] = ['up', 'ruleDisabled', 'serviceDown', 'ruleDraining', 'standby', 'standingIn'];
  const row = (count: number, standsInFor: number): RowRules => {
    const among = standsInFor > 0 ? states : states.slice(0, 5);
    const rules = Array.from({ length: 32 }, (_, i): RuleState => (i < count ? among[(i * 5) % among.length]! : 'up'));
    return { rules, standsInFor };
  };
  for (const said of [row(22, 1), row(22, 32), row(27, 0)]) {
    const bytes = new Uint8Array(8);
    writeRules(new ByteWriter(bytes), said);
    expect(readRules(new ByteReader(bytes), true)).toEqual(said);
  }
});

describe('who sits where', () => {
  test('a host that stands in has the part of the one that left; beside it that one is on standby', () => {
    expect(partsIn({ mail1: 'up', mail3: 'mail2' })).toEqual([50, 'mail2']);
    expect(partsIn({ mail1: 'up', mail2: 'standby', mail3: 'mail2' })).toEqual([50, 'standby', 'mail2']);
  });

  test('a host that has its own part again puts out who stood in for it; of two for one, the first has the seat', () => {
    expect(partsIn({ mail1: 'up', mail2: 'up', mail3: 'mail2' })).toEqual([50, 50, 'standby']);
    expect(partsIn({ mail1: 'up', mail3: 'mail2', mail4: 'mail2' })).toEqual([50, 'mail2', 'standby']);
  });

  test('a host takes its own part where a release of the view knows no seats, or the other one has no weight', () => {
    expect(partsIn({ mail1: 'up', mail3: 'mail2' }, 1)).toEqual([50, 50]);
    const without = { ...rule, loadWeights: { ...rule.loadWeights, mail2: 0 } };
    const claims = [{ name: 'mail3', state: 'standingIn' as const, standsInFor: 'mail2' }];
    expect(seatsOf(without, claims, true)).toEqual(new Map([['mail3', 'mail3']]));
  });

  test('where all are on standby, each has its own part', () => {
    expect(partsIn({ mail1: 'standby', mail2: 'standby' })).toEqual([50, 50]);
  });

  test('each host on standby takes one of the seats that are free', () => {
    const waiting = ['mail4', 'mail1', 'mail5'];
    expect(waiting.map((host) => seatFor(host, ['mail3', 'mail2'], waiting))).toEqual(['mail2', 'mail3', undefined]);
  });
});

describe('clients', () => {
  let decision: Decision;
  beforeAll(async () => {
    decision = await freshDecision();
  }, 120_000);

  async function owners(said: Said): Promise<string[]> {
    const { hosts, table } = await ownersOf(inForce(said), rule, decision);
    return Array.from(table, (index) => hosts[index]!);
  }
  const moved = (before: string[], after: string[], leaver: string | null) =>
    before.filter((owner, bucket) => owner !== after[bucket] && owner !== leaver).length;

  test('of hosts that stay do not move, through a round of restarts: only those of who leaves, and those to one host', async () => {
    // Each leaves in its turn; the one before it, back on standby by then, stands in for it.
    const steps: [leaver: string | null, said: Said][] = [
      [null, { mail1: 'up', mail2: 'up', mail3: 'up' }],
      ['mail1', { mail2: 'up', mail3: 'up' }],
      [null, { mail1: 'standby', mail2: 'up', mail3: 'up' }],
      ['mail2', { mail1: 'mail2', mail3: 'up' }],
      [null, { mail1: 'mail2', mail2: 'standby', mail3: 'up' }],
      ['mail3', { mail1: 'mail2', mail2: 'mail3' }],
      [null, { mail1: 'mail2', mail2: 'mail3', mail3: 'standby' }],
      ['mail1', { mail2: 'mail3', mail3: 'mail2' }],
    ];
    let before = await owners(steps[0]![1]);
    for (const [leaver, said] of steps) {
      const after = await owners(said);
      expect(moved(before, after, leaver), JSON.stringify(said)).toBe(0);
      before = after;
    }
  });

  test('without seats: who comes in takes a third of the clients of each of three hosts that stays', async () => {
    const before = await owners({ mail1: 'standby', mail2: 'up', mail3: 'up' });
    const after = await owners({ mail1: 'up', mail3: 'up' });
    const ofMail3 = before.filter((owner) => owner === 'mail3').length;
    expect(moved(before, after, 'mail2') / ofMail3).toBeCloseTo(1 / 3, 1);
  });

  test('are at the same host for the filter as for the tables, whatever the order of names and seats', async () => {
    for (const said of [
      { mail1: 'mail5', mail2: 'up', mail5: 'mail1' },
      { mail1: 'mail4', mail2: 'mail5', mail3: 'standby', mail4: 'mail3' },
    ] as Said[]) {
      const decided = inForce(said);
      const bytes = encodeView(decided, 'mail1');
      expect(decision.checkView(bytes)).toBeNull();
      const table = await owners(said);
      const names = Object.keys(said).sort();
      for (let i = 0; i < 300; i++) {
        const address = `192.0.2.${i % 256}`;
        const port = rule.portFirst;
        const outcome = decision.decide(bytes, {
          protocol: 'tcp',
          client: `${address}:${i}`,
          destination: `10.0.0.1:${port}`,
        });
        const { hashSeed, ipv6PrefixLength } = file;
        const bucket = decision.bucket({ affinity: rule.affinity, address, port: i, hashSeed, ipv6PrefixLength });
        expect(names[outcome.owner!]).toBe(table[bucket]);
      }
    }
  });

  const CROSSED: Said[] = [
    { mail1: 'mail5', mail2: 'up', mail5: 'mail1' },
    { mail1: 'mail4', mail2: 'mail5', mail3: 'standby', mail4: 'mail3' },
    { mail1: 'mail2', mail5: 'up' },
  ];

  test('are passed on by the kernel to who sits in the seat that owns them (mode arp)', async () => {
    for (const said of CROSSED) {
      const names = file.hosts.map(({ name }) => name);
      const planner = new HandoffPlanner(decision, 'mail1');
      const { rules, maps } = await planner.plan(inForce(said), new Set(names));
      const { owner } = rules[RULE]!;
      if (owner.kind !== 'buckets') throw new Error(`rule more0 is ${owner.kind}, expected buckets`);
      const ranks = maps.get(owner.ranks)!.elements as Uint16Array;
      const pairs = maps.get(owner.pairs)!.elements as Map<string, string>;
      const rest = maps.get(owner.rest)!.elements as Uint16Array;
      const table = await owners(said);
      const wrong = table.filter((host, bucket) => {
        const label = pairs.get(pairLabel(ranks[bucket]! >> 8, ranks[bucket]! & 0xff)) ?? hostLabel(rest[bucket]!);
        return hostOfLabel(label) !== planner.hosts.get(host);
      });
      expect(wrong).toEqual([]);
    }
  });

  test('are taken by the kernel of who sits in the seat that owns them, and by no other (mode multicast)', async () => {
    for (const said of CROSSED) {
      const table = await owners(said);
      for (const host of Object.keys(said)) {
        const tables = new OwnerTables(decision, () => file.hashSeed);
        const { rules } = await acceptanceOf(inForce(said), host, (...asked) => tables.ownersOf(...asked));
        const { takes } = rules[RULE]!;
        const own = table.map((owner) => (owner === host ? 1 : 0));
        expect(takes === 'none' ? own.includes(1) : [...(takes as Uint8Array)].join()).toEqual(
          takes === 'none' ? false : own.join(),
        );
      }
    }
  });

  test('a plan says who would stand in for a host that is lost, and what the history keeps is who did', async () => {
    const before = inForce({ mail1: 'standby', mail2: 'up', mail3: 'mail4', mail5: 'standby' });
    const none = { file: null, weights: [], drained: [], lost: [] };
    const seatsOf = ({ view }: InForce) =>
      view.hosts.map(({ rules }) => rules[RULE]!.standsInFor ?? rules[RULE]!.absence);
    const lost = changed(before, { ...none, lost: ['mail2'] });
    expect(seatsOf(lost)).toEqual(['mail2', null, 'mail4', 'standby']);
    // Where nobody else is left, each has its own.
    const both = changed(before, { ...none, lost: ['mail2', 'mail3'] });
    expect(seatsOf(both)).toEqual([null, null, 'mail4', null]);
    expect(seatsOf(changed(before, { ...none, file: structuredClone(file) }))).toEqual(seatsOf(before));
    const entry = entryOf(before, { ...lost, lostSince: [] }, { at: '', cause: '', convergingMs: 0 });
    expect(entry.changes).toEqual(['mail1: more0 stands in for mail2']);
    expect(seatsOf(inForceOf(JSON.parse(JSON.stringify(entry)), file))).toEqual(seatsOf(lost));
  });
});
