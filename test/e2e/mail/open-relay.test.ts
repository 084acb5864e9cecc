/**
 * What `proxyProtocol: none` makes of a mail server: every client seems to come from Envoy's own address, and a postfix that
 * lets 127.0.0.1 relay then relays for the whole world. `nlb check` refuses such a file; the tests below show why it is right.
 */
import { join } from 'node:path';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { lookAt } from '../../../host/edge/smtp-look.js';
import { MailCluster, portRule, type RuleOptions } from './mail-cluster.js';
import { type MailHost, nlb } from './mail-host.js';
import { whyNoMail } from './needs.js';
import { receivingPostfix } from './postfix.js';
import { type Sent, swaks } from './swaks.js';

const STRANGER = '127.7.5.9';
const ELSEWHERE = 'victim@elsewhere.test';
/** swaks: no recipient was accepted. */
const NO_RECIPIENT = 24;
const missing = whyNoMail();
if (missing !== null) console.log(`skipped: an open relay behind proxyProtocol none: ${missing}`);

describe.skipIf(missing !== null)('a postfix that lets 127.0.0.1 relay', () => {
  let cluster: MailCluster | null = null;
  afterAll(() => cluster?.stop());

  /** A new cluster of two on port 25 with this kind of service. */
  async function start(service: Pick<RuleOptions, 'proxyProtocol' | 'trustsNobodyByAddress'>): Promise<MailCluster> {
    await cluster?.stop();
    const started = new MailCluster('127.0.78', 2, [
      portRule({ name: 'smtp', port: 25, servicePort: 2526, ...service }),
    ]);
    cluster = started;
    for (const { name, ip, stateDir, servers } of started.hosts) {
      const hostname = `${name}.cluster.test`;
      const place = { directory: join(stateDir, 'postfix'), hostname, address: ip, port: 2526 };
      const { proxyProtocol } = service;
      if (proxyProtocol === 'v1') throw new Error('this test knows v2 and none');
      servers.push(receivingPostfix({ ...place, proxyProtocol, mynetworks: '127.0.0.1/32 [::1]/128' }));
    }
    await started.start();
    return started;
  }

  const relay = (host: MailHost, port: number): Promise<Sent> =>
    swaks({ from: STRANGER, to: { address: host.ip, port }, recipient: ELSEWHERE });

  it('refuses a stranger who comes straight to it, and relays for the same stranger through proxyProtocol none', async () => {
    const { hosts } = await start({ proxyProtocol: 'none', trustsNobodyByAddress: true });
    for (const host of hosts) {
      const direct = await relay(host, 2526);
      expect(direct.conversation).toContain('554 5.7.1');
      expect(direct.exitCode).toBe(NO_RECIPIENT);
      const through = await relay(host, 25);
      expect(through.conversation).toMatch(/250 2\.0\.0 Ok: queued/);
      expect(through.exitCode).toBe(0);
    }
  });

  it('refuses the stranger behind proxyProtocol v2, also with trust in 127.0.0.1, and nlb doctor sees that in either family', async () => {
    const { hosts } = await start({ proxyProtocol: 'v2' });
    for (const host of hosts) {
      const through = await relay(host, 25);
      expect(through.conversation).toContain('554 5.7.1');
      expect(through.exitCode).toBe(NO_RECIPIENT);
    }
    const check = { kind: 'banner', expect: '220', periodMs: 1000, timeoutMs: 1000, failuresMax: 3 } as const;
    for (const { ip } of hosts) {
      const service = { address: `${ip}:2526`, proxyProtocol: 'v2', trustsNobodyByAddress: false, check } as const;
      for (const dedicatedIp of [ip, 'fd00::11']) {
        const { smtp, failure } = await lookAt(service, dedicatedIp, 'smtp');
        expect([dedicatedIp, failure, smtp!.relays]).toEqual([dedicatedIp, null, false]);
      }
    }
  });
});

describe('nlb check of a mail port with proxyProtocol none', () => {
  const cluster = new MailCluster('127.0.79', 2, [
    portRule({ name: 'smtp', port: 25, servicePort: 2526, proxyProtocol: 'none' }),
  ]);
  afterAll(() => rmSync(cluster.directory, { recursive: true, force: true }));

  it('refuses it and says that the server would be an open relay', async () => {
    const { exitCode, output } = await nlb('check', cluster.filePath);
    expect(output).toContain('portRules[0].service.proxyProtocol is none on mail port 25');
    expect(output).toContain('one that trusts loopback becomes an open relay; expected v2 or v1');
    expect(exitCode).toBe(1);
  });

  it('takes it where the file says that the service trusts nobody by address', async () => {
    const text = readFileSync(cluster.filePath, 'utf8');
    writeFileSync(cluster.filePath, text.replace('none\n', 'none\n      trustsNobodyByAddress: true\n'));
    const { exitCode, output } = await nlb('check', cluster.filePath);
    expect(output).toMatch(/fit to run/);
    expect(exitCode).toBe(0);
  });
});
