/** Mode arp: from when on the silence of a link says that nobody has the virtual IPs. */
import { describe, expect, test } from 'vitest';
import { holderLeaseMs, permitMs } from '../../host/protocol/lease.js';
import { lostAfterMs } from '../../host/protocol/probing.js';
import { Asking } from '../../host/virtual-ip/asking.js';

/** A question takes 100 ms of this clock. */
function lab(countsFromMs: number) {
  let nowMs = 1000;
  const askedMs: number[] = [];
  const options = {
    clock: { nowMs: () => nowMs, wallIso: () => '' },
    countsFromMs: () => countsFromMs,
    prefix: [],
    file: () => {
      throw new Error('nobody answers, so nobody is named');
    },
    say: () => {},
    kernel: {
      whoAnswers: async () => {
        askedMs.push(nowMs);
        await Promise.resolve();
        nowMs += 100;
        return new Map<string, string>();
      },
    },
  };
  return { asking: new Asking(options), askedMs, at: (ms: number) => (nowMs = ms) };
}

const holder = {
  name: 'mail1',
  priority: 1,
  holds: true,
  wish: 'none',
  grade: 3,
  isIn: true,
  hearsUs: true,
  isSuspected: true,
  isWishKnown: true,
} as const;

describe('Asking', () => {
  test('asks ahead no sooner than what the silent host may have begun is in its kernel', async () => {
    const { asking, askedMs, at } = lab(1225);
    asking.askAhead([holder], 'mail2', 'eth0');
    at(1225);
    asking.askAhead([holder], 'mail2', 'eth0');
    await Promise.resolve();
    expect(askedMs).toEqual([1225]);
  });

  test('takes an answer for an answer only where it was asked late enough, and not long ago', async () => {
    const { asking, askedMs, at } = lab(1050);
    // Asked at 1,000, which does not count; asked again at 1,100.
    expect(await asking.isFree('eth0', false)).toBe(true);
    expect([askedMs, asking.isStillFree()]).toEqual([[1000, 1100], true]);
    expect(await asking.isFree('eth0', false)).toBe(true);
    expect(askedMs).toEqual([1000, 1100]);
    at(2300);
    expect(asking.isStillFree()).toBe(false);
  });

  test('says no where nothing that it could ask counts yet', async () => {
    expect(await lab(5000).asking.isFree('eth0', false)).toBe(false);
  });
});

test('a take that is begun with the last packet of a host is asked for before anybody calls that host lost', () => {
  for (const periodMs of [100, 200, 500, 1000, 10_000]) {
    // A question takes a tenth of a second and its programs, and one begun in time is not too old when it counts.
    expect(permitMs(periodMs) + 200).toBeLessThanOrEqual(lostAfterMs(periodMs));
    expect(holderLeaseMs(periodMs)).toBeLessThan(lostAfterMs(periodMs));
  }
});
