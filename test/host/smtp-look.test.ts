/** What `nlb doctor` finds out about a mail server by talking to it: before and behind TLS, as a stranger of either family. */
import { createServer, type Server, type Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { VERB_TIMEOUT_MS } from '../../host/channel/elsewhere.js';
import { CONNECT_MAX_MS } from '../../host/edge/channel-client.js';
import { LOOK_MS, lookAt, type LookKind } from '../../host/edge/smtp-look.js';
import { lookKind } from '../../host/examine.js';
import type { Service } from '../../host/protocol/types.js';

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

const CHECK = { kind: 'banner', expect: '220', periodMs: 1000, timeoutMs: 1000, failuresMax: 3 } as const;

function serviceAt(server: Server, proxyProtocol: Service['proxyProtocol'] = 'none'): Service {
  const { port, address } = server.address() as { port: number; address: string };
  const host = address.includes(':') ? `[${address}]` : address;
  return { address: `${host}:${port}`, proxyProtocol, trustsNobodyByAddress: true, check: CHECK };
}

async function listening(
  server: { listen(port: number, host: string, done: () => void): unknown },
  host = '127.0.0.1',
) {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
}

async function mailServer(options: SMTPServerOptions, mayRelay = false): Promise<Server> {
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onRcptTo: (_address, _session, done) =>
      done(mayRelay ? undefined : Object.assign(new Error('relaying denied'), { responseCode: 554 })),
    ...options,
  });
  server.on('error', () => {});
  await listening(server);
  closings.push(() => server.close());
  return server.server;
}

/** Answers each command by its first word; STARTTLS is for smtp-server. */
async function scripted(replies: Record<string, string>, greeting = '220 mx.test ESMTP'): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.write(`${greeting}\r\n`);
    socket.on('data', (bytes) => {
      const word = /^\w+/.exec(bytes.toString())?.[0] ?? '';
      if (word === 'QUIT') socket.end();
      else socket.write(`${replies[word] ?? '250 ok'}\r\n`);
    });
  });
  await listening(server);
  closings.push(() => server.close());
  return server;
}

const look = (server: Server, kind: LookKind = 'smtp') => lookAt(serviceAt(server), '10.0.0.11', kind);

test('whoever says something that is no SMTP is not waited for', async () => {
  const server = await scripted({ EHLO: 'EHLO doctor.invalid' });
  const { smtp, failure } = await look(server);
  expect([smtp, failure]).toEqual([null, 'said "EHLO doctor.invalid", expected a reply of SMTP']);
});

