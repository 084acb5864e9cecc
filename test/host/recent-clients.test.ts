/** The table of recent clients: whose claim counts, what is recent, what is forgotten; and two tables that tell each other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Exchange, readMessage, ROWS_MAX } from '../../host/stick/exchange.js';
import { RecentClients, type StickRule } from '../../host/stick/table.js';

const RULE: StickRule = { name: 'rdp', stickForMs: 60_000, form: 'single 1' };
const X = 0xcafe0001;

function tableOf(self: string, bounds?: { rule: number; all: number }, rules: StickRule[] = [RULE]): RecentClients {
  const table = new RecentClients(self, bounds);
  table.useRules(rules);
  return table;
}

class Host {
  readonly table: RecentClients;
  readonly exchange: Exchange;

  constructor(
    readonly name: string,
    rules: StickRule[] = [RULE],
  ) {
    this.table = tableOf(name, undefined, rules);
    this.exchange = new Exchange(this.table, `life of ${name}`);
  }

  /** One exchange, as JSON on the wire. */
  ask(other: Host, nowMs = 0): void {
    const wire = (message: unknown) => readMessage(JSON.parse(JSON.stringify(message)))!;
    other.exchange.take(this.name, wire(this.exchange.messageFor(other.name, nowMs)), nowMs);
    this.exchange.take(other.name, wire(other.exchange.messageFor(this.name, nowMs)), nowMs);
  }

  hostOf(hash: number): string | null {
    return this.table.get('rdp', hash)?.host ?? null;
  }
}

describe('a client', () => {
  it('is recent while a connection is open, and for stickFor after the end of the last', () => {
    const table = tableOf('mail1');
    table.claim('rdp', X, 0);
    expect(table.isRecent('rdp', table.get('rdp', X)!, 10 * 60_000)).toBe(true);
    table.ended('rdp', X, 100_000);
    expect(table.isRecent('rdp', table.get('rdp', X)!, 159_999)).toBe(true);
    expect(table.isRecent('rdp', table.get('rdp', X)!, 160_000)).toBe(false);
    table.prune(160_000);
    expect(table.count).toBe(0);
  });

  it('is not remembered under a rule that is not sticky', () => {
    const table = tableOf('mail1');
    table.claim('web', X, 0);
    expect(table.count).toBe(0);
  });

  it('belongs to the newest claim on every host, in whatever order they hear of them', () => {
    const [a, b, c] = ['mail1', 'mail2', 'mail3'].map((name) => new Host(name)) as [Host, Host, Host];
    a.table.claim('rdp', X, 0);
    a.ask(b);
    b.table.claim('rdp', X, 5);
    c.ask(b, 10);
    c.ask(a, 20);
    expect([a, b, c].map((host) => host.hostOf(X))).toEqual(['mail1', 'mail2', 'mail2']);
    a.ask(b, 30);
    expect(a.hostOf(X)).toBe('mail2');
  });

  it('that two hosts claim at the same time belongs to one of them, the same on all', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    a.table.claim('rdp', X, 0);
    b.table.claim('rdp', X, 0);
    a.ask(b);
    expect([a.hostOf(X), b.hostOf(X)]).toEqual(['mail2', 'mail2']);
  });

  it('that a host claims which never heard of the claim before stays with the newer one', () => {
    const [a, b, c] = ['mail1', 'mail2', 'mail3'].map((name) => new Host(name)) as [Host, Host, Host];
    for (let i = 0; i < 50; i++) a.table.claim('rdp', i, 0);
    a.table.claim('rdp', X, 0);
    a.ask(b);
    // mail1 dies; mail3 comes and hears of mail2 alone, which tells it how far claims have come.
    c.ask(b, 10);
    c.table.claim('rdp', X, 20);
    a.ask(c, 30);
    expect([a.hostOf(X), c.hostOf(X)]).toEqual(['mail3', 'mail3']);
  });

  it('of a host that is not heard of any more is open until it was heard last', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    a.table.claim('rdp', X, 0);
    a.ask(b, 0);
    const client = b.table.get('rdp', X)!;
    expect(b.table.ageOf(client, 20_000)).toBe(0);
    expect(b.table.ageOf(client, 50_000)).toBe(50_000);
    b.table.heard('mail1', 0, 55_000);
    expect(b.table.ageOf(client, 70_000)).toBe(0);
  });

  it('keeps its age on the way, whatever the clocks of the hosts say', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    a.table.claim('rdp', X, 1000);
    a.table.ended('rdp', X, 2000);
    b.exchange.take('mail1', a.exchange.messageFor('mail2', 32_000), 9_000_000);
    expect(b.table.ageOf(b.table.get('rdp', X)!, 9_000_000)).toBe(30_000);
  });
});

