/** Who holds the virtual IPs in mode arp, from what the hosts say of themselves. */
import { describe, expect, test } from 'vitest';
import { type Contender, holderSeen, holderStep, isOutsider, wantsBack } from '../../host/protocol/holder.js';
import { holderLeaseMs, renewEveryMs } from '../../host/protocol/lease.js';
import { lostAfterMs } from '../../host/protocol/probing.js';

function host(priority: number, part: Partial<Contender> = {}): Contender {
  const name = `mail${priority}`;
  const usual = { holds: false, wish: 'none', grade: 3, isIn: true, hearsUs: true } as const;
  return { name, priority, ...usual, isSuspected: false, isWishKnown: true, ...part };
}

const step = (self: string, ...contenders: Contender[]) => holderStep(self, contenders, null);
const kinds = (...contenders: Contender[]) => contenders.map(({ name }) => step(name, ...contenders).kind);

describe('holderStep()', () => {
  test('gives the virtual IPs to the host of highest priority where nobody holds them', () => {
    expect(kinds(host(1), host(2), host(3))).toEqual(['take', 'leave', 'leave']);
    expect(kinds(host(2), host(3))).toEqual(['take', 'leave']);
  });

  test('leaves them with the holder, whoever comes', () => {
    expect(kinds(host(1), host(2, { holds: true }), host(3))).toEqual(['leave', 'keep', 'leave']);
  });

  test('takes them from a holder that is stopped, drains or takes part in nothing, where another does', () => {
    for (const grade of [0, 1, 2] as const) {
      expect(kinds(host(1, { holds: true, grade }), host(2))).toEqual(['letGo', 'leave']);
      expect(kinds(host(1, { grade }), host(2))[1]).toBe('take');
    }
  });

  test('leaves them with a host that drains where nobody else is left, and lets such a one take them', () => {
    expect(step('mail1', host(1, { holds: true, grade: 1 }))).toEqual({ kind: 'keep' });
    expect(step('mail1', host(1, { grade: 1 })).kind).toBe('take');
    expect(step('mail1', host(1, { holds: true, grade: 0 })).kind).toBe('letGo');
    expect(step('mail1', host(1, { grade: 0 })).kind).toBe('leave');
  });

  test('passes over a host that cannot hold them, and keeps them where no other can', () => {
    expect(kinds(host(1, { wish: 'unable' }), host(2))).toEqual(['leave', 'take']);
    expect(kinds(host(1, { wish: 'unable', holds: true }), host(2))).toEqual(['letGo', 'leave']);
    expect(step('mail1', host(1, { wish: 'unable', holds: true })).kind).toBe('keep');
  });

  test('moves them to a host that wants them: first the one lets go, then the other takes', () => {
    const wanting = host(3, { wish: 'wants' });
    expect(kinds(host(1, { holds: true }), host(2), wanting)).toEqual(['letGo', 'leave', 'leave']);
    expect(kinds(host(1), host(2), wanting)).toEqual(['leave', 'leave', 'take']);
  });

  test('after a split leaves them with one: the higher priority, or the one that is heard', () => {
    const second = host(2, { holds: true });
    expect(kinds(host(1, { holds: true }), second)).toEqual(['keep', 'letGo']);
    expect(step('mail1', host(1, { holds: true }), { ...second, hearsUs: false }).kind).toBe('letGo');
    expect(holderSeen([host(1), second, host(3, { holds: true })])).toBe('mail2');
  });

  test('gives nothing to a host that is not in the view', () => {
    expect(kinds(host(1, { isIn: false }), host(2))).toEqual(['leave', 'take']);
    expect(kinds(host(1, { isIn: false, holds: true }), host(2))).toEqual(['letGo', 'leave']);
  });

  describe('where the hosts of the view are in mode routed, which cannot hold them', () => {
    const routed = [host(1, { wish: 'unable' }), host(2, { wish: 'unable' })];
    const last = (part: Partial<Contender> = {}) => host(3, { isIn: false, grade: 2, ...part });
    const outside = (self: string, ...contenders: Contender[]) => holderStep(self, contenders, 'mail2').kind;

    test('lets the host that is outside keep them, and take them again', () => {
      expect(step('mail3', ...routed, last({ holds: true })).kind).toBe('keep');
      expect(outside('mail3', ...routed, last())).toBe('take');
      expect(outside('mail3', ...routed, last({ wish: 'unable' }))).toBe('leave');
      expect(outside('mail3', ...routed, last({ grade: 0 }))).toBe('leave');
    });

    test('gives them to the first of two that are outside, and to nobody beside one that holds them', () => {
      const second = host(4, { isIn: false, grade: 2 });
      const both = [...routed, last(), second];
      expect(['mail3', 'mail4'].map((name) => outside(name, ...both))).toEqual(['take', 'leave']);
      expect(outside('mail3', ...routed, last(), { ...second, holds: true })).toBe('leave');
    });

    test('gives them past a host that is outside and says that it was in no view: it is never to have them, nor to be waited for', () => {
      const wrong = last({ wish: 'unable' });
      const second = host(4, { isIn: false, grade: 2 });
      expect(['mail3', 'mail4'].map((name) => outside(name, ...routed, wrong, second))).toEqual(['leave', 'take']);
      expect([isOutsider('mail3', [...routed, wrong]), isOutsider('mail2', [...routed, wrong])]).toEqual([true, false]);
      expect(isOutsider('mail3', [wrong, second])).toBe(false);
    });

    test('gives them to the host that is outside only where every host of the view says so itself', () => {
      const others = host(2, { isWishKnown: false });
      expect(outside('mail3', routed[0]!, others, last())).toBe('leave');
      expect(outside('mail3', routed[0]!, host(2), last())).toBe('leave');
      expect(outside('mail3', last())).toBe('leave');
      expect(step('mail3', routed[0]!, others, last({ holds: true })).kind).toBe('keep');
      expect(step('mail3', routed[0]!, host(2), last({ holds: true })).kind).toBe('letGo');
    });
  });

  test('has one host act at most, whatever is said, once all have heard it', () => {
    const all = <T>(...values: T[]) => values;
    for (const wish of all('none', 'wants', 'unable') as Contender['wish'][]) {
      for (const grade of all(0, 1, 2, 3) as Contender['grade'][]) {
        for (const holding of [0, 1, 2, 3]) {
          const hosts = [1, 2, 3].map((n) => host(n, { holds: n === holding, ...(n === 1 ? { wish, grade } : {}) }));
          const acts = kinds(...hosts).filter((kind) => kind === 'take' || kind === 'keep');
          expect(acts.length, JSON.stringify(hosts)).toBeLessThanOrEqual(1);
        }
      }
    }
  });
});

