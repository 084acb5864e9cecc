/** The short form of `npm run mail`: 500 messages while a host is killed whole. */
import { afterAll, describe, expect, it } from 'vitest';
import { brokenPromises, KilledHost } from './killed-host.js';
import { whyNoMail } from './needs.js';

const missing = whyNoMail();
if (missing !== null) console.log(`skipped: mail while a host is killed: ${missing}`);

describe.skipIf(missing !== null)('a queueing postfix', () => {
  let experiment: KilledHost | null = null;
  afterAll(() => experiment?.stop());

  it('brings every message to the cluster while a host is killed whole, and copies only where SMTP cannot tell', async () => {
    experiment = new KilledHost('127.0.74', 500, (text) => console.log(text));
    const figures = await experiment.run();
    console.log(JSON.stringify(figures));
    expect(brokenPromises(figures)).toEqual([]);
    // The death fell into the sending.
    expect(figures.cut_sessions + figures.refused_tries).toBeGreaterThan(0);
    expect(Object.values(figures.by_host).filter((count) => count > 0)).toHaveLength(3);
  }, 600_000);
});
