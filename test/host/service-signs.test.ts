/** Envoy's counts of connects that failed and of connections without a byte, and what they are taken for. The clock is the test's, timers are vitest's. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceSigns } from '../../host/edge/service-signs.js';

let counts: Record<string, number>;
let asked: number;
let tookMs: number;
let isServing: boolean;
let failed: string[];
/** By rule: how many wait for a first byte at all, and for a second or longer. */
let waiting: Record<string, [number, number]>;
let more: Record<string, number>;
let signs: ServiceSigns;

beforeEach(() => {
  vi.useFakeTimers();
  [counts, asked, tookMs, isServing, failed, waiting, more] = [{ smtp: 7 }, 0, 1, true, [], {}, {}];
  signs = new ServiceSigns({
    admin: {
      async stats() {
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, tookMs));
        if (tookMs > 1000) throw new Error('Envoy does not answer');
        const failures = Object.entries(counts).map(
          ([rule, count]) => [`${rule}.upstream_cx_connect_fail`, count] as const,
        );
        const all = [...failures, ...Object.entries(more).map(([stat, count]) => [`smtp.${stat}`, count] as const)];
        return new Map(all.map(([name, count]) => [`cluster.nlb.service.${name}`, count]));
      },
    },
    clock: { nowMs: () => Date.now(), wallIso: () => '' },
    isServing: () => isServing,
    onFailure: (rule) => void failed.push(rule),
    onWaiting: (rule, waitingFor) => {
      waiting[rule] = [waitingFor(0), waitingFor(1000)];
    },
  });
  signs.start();
});
afterEach(() => {
  signs.stop();
  vi.useRealTimers();
});

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('ServiceSigns', () => {
  it('tells a connect that failed since it last asked, within a quarter of a second, and no older one', async () => {
    await after(1000);
    expect(failed).toEqual([]);
    counts = { smtp: 9, imap: 1 };
    await after(250);
    expect(failed).toEqual(['smtp', 'imap']);
    await after(1000);
    expect(failed).toEqual(['smtp', 'imap']);
  });

  it('takes what another Envoy has counted for no sign', async () => {
    await after(1000);
    isServing = false;
    await after(300);
    [isServing, counts] = [true, { smtp: 12 }];
    await after(500);
    counts = { smtp: 0 };
    await after(500);
    expect(failed).toEqual([]);
  });

  it('asks an Envoy less often that takes its time', async () => {
    await after(1000);
    const quick = asked;
    tookMs = 50;
    await after(10_000);
    expect(quick).toBe(4);
    expect(asked - quick).toBeGreaterThan(5);
    expect(asked - quick).toBeLessThan(12);
  });

  it('goes on where Envoy does not answer', async () => {
    tookMs = 2000;
    await after(50_000);
    tookMs = 1;
    await after(50_000);
    counts = { smtp: 8 };
    await after(500);
    expect(failed).toEqual(['smtp']);
  });
});

describe('ServiceSigns of connections that wait for a first byte', () => {
  const say = (begun: number, open: number, bytes: number) => {
    more = { upstream_cx_total: begun, upstream_cx_active: open, upstream_cx_rx_bytes_total: bytes };
  };

  it('counts those that began since the service said something last, by how long they have waited', async () => {
    say(100, 40, 5000);
    await after(500);
    expect(waiting).toEqual({ smtp: [0, 0] });
    say(103, 43, 5000);
    await after(1000);
    expect(waiting).toEqual({ smtp: [3, 0] });
    say(105, 45, 5000);
    await after(700);
    expect(waiting).toEqual({ smtp: [5, 3] });
    say(106, 46, 5001);
    await after(250);
    expect(waiting).toEqual({ smtp: [0, 0] });
  });

  it('takes off those that ended meanwhile, whichever they were', async () => {
    say(100, 40, 5000);
    await after(500);
    say(104, 41, 5000);
    await after(2000);
    expect(waiting).toEqual({ smtp: [1, 1] });
    say(104, 38, 5000);
    await after(500);
    expect(waiting).toEqual({ smtp: [0, 0] });
  });

  it('begins anew with another Envoy, and says nothing of one that does not keep these counts', async () => {
    say(100, 40, 5000);
    await after(500);
    say(104, 44, 5000);
    await after(2000);
    expect(waiting).toEqual({ smtp: [4, 4] });
    isServing = false;
    await after(300);
    expect(waiting).toEqual({ smtp: [0, 0] });
    [isServing, more, waiting] = [true, {}, {}];
    await after(1000);
    expect(waiting).toEqual({});
  });

  it('still knows after an hour who has waited all the time', async () => {
    say(100, 40, 5000);
    await after(500);
    say(102, 42, 5000);
    await after(3_600_000);
    expect(waiting).toEqual({ smtp: [2, 2] });
  });
});
