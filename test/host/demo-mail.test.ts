/** The demo's SMTP server as a process of its own and its client, with a small relay in place of Envoy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attempt, deliver } from '../demo/client.js';
import { readMailbox } from '../demo/mailbox.js';

const ADDRESS = '127.0.31.1';
const CLIENT = '127.8.31.7';

/** Starts the server through vite-node, because the tests run from the sources. */
function startServer(name: string, port: number, directory: string): Promise<ChildProcess> {
  const program = new URL('../demo/smtp-server.ts', import.meta.url).pathname;
  const runner = new URL('../../node_modules/vite-node/vite-node.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [runner, program, name, ADDRESS, String(port), directory]);
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('listens')) resolve(child);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`SMTP server ended with ${code}: ${said}`)));
  });
}

/** Passes a connection on behind a PROXY v1 header, as the owner's Envoy does; `cutAfter` cuts once it has seen that text. */
function startRelay(port: number, cutAfter: string | null): Promise<Server> {
  const relay = createServer((client) => {
    const service = connect({ host: ADDRESS, port });
    const { remoteAddress, remotePort, localAddress, localPort } = client;
    service.write(`PROXY TCP4 ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`);
    client.pipe(service);
    service.on('data', (chunk: Buffer) => {
      if (cutAfter !== null && chunk.toString().includes(cutAfter)) client.destroy();
      else client.write(chunk);
    });
    for (const [socket, other] of [
      [client, service],
      [service, client],
    ] as const) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
  });
  return new Promise((resolve) => relay.listen(0, ADDRESS, () => resolve(relay)));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, ADDRESS, resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe('the SMTP server and the client of the demo', () => {
  let directory: string;
  let server: ChildProcess;
  let relays: Server[];
  let servicePort: number;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'nlb-demo-mail-'));
    relays = [];
    servicePort = await freePort();
    server = await startServer('mail2', servicePort, directory);
  });
  afterEach(() => {
    server.kill('SIGKILL');
    for (const relay of relays) relay.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function relayTo(cutAfter: string | null) {
    const relay = await startRelay(servicePort, cutAfter);
    relays.push(relay);
    return { host: 'mail1', address: ADDRESS, port: (relay.address() as AddressInfo).port };
  }

  test('keep an accepted message with the host that took it and the client it came from', async () => {
    const tried = await attempt({ id: '1@demo', client: CLIENT }, await relayTo(null));
    expect(tried).toMatchObject({ entry: 'mail1', servedBy: 'mail2', failure: null, isUnsure: false });
    const mail = readMailbox(join(directory, 'mail'));
    expect(mail).toMatchObject([{ host: 'mail2', client: CLIENT, messageId: '<1@demo>' }]);
  });

  test('try the next address when one refuses, and call a cut before the answer unsure', async () => {
    const refusing = { host: 'mail3', address: ADDRESS, port: await freePort() };
    const cutting = await relayTo('keeps it');
    const delivery = await deliver(
      { id: '2@demo', client: CLIENT },
      [refusing, cutting, await relayTo(null)],
      Infinity,
    );
    expect(delivery.accepted).toBe(true);
    expect(delivery.attempts.map((a) => [a.servedBy, a.isUnsure, a.failure === null])).toEqual([
      [null, false, false],
      ['mail2', true, false],
      ['mail2', false, true],
    ]);
    expect(readMailbox(join(directory, 'mail'))).toHaveLength(2);
  });

  test('refuse a connection without a PROXY header', async () => {
    const direct = { host: 'mail2', address: ADDRESS, port: servicePort };
    const socket = connect({ host: direct.address, port: direct.port });
    socket.write('EHLO somebody\r\n');
    const said = await new Promise<string>((resolve) =>
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    socket.destroy();
    expect(said).not.toMatch(/^220/);
  });
});
