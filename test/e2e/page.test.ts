/** The manager page in a real browser: what a person sees while hosts are lost, come back, and the sidecar goes away. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SeenState } from '../../host/protocol/events.js';
import { Chromium, findChromium } from './chromium.js';
import { PageServer } from './page-server.js';
import { statusOf } from './page-status.js';

const binary = findChromium();
/** Set-up installs one as root; elsewhere it may be missing, and then that is said. */
if (binary === null) {
  const text = 'The page is not tested: no Chromium here. Install it (apt-get install chromium), or set CHROMIUM_BIN';
  if (process.getuid?.() === 0) throw new Error(text);
  console.warn(text);
}

const ALL_STATES: SeenState[] = [
  'converged',
  'converging',
  'lost',
  'outside',
  'draining',
  'stopped',
  'sidecarSilent',
  'notSeen',
];
const WORDS = [
  'Converged',
  'Converging',
  'Lost',
  'Outside',
  'Draining',
  'Stopped',
  'Sidecar silent, Envoy serving',
  'Not seen yet',
];

const stateOf = (host: string) => `document.querySelector('[data-host="${host}"] .state').textContent`;

/**
 * The lowest contrast of a visible text to its ground, by the formula of WCAG 2.1 (relative luminance). Runs in the page.
 */
const LOWEST_CONTRAST = `(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const channel = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const groundOf = (element) => {
    const colour = parse(getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
    return element.parentElement === null ? [255, 255, 255] : groundOf(element.parentElement);
  };
  const contrasts = [...document.querySelectorAll('body *')]
    .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== ''))
    .map((element) => {
      const [a, b] = [parse(getComputedStyle(element).color), groundOf(element)].map(luminance).sort((x, y) => y - x);
      return { contrast: (a + 0.05) / (b + 0.05), text: element.textContent.slice(0, 40) };
    });
  return contrasts.sort((x, y) => x.contrast - y.contrast)[0];
})()`;

