/** The judge of `npm start -- --check`: it must say no in every way a cluster can break its promises. */
import { describe, expect, test } from 'vitest';
import type { ClusterStatus } from '../../host/admin/status.js';
import type { Attempt, Delivery } from '../demo/client.js';
import type { StoredMail } from '../demo/mailbox.js';
import type { Sample } from '../demo/status.js';
import {
  inForceDuring,
  judgeAcceptance,
  judgeAffinity,
  judgeClientAddresses,
  judgeEntryHosts,
  judgeShares,
  judgeStorage,
  judgeTime,
} from '../demo/verdict.js';

const CLIENT = '127.8.0.1';

function attemptOf(entry: string, servedBy: string | null, startedMs: number, more: Partial<Attempt> = {}): Attempt {
  const greetedMs = servedBy === null ? null : startedMs + 5;
  const failure = servedBy === null ? 'connection closed' : null;
  return { entry, startedMs, greetedMs, endedMs: startedMs + 10, servedBy, failure, isUnsure: false, ...more };
}

function deliveryOf(id: string, attempts: Attempt[], client = CLIENT): Delivery {
  return { message: { id, client }, attempts, accepted: attempts.at(-1)?.failure === null };
}

function mailOf(id: string, host: string, client = CLIENT): StoredMail {
  return { host, client, messageId: `<${id}>`, file: `${host}/${id}.eml` };
}

/** Samples each 100 ms from 0 to 5 s on every entry host; `viewAt` gives the number of the view by time. */
function samplesOf(viewAt: (ms: number) => number, lostSince: string[] = []): Sample[] {
  const samples: Sample[] = [];
  for (let ms = 0; ms < 5000; ms += 100) {
    for (const host of ['mail1', 'mail2', 'mail3']) {
      const status = { view: { number: viewAt(ms) }, lostSince } as unknown as ClusterStatus;
      samples.push({ host, askedMs: ms, answeredMs: ms + 2, status });
    }
  }
  return samples;
}

describe('judgeAcceptance()', () => {
  test('passes when all were accepted, and counts those that needed another try', () => {
    const retried = deliveryOf('b', [attemptOf('mail1', null, 0), attemptOf('mail2', 'mail2', 400)]);
    const verdict = judgeAcceptance([deliveryOf('a', [attemptOf('mail1', 'mail1', 0)]), retried], 2);
    expect(verdict).toEqual({
      pass: true,
      text: '2 of 2 messages accepted, 1 of them at a later try, the slowest after 0.4 s',
    });
  });

  test('fails on one message that was never accepted, and says why', () => {
    const verdict = judgeAcceptance([deliveryOf('a', [attemptOf('mail1', null, 0)])], 1);
    expect(verdict.pass).toBe(false);
    expect(verdict.text).toContain('a last: connection closed');
  });
});

test('judgeEntryHosts() fails when an entry host was never used', () => {
  const deliveries = [deliveryOf('a', [attemptOf('mail1', 'mail1', 0)])];
  expect(judgeEntryHosts(deliveries, ['mail1']).pass).toBe(true);
  expect(judgeEntryHosts(deliveries, ['mail1', 'mail2']).pass).toBe(false);
});

describe('judgeStorage()', () => {
  const accepted = deliveryOf('a', [attemptOf('mail1', 'mail2', 0)]);

  test('passes when the host that accepted a message has it', () => {
    expect(judgeStorage([accepted], [mailOf('a', 'mail2')]).pass).toBe(true);
  });
  test('fails when an accepted message is nowhere, or only at another host', () => {
    expect(judgeStorage([accepted], []).pass).toBe(false);
    expect(judgeStorage([accepted], [mailOf('a', 'mail1')]).pass).toBe(false);
  });
  test('fails on a copy that no cut session explains, and allows one that a cut explains', () => {
    const twice = [mailOf('a', 'mail2'), mailOf('a', 'mail3')];
    expect(judgeStorage([accepted], twice).pass).toBe(false);
    const cut = attemptOf('mail3', 'mail3', 0, { failure: 'connection closed', isUnsure: true });
    expect(judgeStorage([deliveryOf('a', [cut, attemptOf('mail1', 'mail2', 9)])], twice).pass).toBe(true);
  });
});

