/** Events: NLB's numbers, and the two forms of the log. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../host/edge/log.js';
import type { NoticeCause } from '../../host/protocol/events.js';
import {
  CONTROL_KINDS,
  type ControlCause,
  controlLine,
  EVENT_KINDS,
  noticeLine,
  OWN_KINDS,
  ownLine,
} from '../../host/event-number.js';

const said = { cause: 'hostLost', host: 'mail2', detail: 'host mail2 is lost' } as const;
const notice = { kind: 'notice', nowMs: 0, ...said, todo: null } as const;

const NOTICES: [NoticeCause, number][] = [
  ['started', 4],
  ['viewInForce', 28],
  ['viewInForceAsDefault', 29],
  ['lateTick', 105],
  ['keepsTime', 106],
];
const CONTROLS: [ControlCause, number][] = [
  ['hostStarted', 5],
  ['hostStopped', 6],
  ['drainStarted', 44],
  ['allRulesDraining', 41],
];

describe('noticeLine()', () => {
  test('gives a notice the number that NLB had for it', () => {
    const fields = { cause: 'hostLost', host: 'mail2', event: 69 };
    expect(noticeLine(notice)).toEqual(['warning', 'hostLost mail2 host mail2 is lost', 'host mail2 is lost', fields]);
    expect(noticeLine({ ...notice, cause: 'damped' })[3]).toEqual({ cause: 'damped', host: 'mail2' });
  });

  test.each(NOTICES)('gives %s the number %i', (cause, event) => {
    expect(noticeLine({ ...notice, cause })[3]).toEqual({ cause, host: 'mail2', event });
  });

  test.each(CONTROLS)('gives what was asked of a host its number: %s has %i', (cause, event) => {
    expect(controlLine(cause, 'mail1', 'asked')[3]).toEqual({ cause, host: 'mail1', event });
  });

  test('docs/events.md has every cause with its number and level', () => {
    const text = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \| (\d*) ?\| (\w+) \|/gm)].map(([, cause, number, level]) => [
      cause,
      { number: number === '' ? null : Number(number), level },
    ]);
    const kinds = { ...EVENT_KINDS, ...CONTROL_KINDS, ...OWN_KINDS };
    expect(Object.fromEntries(rows)).toEqual(kinds);
    expect(rows.map(([cause]) => cause)).toEqual(Object.keys(kinds));
  });
});

test('ownLine() gives a view that changes too often a cause, and a full table the number of NLB', () => {
  const often = ownLine('viewsChangeOften', 'mail1', '6 changes');
  expect(often).toEqual(['warning', 'viewsChangeOften', '6 changes', { cause: 'viewsChangeOften', host: 'mail1' }]);
  expect(ownLine('clientsFull', 'mail1', 'full')[3]).toEqual({ cause: 'clientsFull', host: 'mail1', event: 117 });
});

test('the log has a text form and a JSON form: whose it is, cause, host, number, and repeats once a minute with their count', () => {
  const clock = { ms: 0, nowMs: () => clock.ms, wallIso: () => '2026-11-22T21:04:19.123Z' };
  const said = (form: 'text' | 'json'): string[] => {
    const lines: string[] = [];
    clock.ms = 0;
    const log = createLog(clock, (line) => lines.push(line), form);
    log.identify('mail.example.org', 'mail1');
    for (let i = 0; i < 3; i++) log.repeating(...noticeLine(notice));
    log.info('two\nlines');
    clock.ms = 60_000;
    log.flush();
    return lines;
  };
  expect(said('text')).toEqual([
    '2026-11-22T21:04:19.123Z warning: host mail2 is lost\n',
    '2026-11-22T21:04:19.123Z two | lines\n',
    '2026-11-22T21:04:19.123Z warning: host mail2 is lost (2 more since then)\n',
  ]);
  const time = '2026-11-22T21:04:19.123Z';
  const whose = { cluster: 'mail.example.org', sidecar: 'mail1' };
  const lost = {
    time,
    level: 'warning',
    ...whose,
    cause: 'hostLost',
    host: 'mail2',
    event: 69,
    msg: 'host mail2 is lost',
  };
  expect(said('json').map((line) => JSON.parse(line))).toEqual([
    lost,
    { time, level: 'info', ...whose, msg: 'two\nlines' },
    { ...lost, moreCount: 2 },
  ]);
});
