/**
 * Looks at a mail server as a stranger would, without sending anything: its EHLO, whether it takes mail from a stranger for a
 * stranger (RCPT TO, never DATA), and its certificate. And at the certificate of anything else that speaks TLS at once.
 *
 * The stranger is 192.0.2.1 of RFC 5737, said in a PROXY header; a service of `proxyProtocol: none` sees this machine, as it
 * does for every client.
 */
import { connect, isIPv4, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { SmtpFacts } from '../doctor/facts.js';
import { parseServiceAddress } from '../protocol/config/index.js';
import type { Service } from '../protocol/types.js';
import { systemCode } from './edge-error.js';
import { localProxyHeader } from './proxy-header.js';

const STRANGER = '192.0.2.1';
const TIMEOUT_MS = 5000;
/** All of it: whoever asked for the examination waits 10 s. */
const LOOK_MS = 8000;
/** BOUNDED: bytes of one reply. */
const REPLY_BYTES_MAX = 16_384;

export interface Look {
  smtp: SmtpFacts | null;
  certificateEnds: string | null;
  failure: string | null;
}

/** @param isMail  true: SMTP; false: TLS from the first byte */
export async function lookAt(service: Service, dedicatedIp: string, isMail: boolean): Promise<Look> {
  let socket: Socket | null = null;
  const timer = setTimeout(() => socket?.destroy(new Error(`took longer than ${LOOK_MS} ms`)), LOOK_MS);
  try {
    socket = await connected(whereTo(service.address));
    if (service.proxyProtocol !== 'none') socket.write(strangerHeader(service.proxyProtocol, dedicatedIp));
    if (!isMail) return { smtp: null, certificateEnds: await certificateOf(socket), failure: null };
    return await lookAtMail(socket);
  } catch (error) {
    return { smtp: null, certificateEnds: null, failure: systemCode(error) };
  } finally {
    clearTimeout(timer);
    socket?.destroy();
  }
}

async function lookAtMail(socket: Socket): Promise<Look> {
  const replies = new Replies(socket);
  await replies.expect('220');
  const lines = await replies.say('EHLO doctor.invalid', '250');
  const offers: Record<string, string> = {};
  // The first line is the server's own name.
  for (const line of lines.slice(1)) {
    const [keyword = '', ...rest] = line.slice(4).trim().split(' ');
    offers[keyword.toUpperCase()] = rest.join(' ');
  }
  const relays = await replies.relays();
  let certificateEnds: string | null = null;
  if (offers.STARTTLS !== undefined) {
    await replies.say('STARTTLS', '220');
    replies.leave();
    certificateEnds = await certificateOf(socket);
  } else {
    socket.end('QUIT\r\n');
  }
  return { smtp: { offers, relays }, certificateEnds, failure: null };
}

/** One command, one reply of several lines. */
class Replies {
  private text = '';
  private wake: (() => void) | null = null;
  private ended: string | null = null;
  private readonly onData = (bytes: Buffer): void => {
    if (this.text.length < REPLY_BYTES_MAX) this.text += bytes.toString('latin1');
    this.wake?.();
  };

  constructor(private readonly socket: Socket) {
    socket.on('data', this.onData);
    socket.on('error', (error) => this.end(systemCode(error)));
    socket.on('close', () => this.end('closed the connection'));
    socket.setTimeout(TIMEOUT_MS, () => this.end(`said nothing within ${TIMEOUT_MS} ms`));
  }

  private end(reason: string): void {
    this.ended ??= reason;
    this.wake?.();
  }

  /** Lines of the next reply. @throws Error where it has another code */
  async expect(code: string): Promise<string[]> {
    const lines = await this.next();
    if (!lines.at(-1)!.startsWith(code)) throw new Error(`said "${lines.at(-1)}", expected ${code}`);
    return lines;
  }

  say(command: string, code: string): Promise<string[]> {
    this.socket.write(`${command}\r\n`);
    return this.expect(code);
  }

  async relays(): Promise<boolean | null> {
    this.socket.write('MAIL FROM:<doctor@example.net>\r\n');
    const from = (await this.next()).at(-1)!;
    if (!from.startsWith('250')) return null;
    this.socket.write('RCPT TO:<doctor@example.com>\r\n');
    const to = (await this.next()).at(-1)!;
    this.socket.write('RSET\r\n');
    await this.next();
    // 4xx is "later", as greylisting says it.
    return to.startsWith('4') ? null : to.startsWith('25');
  }

  leave(): void {
    this.socket.off('data', this.onData);
    this.socket.removeAllListeners('timeout');
  }

  private async next(): Promise<string[]> {
    for (;;) {
      const match = /^(?:[0-9]{3}-[^\n]*\n)*[0-9]{3}(?: [^\n]*)?\n/.exec(this.text);
      if (match !== null) {
        this.text = this.text.slice(match[0].length);
        return match[0].trimEnd().split(/\r?\n/);
      }
      if (this.ended !== null) throw new Error(this.ended);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

function certificateOf(socket: Socket): Promise<string | null> {
  return new Promise((resolve, reject) => {
    // Whom it trusts is the client's affair; only the end of the certificate is looked at.
    const tls: TLSSocket = connectTls({ socket, rejectUnauthorized: false }, () => {
      const end = Date.parse(tls.getPeerCertificate().valid_to);
      tls.destroy();
      resolve(Number.isNaN(end) ? null : new Date(end).toISOString());
    });
    tls.on('error', reject);
    tls.setTimeout(TIMEOUT_MS, () => reject(new Error(`no TLS within ${TIMEOUT_MS} ms`)));
  });
}

function connected(to: NetConnectOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(to);
    socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`no connection within ${TIMEOUT_MS} ms`)));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

function whereTo(address: string): NetConnectOpts {
  const target = parseServiceAddress(address);
  if (target === null) throw new Error(`${address} is no address of a service`);
  return target.kind === 'unix' ? { path: target.path } : { host: target.address, port: target.port };
}

/** A stranger's connection to this host; over IPv6 one that speaks for nobody. Source: HAProxy's proxy-protocol.txt, 2.1 and 2.2. */
function strangerHeader(version: 'v1' | 'v2', dedicatedIp: string): Buffer {
  if (!isIPv4(dedicatedIp)) return localProxyHeader(version);
  if (version === 'v1') return Buffer.from(`PROXY TCP4 ${STRANGER} ${dedicatedIp} 4711 25\r\n`, 'latin1');
  const bytesOf = (address: string): number[] => address.split('.').map(Number);
  const header = localProxyHeader('v2').subarray(0, 12);
  // 21 version 2, PROXY; 11 TCP over IPv4; 12 bytes: addresses and ports.
  return Buffer.concat([
    header,
    Buffer.from([0x21, 0x11, 0, 12, ...bytesOf(STRANGER), ...bytesOf(dedicatedIp), 0x12, 0x67, 0, 25]),
  ]);
}
