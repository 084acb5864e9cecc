/** The manager page over remote control, in a real browser: a token is asked for, and hosts and rules are controlled with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AdminApi } from '../../host/admin/api.js';
import { createEvents } from '../../host/admin/events.js';
import type { Role } from '../../host/admin/route.js';
import { adminRoutes } from '../../host/admin/routes.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import type { SeenState } from '../../host/protocol/events.js';
import { systemClock } from '../../host/edge/clock.js';
import { createLog } from '../../host/edge/log.js';
import { loadCertificate } from '../../host/remote/certificate.js';
import { RemoteServer } from '../../host/remote/server.js';
import { makeToken, TokenList, tokenFileText } from '../../host/remote/tokens.js';
import { Chromium, findChromium } from './chromium.js';
import { statusOf } from './page-status.js';

const binary = findChromium();
const ADDRESS = '127.0.97.1';
const PORT = 7697;
const URL_OF_PAGE = `https://${ADDRESS}:${PORT}/`;
const directory = mkdtempSync(join(tmpdir(), 'nlb-page-'));
const tokenPath = join(directory, 'remote.tokens');

let shown: ClusterStatus = statusOf(['converged', 'converged', 'converged']);
const events = createEvents(() => shown);
/** Method and path of everything that was asked of a host. */
const asked: string[] = [];
let answer = {
  ok: true,
  text: 'host mail3 drains: it takes no new connections and stops when the open ones have ended',
};

function show(status: ClusterStatus): void {
  shown = status;
  events.changed();
}

const api = { status: () => shown, entry: () => ({ isIn: true, reason: 'in' }) } as unknown as AdminApi;
const tokens = { ann: token('ann', 'read'), ops: token('ops', 'control') };

function token(name: string, role: Role) {
  return makeToken(name, role, new Date().toISOString(), null);
}

async function openServer(): Promise<RemoteServer> {
  writeFileSync(tokenPath, tokenFileText([tokens.ann.token, tokens.ops.token]), { mode: 0o600 });
  const settings = { port: PORT, tokenFile: tokenPath, certificate: null, privateKey: null, names: [] };
  const self = { name: 'mail1', priority: 1, dedicatedIp: ADDRESS };
  const place = { settings, self, clusterFilePath: join(directory, 'cluster.yaml'), stateDirectory: directory };
  const server = new RemoteServer({
    address: ADDRESS,
    port: PORT,
    certificate: await loadCertificate({ ...place, clusterName: 'mail.example.org' }),
    door: {
      routes: adminRoutes(api),
      events,
      async elsewhere(method, url) {
        asked.push(`${method} ${url.pathname}${url.search}`);
        return { code: answer.ok ? 200 : 409, body: answer };
      },
    },
    tokens: new TokenList(tokenPath),
    clock: systemClock,
    log: createLog(systemClock, () => {}),
  });
  await server.open();
  return server;
}

const button = (host: string, verb: string) => `document.querySelector('[data-host="${host}"] [data-verb="${verb}"]')`;
const ruleButton = (host: number, verb: string) =>
  `document.querySelector('[data-rule="smtp"] tbody tr:nth-child(${host}) [data-verb="${verb}"]')`;