describe.skipIf(binary === null)('the manager page', () => {
  const server = new PageServer(statusOf(['converged', 'converged', 'converged']));
  let browser: Chromium;

  beforeAll(async () => {
    await server.start();
    browser = await Chromium.start(binary as string);
  });
  afterAll(async () => {
    await browser?.stop();
    await server.remove();
  });
  beforeEach(async () => {
    server.status = statusOf(['converged', 'converged', 'converged']);
    await browser.resize(1280, 900);
    await browser.open(server.url);
    await browser.until(`document.querySelectorAll('[data-host]').length === 3`);
  });

  test('shows every host with its state in words, and in green where converged', async () => {
    server.status = statusOf(ALL_STATES);
    await browser.until(`document.querySelectorAll('[data-host]').length === ${ALL_STATES.length}`);
    const words = await browser.evaluate(`[...document.querySelectorAll('.host .state')].map((e) => e.textContent)`);
    expect(words).toEqual(WORDS);
    const [r, g, b] = await browser.evaluate<number[]>(
      `getComputedStyle(document.querySelector('[data-host="mail1"] .state')).color.match(/\\d+/g).map(Number)`,
    );
    expect(g!).toBeGreaterThan(Math.max(r!, b!));
    expect(await browser.evaluate(`document.querySelector('#problem-list').innerText`)).toContain('affinity none');
  });

  test('keeps a lost host listed, with the time, and shows it back without a reload', async () => {
    await browser.evaluate(`window.loadedOnce = true`);
    server.status = statusOf(['converged', 'converged', 'lost']);
    await browser.until(`${stateOf('mail3')} === 'Lost'`);
    expect(await browser.evaluate(`document.querySelector('[data-host="mail3"]').innerText`)).toMatch(
      /lost since \d\d:\d\d:\d\d/,
    );
    server.status = statusOf(['converged', 'converged', 'converging']);
    await browser.until(`${stateOf('mail3')} === 'Converging'`);
    server.status = statusOf(['converged', 'converged', 'converged']);
    await browser.until(`${stateOf('mail3')} === 'Converged'`);
    expect(await browser.evaluate(`window.loadedOnce`)).toBe(true);
  });

  test('shows expected and measured shares of a rule, and why a host takes no part', async () => {
    server.status = statusOf(['converged', 'converged', 'lost']);
    await browser.until(`${stateOf('mail3')} === 'Lost'`);
    const rows = await browser.evaluate<string[]>(
      `[...document.querySelectorAll('[data-rule="smtp"] tbody tr')].map((row) => row.innerText.replace(/\\s+/g, ' '))`,
    );
    expect(rows).toEqual(['mail1 50.0 % 50.0 % 340', 'mail2 50.0 % 49.6 % 349', 'mail3 · lost 0.0 % 2.0 % 21']);
  });

  test('shows who stands in for another, and who is on standby', async () => {
    const status = statusOf(['converged', 'stopped', 'converged', 'converged']);
    const [own, away, seat, spare] = status.rules[0]!.hosts;
    const onStandby = { ...spare!, takesPart: false, absence: 'standby' as const, expectedShare: 0 };
    const hosts = [own!, away!, { ...seat!, standsInFor: 'mail2' }, onStandby];
    server.status = { ...status, rules: [{ ...status.rules[0]!, hosts }] };
    const texts = `[...document.querySelectorAll('[data-rule="smtp"] tbody th')].map((e) => e.firstChild.data + e.querySelector('.absent').textContent)`;
    await browser.until(`${texts}.length === 4`);
    expect(await browser.evaluate(texts)).toEqual([
      'mail1',
      'mail2 · stopped',
      'mail3 · stands in for mail2',
      'mail4 · on standby (failback never)',
    ]);
    server.status = { ...status, rules: [{ ...status.rules[0]!, hosts: [own!, away!, seat!, spare!] }] };
    await browser.until(`!document.body.textContent.includes('stands in')`);
  });

  test('names who holds the virtual IPs, and what depends on it', async () => {
    const held = { addresses: ['10.0.0.100'], device: 'eth0', holder: 'mail1', since: new Date().toISOString() };
    const rest = { isHeldHere: true, outgoing: 'dedicatedIp' as const, leaseMs: 750 };
    const kernelProblem = 'all connections depend on host mail1: nft is not installed';
    const status = statusOf(['converged', 'converged', 'converged']);
    server.status = { ...status, mode: 'arp', virtualIp: { ...held, ...rest, kernelProblem } };
    await browser.until(`document.body.textContent.includes('10.0.0.100, held by mail1')`);
    await browser.until(`document.body.textContent.includes('depend on host mail1: nft is not installed')`);
  });

  test('says since when the sidecar gives no answer, and goes on by itself when it does', async () => {
    await server.stop();
    await browser.until(`document.body.innerText.includes('No answer since')`);
    expect(await browser.evaluate(`document.querySelectorAll('[data-host]').length`)).toBe(3);
    server.status = statusOf(['converged', 'lost', 'converged']);
    await server.start();
    await browser.until(`${stateOf('mail2')} === 'Lost' && !document.body.innerText.includes('No answer since')`);
  });

  test.each([400, 1280])(
    'shows 32 hosts and 32 rules at a width of %i pixels without sideways scrolling',
    async (width) => {
      await browser.resize(width, 900);
      server.status = statusOf(Array<SeenState>(32).fill('converged'), 32);
      await browser.until(`document.querySelectorAll('[data-rule]').length === 32`);
      await browser.evaluate(`document.querySelectorAll('details').forEach((rule) => { rule.open = true; })`);
      expect(await browser.evaluate(`document.querySelectorAll('tbody tr').length`)).toBe(1024);
      expect(await browser.evaluate(`document.documentElement.scrollWidth`)).toBeLessThanOrEqual(width);
    },
  );

  test.each(['light', 'dark'] as const)(
    'has a contrast of at least 4.5 everywhere in the %s scheme',
    async (scheme) => {
      await browser.colourScheme(scheme);
      server.status = statusOf(ALL_STATES);
      await browser.until(`document.querySelectorAll('[data-host]').length === ${ALL_STATES.length}`);
      const lowest = await browser.evaluate<{ contrast: number; text: string }>(LOWEST_CONTRAST);
      expect(lowest.contrast, `contrast of "${lowest.text}"`).toBeGreaterThanOrEqual(4.5);
    },
  );

  test('throws nothing and breaks no content security policy', () => {
    // What broke while the sidecar was away is reported by the browser itself, and was meant to break.
    expect(browser.complaints.filter((text) => !text.startsWith('Failed to load resource: net::'))).toEqual([]);
  });
});