describe('the table', () => {
  it('is bounded by rule and in all; those longest unseen make room, before those with a connection', () => {
    const rules = [RULE, { ...RULE, name: 'web' }];
    const table = tableOf('mail1', { rule: 10, all: 15 }, rules);
    table.claim('rdp', 1, 0);
    for (let i = 2; i <= 12; i++) {
      table.claim('rdp', i, i);
      table.ended('rdp', i, i);
    }
    expect(table.count).toBe(10);
    expect([1, 2, 3, 4, 12].map((hash) => table.get('rdp', hash) !== null)).toEqual([true, false, false, true, true]);
    for (let i = 1; i <= 10; i++) table.claim('web', i, 20);
    expect(table.count).toBe(15);
    expect(table.forgottenCount).toBe(7);
  });

  it('forgets a rule that is no more, or is hashed otherwise, and keeps one whose stickFor alone changed', () => {
    const table = tableOf('mail1');
    table.claim('rdp', X, 0);
    table.useRules([{ ...RULE, stickForMs: 5 }]);
    expect(table.count).toBe(1);
    table.useRules([{ ...RULE, form: 'single 2' }]);
    expect(table.count).toBe(0);
  });
});

describe('an exchange', () => {
  it('brings both up to date, whoever begins, and then there is nothing to tell', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    a.table.claim('rdp', 1, 0);
    b.table.claim('rdp', 2, 0);
    expect(a.exchange.isBehind('mail2')).toBe(true);
    a.ask(b);
    expect([a, b].map((host) => [host.hostOf(1), host.hostOf(2)])).toEqual(Array(2).fill(['mail1', 'mail2']));
    a.ask(b);
    expect([a.exchange.isBehind('mail2'), b.exchange.isBehind('mail1')]).toEqual([false, false]);
    expect(a.exchange.messageFor('mail2', 0).rules).toEqual([]);
  });

  it('goes on in parts where there is much, and sends only the last change of a client', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    for (let i = 0; i < ROWS_MAX + 500; i++) a.table.claim('rdp', i, 0);
    for (let i = 0; i < 100; i++) a.table.ended('rdp', i, 0);
    a.ask(b);
    expect(b.table.count).toBe(ROWS_MAX);
    expect(b.exchange.isBehind('mail1')).toBe(true);
    b.ask(a);
    b.ask(a);
    expect([b.table.count, b.exchange.isBehind('mail1')]).toEqual([ROWS_MAX + 500, false]);
    expect(b.table.get('rdp', 99)!.isOpen).toBe(false);
  });

  it('begins anew with a host whose sidecar was started again, also where that has lost everything', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2')];
    a.table.claim('rdp', 1, 0);
    a.ask(b);
    const again = new Host('mail2');
    again.exchange.take('mail1', a.exchange.messageFor('mail2', 0), 0);
    again.ask(a);
    expect(again.hostOf(1)).toBe('mail1');
    const other = new Exchange(a.table, 'another life');
    again.exchange.take('mail1', other.messageFor('mail2', 0), 0);
    expect(again.exchange.isBehind('mail1')).toBe(false);
  });

  it('waits where a rule is hashed otherwise there, as while a new file comes into force', () => {
    const [a, b] = [new Host('mail1'), new Host('mail2', [{ ...RULE, form: 'single 2' }])];
    a.table.claim('rdp', 1, 0);
    a.ask(b);
    expect([b.table.count, b.exchange.isBehind('mail1')]).toEqual([0, true]);
    b.table.useRules([RULE]);
    b.ask(a);
    expect(b.hostOf(1)).toBe('mail1');
  });

  it('loses nothing and agrees in the end, however messages are lost, repeated and turned around', () => {
    const hosts = 3;
    const event = fc.record({ from: fc.nat(hosts - 1), to: fc.nat(hosts - 1), what: fc.nat(3), hash: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const all = Array.from({ length: hosts }, (_, i) => new Host(`mail${i + 1}`));
        const old: [string, Host, ReturnType<Exchange['messageFor']>][] = [];
        events.forEach(({ from, to, what, hash }, nowMs) => {
          const [a, b] = [all[from]!, all[to]!];
          if (what === 0) a.table.claim('rdp', hash, nowMs);
          else if (what === 1) a.table.ended('rdp', hash, nowMs);
          else if (a !== b && what === 2) old.push([a.name, b, a.exchange.messageFor(b.name, nowMs)]);
          else for (const [name, host, message] of old.splice(hash)) host.exchange.take(name, message, nowMs);
        });
        for (let i = 0; i < 4; i++) for (const a of all) for (const b of all) if (a !== b) a.ask(b, 1000);
        const known = all.map((host) => Array.from({ length: 8 }, (_, hash) => host.hostOf(hash)));
        expect(known).toEqual(Array(hosts).fill(known[0]));
        expect(all.some((a) => all.some((b) => a !== b && a.exchange.isBehind(b.name)))).toBe(false);
      }),
    );
  });

  it('refuses what is none', () => {
    const lawful = new Host('mail1').exchange.messageFor('mail2', 0);
    expect(readMessage(lawful)).toBe(lawful);
    for (const change of [{ to: -1 }, { have: null }, { rules: [{ name: 'x' }] }, { clock: 1.5 }, { life: 3 }]) {
      expect(readMessage({ ...lawful, ...change })).toBeNull();
    }
    const row = (clients: unknown[]) => readMessage({ ...lawful, rules: [{ name: 'rdp', form: 'f', clients }] });
    expect([row([[1, 2, 3, 1]]) === null, row([[1, 2, 3]]), row([[1, 2, -3, 1]]), row(['x'])]).toEqual([
      false,
      null,
      null,
      null,
    ]);
    for (const body of [null, 7, 'text', [], {}]) expect(readMessage(body)).toBeNull();
  });
});