describe.skipIf(binary === null)('the manager page over remote control', () => {
  let server: RemoteServer;
  let browser: Chromium;

  beforeAll(async () => {
    server = await openServer();
    browser = await Chromium.start(binary as string, ['--ignore-certificate-errors']);
    await browser.resize(1280, 900);
  });
  afterAll(async () => {
    await browser?.stop();
    events.close();
    await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    asked.length = 0;
    show(statusOf(['converged', 'converged', 'converged']));
  });

  async function openAs(name: keyof typeof tokens): Promise<void> {
    await browser.open(URL_OF_PAGE);
    await browser.until(`document.readyState === 'complete'`);
    await browser.evaluate(`sessionStorage.clear()`);
    await browser.open(URL_OF_PAGE);
    await browser.until(`document.querySelector('#sign-in')?.hidden === false`);
    await browser.evaluate(`document.querySelector('#token').value = '${tokens[name].text}'`);
    await browser.evaluate(`document.querySelector('#sign-in').requestSubmit()`);
    await browser.until(`document.querySelectorAll('[data-host]').length === 3`);
  }

  test('shows nothing without a token, and says so of one that is not valid', async () => {
    await browser.open(URL_OF_PAGE);
    await browser.until(`document.querySelector('#sign-in')?.hidden === false`);
    expect(await browser.evaluate(`document.querySelector('#content').hidden`)).toBe(true);
    await browser.evaluate(`document.querySelector('#token').value = 'nlb_00000000_nothing'`);
    await browser.evaluate(`document.querySelector('#sign-in').requestSubmit()`);
    await browser.until(`document.body.innerText.includes('The token is not valid here')`);
    expect(await browser.evaluate(`sessionStorage.length`)).toBe(0);
  });

  test('offers a reader nothing to press', async () => {
    await openAs('ann');
    expect(await browser.evaluate(`document.querySelector('#access').innerText`)).toContain('ann · may look');
    const visible = `[...document.querySelectorAll('[data-verb]')].filter((each) => each.checkVisibility()).length`;
    expect(await browser.evaluate(visible)).toBe(0);
    expect(await browser.evaluate(`location.href`)).toBe(URL_OF_PAGE);
  });

  test('offers the verbs that fit each state, and carries out what was confirmed', async () => {
    await openAs('ops');
    show(statusOf(['converged', 'stopped', 'suspended'] as SeenState[]));
    await browser.until(`${button('mail3', 'resume')}?.checkVisibility()`);
    const words = (host: string) =>
      `[...document.querySelectorAll('[data-host="${host}"] [data-verb]')].filter((each) => !each.hidden).map((each) => each.textContent)`;
    expect(await browser.evaluate(words('mail1'))).toEqual(['Drainstop', 'Stop', 'Suspend']);
    expect(await browser.evaluate(words('mail2'))).toEqual(['Start', 'Suspend']);
    expect(await browser.evaluate(words('mail3'))).toEqual(['Resume']);
    await browser.evaluate(`${button('mail1', 'stop')}.click()`);
    await browser.until(`document.querySelector('#confirm').open`);
    expect(await browser.evaluate(`document.querySelector('#confirm').innerText`)).toContain(
      'Stop host mail1?\n\nIts open connections end at once. Drainstop lets them finish.',
    );
    await browser.evaluate(`document.querySelector('#confirm-no').click()`);
    await browser.evaluate(`${button('mail1', 'drainstop')}.click()`);
    await browser.until(`document.querySelector('#confirm').open`);
    await browser.evaluate(`document.querySelector('#confirm-yes').click()`);
    await browser.until(`document.querySelector('#said').innerText.includes('host mail3 drains')`);
    await browser.evaluate(`${button('mail2', 'start')}.click()`);
    await browser.until(`${button('mail2', 'start')}.disabled === false`);
    expect(asked).toEqual(['POST /hosts/mail1/drainstop', 'POST /hosts/mail2/start']);
  });

  test('drains, disables and enables a port rule on a host, and shows a refusal as one', async () => {
    await openAs('ops');
    answer = { ok: false, text: 'host mail2 is suspended: it takes no verb but resume' };
    await browser.evaluate(`${ruleButton(2, 'disable')}.click()`);
    await browser.until(`document.querySelector('#confirm').open`);
    expect(await browser.evaluate(`document.querySelector('#confirm-title').innerText`)).toBe(
      'Disable port rule smtp on mail2?',
    );
    await browser.evaluate(`document.querySelector('#confirm-yes').click()`);
    await browser.until(`document.querySelector('#said.bad')?.innerText.includes('takes no verb but resume')`);
    expect(asked).toEqual(['POST /hosts/mail2/disable?port=25&vip=all']);
    expect(await browser.evaluate(`${ruleButton(2, 'enable')}.hidden`)).toBe(true);
  });

  test('asks for a token again when it is taken away, and forgets it when told to', async () => {
    await openAs('ops');
    await browser.evaluate(`document.querySelector('#sign-out').click()`);
    await browser.until(`document.querySelector('#sign-in')?.hidden === false`);
    await openAs('ann');
    writeFileSync(tokenPath, tokenFileText([tokens.ops.token]));
    server.look();
    await browser.until(`document.body.innerText.includes('The token is not valid here (any more)')`);
    expect(await browser.evaluate(`document.querySelector('#content').hidden`)).toBe(true);
  });

  test('throws nothing and breaks no content security policy', () => {
    const meant = /^Failed to load resource: (net::|the server responded with a status of 4)/;
    expect(browser.complaints.filter((text) => !meant.test(text))).toEqual([]);
  });
});
