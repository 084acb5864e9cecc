import { describe, expect, it } from 'vitest';
import { FAULTS } from '../faults/faults.js';
import { type Evidence, isOneView, judge, oneViewMs } from '../faults/judge.js';
import type { Attempt, Sample } from '../faults/records.js';
import { DEFAULT_SETTINGS, runFault } from '../faults/run.js';
import { whyNoNetwork } from './network.js';

/** Short, and gentle to machines that are busy: the long form is `npm run faults`. */
const SETTINGS = { ...DEFAULT_SETTINGS, ratePerS: 30, clientCount: 60, sessionCount: 30, faultMs: 3000 };

const why = whyNoNetwork();
if (why) console.log(`skipped: faults on real processes: ${why}`);

describe.skipIf(why !== null)('a fault on real processes', () => {
  it.each(['host_kill', 'sidecar_kill', 'envoy_stop'])(
    '%s costs no new connection and moves nobody without cause',
    async (name) => {
      const { figures, notes } = await runFault(FAULTS[name]!, SETTINGS);
      const { failed_new, lost_open_to_others, served_by_outsider, moved_without_cause } = figures;
      const cost = { failed_new, lost_open_to_others, served_by_outsider, moved_without_cause };
      const none = { failed_new: 0, lost_open_to_others: 0, served_by_outsider: 0, moved_without_cause: 0 };
      expect(cost, notes.join('\n')).toEqual(none);
      expect(figures.new_connections).toBeGreaterThan(0);
      expect(figures.one_view_ms, notes.join('\n')).not.toBeNull();
      expect(figures.whole_again_ms, notes.join('\n')).not.toBeNull();
    },
  );
});

describe('the judge of faults', () => {
  const attempt = (over: Partial<Attempt>): Attempt => {
    return { client: 'a', entry: 'n1', startedMs: 1500, endedMs: 1510, host: 'n1', failure: null, ...over };
  };
  const sample = (atMs: number, asked: string, view: string, takers: string[]): Sample => {
    return { atMs, asked, view, isTaken: !view.endsWith('*'), takers };
  };
  /** n3 dies at 1000 ms; client a is owned by n1, c by n3. */
  const evidence = (over: Partial<Evidence>): Evidence => ({
    attempts: [],
    sessions: [],
    samples: [sample(900, 'n1', '1 x', ['n1', 'n2', 'n3']), sample(1400, 'n1', '2 x', ['n1', 'n2'])],
    owners: (client) => new Set([client === 'c' ? 'n3' : 'n1']),
    isDoomed: (entry, host) => entry === 'n3' || host === 'n3',
    mayMove: (owner) => owner === 'n3',
    closedEntries: ['n3'],
    faultMs: 1000,
    settledMs: 5000,
    ...over,
  });

  it('counts what failed through entry hosts that live, and not what was under way to the dead one', () => {
    const failed = { host: null, failure: 'ECONNRESET' };
    const attempts = [attempt(failed), attempt({ ...failed, entry: 'n3', startedMs: 990 }), attempt({})];
    expect(judge(evidence({ attempts })).failed_new).toBe(1);
  });

  it('counts a greeting by a host that took no part, from the last word before to the first after', () => {
    const late = attempt({ client: 'c', host: 'n3' });
    const early = { ...late, startedMs: 1390, endedMs: 1410 };
    expect(judge(evidence({ attempts: [late] })).served_by_outsider).toBe(1);
    expect(judge(evidence({ attempts: [early] })).served_by_outsider).toBe(0);
  });

  it("excuses a move of the dead host's clients while the fault lasts, and nothing else", () => {
    const moved = (over: Partial<Attempt>) => judge(evidence({ attempts: [attempt(over)] })).moved_without_cause;
    expect(moved({ client: 'c', host: 'n2' })).toBe(0);
    expect(moved({ client: 'c', host: 'n2', startedMs: 6000, endedMs: 6010 })).toBe(1);
    expect(moved({ client: 'c', host: 'n2', startedMs: 500, endedMs: 510 })).toBe(1);
    expect(moved({ client: 'a', host: 'n2' })).toBe(1);
  });

  it('tells lost connections of the dead from those of others', () => {
    const session = { client: 'a', entry: 'n1', host: 'n1', lostMs: 1200 };
    const sessions = [session, { ...session, host: 'n3' }, { ...session, entry: 'n3' }, { ...session, lostMs: null }];
    expect(judge(evidence({ sessions }))).toMatchObject({ lost_open_to_dead: 2, lost_open_to_others: 1 });
  });

  it('takes two views of one number for two, and an unsettled one for none', () => {
    const wanted = [{ asked: ['n1', 'n2'], takers: ['n1', 'n2'] }];
    const both = (first: string, second: string) => [
      sample(1100, 'n1', first, ['n1', 'n2']),
      sample(1300, 'n2', second, ['n1', 'n2']),
    ];
    expect(isOneView(both('2 x', '2 x'), wanted)).toBe(true);
    expect(isOneView(both('2 x', '2 y'), wanted)).toBe(false);
    expect(isOneView(both('2 x*', '2 x*'), wanted)).toBe(false);
    expect(oneViewMs(both('2 x', '2 x'), wanted, 1000, 2000)).toBe(300);
    expect(oneViewMs(both('2 x', '3 x'), wanted, 1000, 2000)).toBeNull();
  });
});
