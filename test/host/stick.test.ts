/** From Envoy's log to the table, from the table to who is kept, and over a restart. */
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientLogFile, LOG_START, type LogPlace } from '../../host/edge/client-log-file.js';
import type { Decision } from '../../host/edge/decision.js';
import type { InForce } from '../../host/protocol/types.js';
import { includesKept, keptClients, keptCount, stickRulesOf } from '../../host/stick/kept.js';
import { readLogLine } from '../../host/stick/log-line.js';
import { OpenClients } from '../../host/stick/open-clients.js';
import { readSaved, restore, savedOf } from '../../host/stick/saved.js';
import { RecentClients } from '../../host/stick/table.js';
import { inForceOf } from '../filter/views.js';
import { freshDecision } from '../vectors/fresh-decision.js';

const RULE = { name: 'rdp', stickForMs: 60_000, form: 'single 1' };

/** A host without Envoy: addresses are numbers, which are their own hashes. */
function hostOf(self: string, takingPart: string[] = ['mail1', 'mail2', 'mail3']) {
  const table = new RecentClients(self);
  table.useRules([RULE]);
  const taking = new Set(takingPart);
  const hashOf = (rule: string, address: string) => (rule === 'rdp' ? Number(address) : null);
  const open = new OpenClients({ table, hashOf, takesPart: (host) => taking.has(host) });
  const say = (how: string, type: string, connection: number, address: number, nowMs = 0) => {
    const line = readLogLine(`${how} ${type} ${connection} nlb.service.rdp ${address}`);
    if (line) open.take(line, nowMs);
  };
  return {
    table,
    open,
    taking,
    begin: (connection: number, address: number, nowMs = 0) =>
      say('served', 'TcpUpstreamConnected', connection, address, nowMs),
    fallBack: (connection: number, address: number) => say('fallback', 'TcpUpstreamConnected', connection, address),
    end: (connection: number, address: number, nowMs = 0) =>
      say('served', 'TcpConnectionEnd', connection, address, nowMs),
    of: (address: number) => table.get('rdp', address),
  };
}

describe("Envoy's log of clients", () => {
  it('is read line by line; what went to another host, and what is no such line, is passed over', () => {
    expect(readLogLine('served TcpUpstreamConnected 17 nlb.service.rdp 2001:db8::7')).toEqual({
      connection: 17,
      isOpen: true,
      isFallback: false,
      rule: 'rdp',
      address: '2001:db8::7',
    });
    for (const text of [
      'served TcpUpstreamConnected 17 nlb.handoff.mail2.p1000 192.0.2.7',
      'served TcpConnectionEnd 17 - 192.0.2.7',
      'TcpConnectionEnd 17 nlb.service.rdp 192.0.2.7',
      '',
    ]) {
      expect(readLogLine(text)).toBeNull();
    }
  });

  it('makes clients recent from the end of their last connection on', () => {
    const host = hostOf('mail1');
    host.begin(1, 7);
    host.begin(2, 7);
    host.end(1, 7, 100);
    expect(host.of(7)!.isOpen).toBe(true);
    host.end(2, 7, 200);
    host.end(2, 7, 900);
    expect(host.of(7)).toMatchObject({ host: 'mail1', isOpen: false, seenMs: 200 });
  });

  it('ends all connections with the Envoy that had them', () => {
    const host = hostOf('mail1');
    host.begin(1, 7);
    host.begin(2, 8);
    // Number 1 again: another Envoy counts.
    host.begin(1, 9, 500);
    expect([7, 8, 9].map((address) => host.of(address)!.isOpen)).toEqual([false, false, true]);
    host.open.endAll(600);
    expect(host.of(9)).toMatchObject({ isOpen: false, seenMs: 600 });
  });

  it('leaves a client that was served in the stead of its silent host with that, until it is out of the view', () => {
    const host = hostOf('mail1');
    host.table.merge('mail2', 'rdp', [[7, 5, 0, 0]], 0);
    host.fallBack(1, 7);
    host.fallBack(2, 8);
    expect([host.of(7)!.host, host.of(8)!.host]).toEqual(['mail2', 'mail1']);
    host.open.look(10);
    expect(host.of(7)!.host).toBe('mail2');
    host.taking.delete('mail2');
    host.open.look(20);
    expect(host.of(7)).toMatchObject({ host: 'mail1', isOpen: true });
  });

  it('gives a client to the host that serves it, whoever did before', () => {
    const host = hostOf('mail1');
    host.table.merge('mail2', 'rdp', [[7, 5, 0, 1]], 0);
    host.begin(1, 7);
    expect(host.of(7)).toMatchObject({ host: 'mail1', claim: 6 });
  });
});

