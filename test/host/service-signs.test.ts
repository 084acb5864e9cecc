/** Envoy's count of connects that failed, and what it is taken for. The clock is the test's, timers are vitest's. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceSigns } from '../../host/edge/service-signs.js';

let counts: Record<string, number>;
let asked: number;
let tookMs: number;
let isServing: boolean;
let failed: string[];
let signs: ServiceSigns;

beforeEach(() => {
  vi.useFakeTimers();
  [counts, asked, tookMs, isServing, failed] = [{ smtp: 7 }, 0, 1, true, []];
  signs = new ServiceSigns({
    admin: {
      async stats() {
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, tookMs));
        if (tookMs > 1000) throw new Error('Envoy does not answer');
        return new Map(
          Object.entries(counts).map(([rule, count]) => [
            `cluster.nlb.service.${rule}.upstream_cx_connect_fail`,
            count,
          ]),
        );
      },
    },
    clock: { nowMs: () => Date.now(), wallIso: () => '' },
    isServing: () => isServing,
    onFailure: (rule) => void failed.push(rule),
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