describe('lookAt()', () => {
  test('reads what a mail server offers, its certificate, and that it does not relay', async () => {
    const seen = await look(await mailServer({ size: 10_240_000 }));
    expect(seen.failure).toBe(null);
    expect(seen.smtp!.offers).toMatchObject({ SIZE: '10240000', STARTTLS: '' });
    expect(seen.smtp!.relays).toBe(false);
    expect(Date.parse(seen.certificateEnds!)).toBeGreaterThan(0);
  });

  test('asks again behind STARTTLS, where AUTH is offered; the order of its mechanisms means nothing', async () => {
    const seen = await look(await mailServer({ authMethods: ['PLAIN', 'LOGIN'], authOptional: false }));
    expect(seen.smtp!.offersTls).toMatchObject({ AUTH: 'LOGIN PLAIN' });
    expect(Object.keys(seen.smtp!.offersTls!)).not.toContain('STARTTLS');
    // 530 "authentication required" behind TLS is a refusal of strangers.
    expect(seen.smtp).toMatchObject({ relays: false, relayUnknown: null });
  });

  test('finds a relay that is open behind TLS only', async () => {
    const server = await mailServer({
      onMailFrom: (_address, { secure }, done) =>
        done(secure ? undefined : Object.assign(new Error('Must issue STARTTLS first'), { responseCode: 530 })),
      onRcptTo: (_address, _session, done) => done(),
    });
    expect((await look(server)).smtp).toMatchObject({ relays: true, relayUnknown: null });
  });

  test('speaks SMTP behind TLS at port 465', async () => {
    const open = await look(await mailServer({ secure: true }, true), 'smtps');
    expect(open.failure).toBe(null);
    expect(open.smtp).toMatchObject({ offers: { PIPELINING: '' }, offersTls: null, relays: true });
    expect(Date.parse(open.certificateEnds!)).toBeGreaterThan(0);
  });

  test('finds an open relay, and says nothing of TLS where there is none', async () => {
    const seen = await look(await mailServer({ hideSTARTTLS: true }, true));
    expect([seen.smtp!.relays, seen.certificateEnds, seen.failure]).toEqual([true, null, null]);
  });

  test.each([
    ['MAIL', '451 4.3.0 Try again later', 'to MAIL FROM:<doctor@example.net> it said "451 4.3.0 Try again later"'],
    ['MAIL', '550 5.1.8 Sender refused', 'to MAIL FROM:<doctor@example.net> it said "550 5.1.8 Sender refused"'],
    ['RCPT', '450 4.2.0 Greylisted', 'to RCPT TO:<doctor@example.com> it said "450 4.2.0 Greylisted"'],
  ])('says why it is not known whether a server relays: %s answered with %s', async (word, reply, why) => {
    const { smtp, failure } = await look(await scripted({ [word]: reply }));
    expect([smtp!.relays, smtp!.relayUnknown, failure]).toEqual([null, why, null]);
  });

  test('takes 530 without TLS for a login that is wanted, and with TLS offered for a question of TLS', async () => {
    const reply = '530 5.7.0 Must issue a STARTTLS command first';
    const plain = await look(await scripted({ MAIL: reply }));
    expect(plain.smtp).toMatchObject({ relays: false, relayUnknown: null });
    const broken = await look(await scripted({ EHLO: '250-mx.test\r\n250 STARTTLS', MAIL: reply, STARTTLS: '454 no' }));
    const why = `to MAIL FROM:<doctor@example.net> it said "${reply}"`;
    expect(broken.smtp).toMatchObject({ offers: { STARTTLS: '' }, offersTls: null, relays: null, relayUnknown: why });
    expect(broken.failure).toBe('said "454 no", expected 220');
  });

  test('keeps what it saw of a server whose TLS is broken', async () => {
    const server = await scripted({ EHLO: '250-mx.test\r\n250 STARTTLS', RCPT: '554 no', STARTTLS: '220 go' });
    const seen = await look(server);
    expect(seen.smtp).toMatchObject({ offers: { STARTTLS: '' }, relays: false });
    expect(seen.failure).toMatch(/^STARTTLS: /);
  });

  test('comes with a PROXY header that names a stranger, in the family of the host', async () => {
    const heard: Buffer[] = [];
    const server: Server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        heard.push(bytes);
        socket.end('554 no\r\n');
      });
    });
    await listening(server);
    closings.push(() => server.close());
    const v2 = await lookAt(serviceAt(server, 'v2'), '10.0.0.11', 'smtp');
    expect(v2.failure).toBe('said "554 no", expected 220');
    expect(heard[0]!.toString('hex')).toBe('0d0a0d0a000d0a515549540a2111000cc00002010a00000b12670019');
    await lookAt(serviceAt(server, 'v1'), '10.0.0.11', 'smtp');
    expect(heard[1]!.toString()).toBe('PROXY TCP4 192.0.2.1 10.0.0.11 4711 25\r\n');
    await lookAt(serviceAt(server, 'v1'), 'fd00::11', 'smtp');
    expect(heard[2]!.toString()).toBe('PROXY TCP6 2001:db8::1 fd00::11 4711 25\r\n');
    await lookAt(serviceAt(server, 'v2'), 'fd00::11', 'smtp');
    const addresses = '20010db8000000000000000000000001fd000000000000000000000000000011';
    expect(heard[3]!.toString('hex')).toBe(`0d0a0d0a000d0a515549540a21210024${addresses}12670019`);
  });

  test.each(['10.0.0.11', 'fd00::11'])(
    'takes no server that lets loopback relay for an open relay: host %s',
    async (ip) => {
      const server = await mailServer({
        useProxy: true,
        onRcptTo: (_address, { remoteAddress }, done) =>
          done(
            ['127.0.0.1', '::1'].includes(remoteAddress)
              ? undefined
              : Object.assign(new Error(`relaying denied to ${remoteAddress}`), { responseCode: 554 }),
          ),
      });
      const seen = await lookAt(serviceAt(server, 'v1'), ip, 'smtp');
      expect([seen.failure, seen.smtp!.relays]).toEqual([null, false]);
    },
  );

  test('ends at a service that is slow, with what was seen, before another host gives up on the examination', async () => {
    const server = await scripted({ EHLO: '250-mx.test\r\n250 SIZE 1000', MAIL: '250-and so on' });
    expect(await lookAt(serviceAt(server), '10.0.0.11', 'smtp', 500)).toMatchObject({
      smtp: { offers: { SIZE: '1000' }, relays: null },
      failure: 'took longer than 500 ms',
    });
    expect(LOOK_MS + CONNECT_MAX_MS).toBeLessThanOrEqual(VERB_TIMEOUT_MS);
  });

  test('says why a service cannot be looked at', async () => {
    const server = createServer();
    await listening(server);
    const dead = serviceAt(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await lookAt(dead, '10.0.0.11', 'smtp')).toEqual({
      smtp: null,
      certificateEnds: null,
      failure: 'ECONNREFUSED',
    });
  });
});

test.each([
  [25, 25, '220', 'smtp'],
  [587, 587, '', 'smtp'],
  [465, 465, '', 'smtps'],
  [443, 443, '', 'tls'],
  [21, 21, '220', null],
  [80, 80, '', null],
  [1024, 2048, '220', 'smtp'],
  [1024, 2048, '', null],
] as const)('lookKind() of ports %i-%i with a check that expects "%s" is %s', (portFirst, portLast, expected, kind) => {
  const service = { address: '127.0.0.1:2525', proxyProtocol: 'none', trustsNobodyByAddress: true } as const;
  expect(lookKind({ portFirst, portLast }, { ...service, check: { ...CHECK, expect: expected } })).toBe(kind);
});