describe('who is kept', () => {
  let decision: Decision;
  let inForce: InForce;
  beforeAll(async () => {
    decision = await freshDecision();
  }, 120_000);
  beforeEach(() => {
    inForce = inForceOf([
      { name: 'web', parts: [50, 50, 50] },
      { name: 'rdp', portFirst: 3389, portLast: 3389, parts: [50, 50, 50] },
    ]);
    inForce.file.portRules[1]!.stickForMs = 60_000;
  });
  const keptBy = (table: RecentClients, nowMs = 0) =>
    keptClients(table, inForce, (...asked) => decision.ownersOf(...asked), nowMs);
  const all = Array.from({ length: 300 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);
  /** All were served by mail1. */
  function tableOf(): RecentClients {
    const table = new RecentClients('mail2');
    table.useRules(stickRulesOf(inForce.file));
    table.merge(
      'mail1',
      'rdp',
      all.map((hash) => [hash, 1, 0, 0]),
      0,
    );
    return table;
  }

  it('is who is not at its owner, and nobody else', async () => {
    const kept = (await keptBy(tableOf())).get(1)!;
    const hosts = ['mail1', 'mail2', 'mail3'].map((name) => ({ name, loadWeight: 50 }));
    const elsewhere = all.filter(
      (hash) => decision.owners(hash >>> 16, hosts, inForce.file.hashSeed).owner !== 'mail1',
    );
    expect(elsewhere.length).toBeGreaterThan(150);
    expect(kept).toEqual(elsewhere.map((hash) => ({ hash, host: 'mail1' })));
  });

  it('is nobody at a host that takes no part, is lost, or was left too long ago', async () => {
    const table = tableOf();
    expect(keptCount(await keptBy(table, 59_999))).toBeGreaterThan(0);
    expect(keptCount(await keptBy(table, 60_000))).toBe(0);
    expect(
      keptCount(await keptClients(table, { ...inForce, lostSince: ['mail1'] }, (...a) => decision.ownersOf(...a), 0)),
    ).toBe(0);
    inForce.view.hosts[0]!.rules[1] = { loadWeight: 0, handlingPriority: 0, absence: 'draining' };
    expect(keptCount(await keptBy(table))).toBe(0);
  });

  it('includesKept() sees who is missing and who is elsewhere', () => {
    const one = new Map([
      [
        1,
        [
          { hash: 1, host: 'mail1' },
          { hash: 2, host: 'mail2' },
        ],
      ],
    ]);
    const less = new Map([[1, [{ hash: 2, host: 'mail2' }]]]);
    const moved = new Map([[1, [{ hash: 2, host: 'mail3' }]]]);
    expect([
      includesKept(one, less),
      includesKept(less, one),
      includesKept(one, moved),
      includesKept(one, new Map()),
    ]).toEqual([true, false, false, true]);
  });
});

describe('a restart of the sidecar', () => {
  const at = '2026-11-26T12:00:00.000Z';
  const later = (s: number) => Date.parse(at) + s * 1000;

  it('goes on with ages, claims and open connections; time that passed counts', () => {
    const before = hostOf('mail1');
    before.begin(1, 7, 1000);
    before.begin(2, 8, 1000);
    before.end(2, 8, 2000);
    before.table.merge('mail2', 'rdp', [[9, 40, 500, 0]], 2000);
    const saved = savedOf(before.table, before.open, { at, nowMs: 5000, envoyPid: 77, log: { inode: 3, offset: 100 } });
    const after = hostOf('mail1');
    restore(after.table, after.open, readSaved(JSON.parse(JSON.stringify(saved)), 'mail1')!, {
      nowMs: 90,
      wallMs: later(10),
    });
    expect(after.of(7)).toMatchObject({ host: 'mail1', isOpen: true });
    expect(after.table.ageOf(after.of(8)!, 90)).toBe(13_000);
    expect(after.table.ageOf(after.of(9)!, 90)).toBe(13_500);
    after.end(1, 7, 100);
    expect(after.of(7)!.isOpen).toBe(false);
    after.begin(3, 10);
    expect(after.of(10)!.claim).toBe(41);
  });

  it('takes no connection for open that nobody knows of, nor an age below what was saved under a clock set back', () => {
    const before = hostOf('mail1');
    before.begin(1, 7);
    const saved = { ...savedOf(before.table, before.open, { at, nowMs: 0, envoyPid: 77, log: null }), open: [] };
    const after = hostOf('mail1');
    restore(after.table, after.open, saved, { nowMs: 0, wallMs: later(-3600) });
    expect(after.of(7)!.isOpen).toBe(false);
    expect(after.table.ageOf(after.of(7)!, 0)).toBe(0);
  });

  it('uses nothing of another host, of another form, or that is cut', () => {
    const before = hostOf('mail1');
    before.begin(1, 7);
    const saved = savedOf(before.table, before.open, { at, nowMs: 0, envoyPid: 77, log: null });
    expect(readSaved(saved, 'mail2')).toBeNull();
    for (const value of [null, 7, {}, { ...saved, at: 'x' }, { ...saved, open: null }])
      expect(readSaved(value, 'mail1')).toBeNull();
    const other = new RecentClients('mail1');
    other.useRules([{ ...RULE, form: 'single 2' }]);
    restore(other, before.open, saved, { nowMs: 0, wallMs: later(0) });
    expect(other.count).toBe(0);
  });
});

describe("following Envoy's log", () => {
  let directory: string;
  let path: string;
  let lines: string[];
  let reopened: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nlb-clients-'));
    path = join(directory, 'clients.log');
    lines = [];
    reopened = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  /** Envoy, which goes on with the file it has opened until it is told to open it anew. */
  const follow = (from: LogPlace | null = null, reopen: () => void = () => writeFileSync(path, '')) =>
    new ClientLogFile({
      path,
      from,
      take: (line) => lines.push(line),
      reopen: async () => {
        reopened += 1;
        reopen();
      },
    });

  it('takes whole lines, also of a file that comes later', () => {
    const log = follow();
    expect(log.look()).toBe(true);
    writeFileSync(path, 'one\ntw');
    log.look();
    appendFileSync(path, 'o\nthree\n');
    log.look();
    expect(lines).toEqual(['one', 'two', 'three']);
    log.close();
  });

  it('goes on where the life before left off, with a line that was half read, and begins behind what it never knew', () => {
    writeFileSync(path, 'long ago\n');
    const log = follow();
    appendFileSync(path, 'one\ntw');
    log.look();
    const { place } = log;
    log.close();
    appendFileSync(path, 'o\n');
    const again = follow(place);
    again.look();
    expect(lines).toEqual(['one', 'two']);
    again.close();
  });

  it('reads all of a log that begins after the life before had saved', () => {
    writeFileSync(path, 'one\n');
    const log = follow(LOG_START);
    log.look();
    expect(lines).toEqual(['one']);
    log.close();
  });

  it('keeps the file small and loses nothing: the old one is read to its end, then removed', async () => {
    const log = follow();
    const line = `${'x'.repeat(99)}\n`;
    writeFileSync(path, line.repeat(11_000));
    while (reopened === 0) {
      log.look();
      await Promise.resolve();
    }
    appendFileSync(`${path}.read`, 'late\n');
    appendFileSync(path, 'new\n');
    const saved = log.place;
    for (let i = 0; i < 8; i++) {
      log.look();
      await Promise.resolve();
    }
    expect(lines.slice(11_000)).toEqual(['late', 'new']);
    expect([existsSync(`${path}.read`), statSync(path).size]).toEqual([false, 4]);
    log.close();
    expect(saved).not.toBeNull();
  });

  it('reads on in the old file where the sidecar ended in between', () => {
    writeFileSync(path, 'one\n');
    const log = follow();
    appendFileSync(path, 'two\n');
    log.look();
    const { place } = log;
    log.close();
    renameSync(path, `${path}.read`);
    appendFileSync(`${path}.read`, 'three\n');
    writeFileSync(path, 'four\n');
    const again = follow(place);
    for (let i = 0; i < 8; i++) again.look();
    expect(lines).toEqual(['two', 'three', 'four']);
    again.close();
  });
});