describe('wantsBack()', () => {
  const hosts = [host(1), host(2, { holds: true })];
  test('is for the host of highest priority alone, and never without being asked for', () => {
    expect(wantsBack('mail1', hosts, 'never', 0)).toBe(false);
    expect(wantsBack('mail1', hosts, 'immediate', 0)).toBe(true);
    expect(wantsBack('mail2', [host(1, { holds: true }), host(2)], 'immediate', 0)).toBe(false);
    expect(wantsBack('mail1', [host(1, { grade: 2 }), hosts[1]!], 'immediate', 0)).toBe(false);
  });

  test('keeps to its time of day, also over midnight', () => {
    const night = { fromMinute: 23 * 60, toMinute: 2 * 60 };
    expect([22 * 60 + 59, 23 * 60, 0, 119, 120].map((minute) => wantsBack('mail1', hosts, night, minute))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});

test('a lease of the holder is over before others can call it lost, with a quarter to spare', () => {
  for (const periodMs of [100, 250, 1000, 10_000]) {
    const soonestMs = lostAfterMs(periodMs) - periodMs * 0.2;
    expect(holderLeaseMs(periodMs)).toBeLessThanOrEqual(soonestMs * 0.75);
    expect(renewEveryMs(periodMs) * 4).toBeLessThanOrEqual(holderLeaseMs(periodMs));
  }
});