test('judgeClientAddresses() fails when a server saw another address than the client came from', () => {
  const deliveries = [deliveryOf('a', [attemptOf('mail1', 'mail2', 0)])];
  expect(judgeClientAddresses(deliveries, [mailOf('a', 'mail2')]).pass).toBe(true);
  expect(judgeClientAddresses(deliveries, [mailOf('a', 'mail2', '127.0.1.1')]).pass).toBe(false);
  expect(judgeClientAddresses(deliveries, []).pass).toBe(false);
});

describe('inForceDuring()', () => {
  const samples = samplesOf((ms) => (ms < 2000 ? 3 : 4));

  test('names the view that held from before a try to after its greeting', () => {
    expect(inForceDuring(attemptOf('mail1', 'mail2', 1500), samples)).toBe('view 3');
    expect(inForceDuring(attemptOf('mail1', 'mail2', 2500), samples)).toBe('view 4');
  });
  test('is not certain while the view changes, and for a moment after', () => {
    expect(inForceDuring(attemptOf('mail1', 'mail2', 1950, { greetedMs: 2050 }), samples)).toBeNull();
    expect(inForceDuring(attemptOf('mail1', 'mail2', 2150), samples)).toBeNull();
  });
  test('tells a view apart from the same view less a lost host', () => {
    const less = samplesOf(() => 3, ['mail3']);
    expect(inForceDuring(attemptOf('mail1', 'mail2', 1500), less)).toBe('view 3 less mail3');
  });
});

describe('judgeAffinity()', () => {
  const samples = samplesOf((ms) => (ms < 2000 ? 3 : 4));
  const one = (entry: string, servedBy: string, at: number) =>
    deliveryOf(`${entry}.${at}`, [attemptOf(entry, servedBy, at)]);

  test('passes when a client met one host through all entry hosts', () => {
    const verdict = judgeAffinity([one('mail1', 'mail2', 1000), one('mail3', 'mail2', 1100)], samples, 0);
    expect(verdict.pass).toBe(true);
    expect(verdict.text).toContain('2 connections compared (view 3)');
  });
  test('fails when a client met two hosts in one view', () => {
    const verdict = judgeAffinity([one('mail1', 'mail2', 1000), one('mail2', 'mail3', 1100)], samples, 9);
    expect(verdict.pass).toBe(false);
    expect(verdict.text).toContain('127.8.0.1 in view 3: mail1 -> mail2, mail2 -> mail3');
  });
  test('allows another host in another view', () => {
    const deliveries = [1000, 2500].flatMap((at) => {
      const host = at < 2000 ? 'mail2' : 'mail3';
      return [one('mail1', host, at), one('mail2', host, at + 100)];
    });
    expect(judgeAffinity(deliveries, samples, 0).pass).toBe(true);
  });
  test('excepts what an entry host served itself only as far as fallbacks were counted', () => {
    const deliveries = [one('mail1', 'mail1', 1000), one('mail2', 'mail3', 1100), one('mail3', 'mail3', 1200)];
    expect(judgeAffinity(deliveries, samples, 1).pass).toBe(true);
    expect(judgeAffinity(deliveries, samples, 0).pass).toBe(false);
  });
  test('fails when there was nothing to compare', () => {
    expect(judgeAffinity([one('mail1', 'mail1', 1000)], samples, 0).pass).toBe(false);
  });
});

test('judgeShares() allows four standard deviations and no more', () => {
  const clients = (counts: Record<string, number>) => {
    const hosts = Object.entries(counts).flatMap(([host, n]) => Array<string>(n).fill(host));
    return new Map(hosts.map((host, i) => [`127.8.0.${i}`, host]));
  };
  const expected = new Map([
    ['mail1', 0.5],
    ['mail2', 0.5],
  ]);
  expect(judgeShares(clients({ mail1: 69, mail2: 31 }), expected).pass).toBe(true);
  expect(judgeShares(clients({ mail1: 71, mail2: 29 }), expected).pass).toBe(false);
  expect(judgeShares(new Map(), expected).pass).toBe(false);
});

test('judgeTime() fails where it did not happen in time', () => {
  expect(judgeTime('mail3 is out', 1234, 6500)).toEqual({
    pass: true,
    text: 'mail3 is out after 1.2 s (at most 6.5 s)',
  });
  expect(judgeTime('mail3 is out', null, 6500)).toEqual({ pass: false, text: 'mail3 is out: not within 6.5 s' });
});
