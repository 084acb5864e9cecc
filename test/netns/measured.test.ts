/** The short form of `npm run detect` and `npm run takeover`: a run of each still measures what it is for. Times are printed, not judged. */
import { describe, expect, it } from 'vitest';
import { measure } from './detect-cases.js';
import { whyNoNetwork } from './network.js';
import { takeoverTime } from './takeover-cases.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: the short form of detect and takeover: ${why}`);

describe.skipIf(why !== null)('a measured death', () => {
  it.each(['silent_fast', 'planned_stop'] as const)('npm run detect: %s is in force at all others', async (name) => {
    const { outMs } = await measure(name, 0);
    console.log(`detect ${name}: ${Math.round(outMs)} ms`);
    expect(outMs).toBeGreaterThan(0);
  });

  it.each(['silent_fast', 'planned_stop'] as const)(
    'npm run takeover: %s, a client is answered again',
    async (name) => {
      const { ipv4, ipv6 } = await takeoverTime(name);
      console.log(`takeover ${name}: ${Math.round(ipv4)} ms, IPv6 ${Math.round(ipv6)} ms`);
      expect(Math.min(ipv4, ipv6)).toBeGreaterThan(0);
    },
  );
});
