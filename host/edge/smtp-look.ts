/**
 * Looks at a mail server as a stranger would, without sending anything: its EHLO before and behind TLS, whether it takes mail
 * from a stranger for a stranger (RCPT TO, never DATA), and its certificate. And at the certificate of anything else that speaks
 * TLS at once.
 *
 * The stranger is said in a PROXY header; a service of `proxyProtocol: none` sees this machine, as it does for every client.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Relaying, SmtpFacts } from '../doctor/facts.js';
import { parseServiceAddress } from '../protocol/config/index.js';
import type { Milliseconds, Service } from '../protocol/types.js';
import { systemCode } from './edge-error.js';
import { strangerHeader } from './proxy-header.js';
import { SmtpTalk } from './smtp-talk.js';

const TIMEOUT_MS = 5000;
/**
 * All of it. Less than another host waits for the examination, by the time that its connection may take: else a slow service
 * costs the doctor everything that is known of its host.
 */
export const LOOK_MS = 5500;

/** `smtps` and `tls` speak TLS from the first byte. */
export type LookKind = 'smtp' | 'smtps' | 'tls';

export interface Look {
  smtp: SmtpFacts | null;
  certificateEnds: string | null;
  /** What ended it; what was seen before stands beside it. */
  failure: string | null;
}

export async function lookAt(
  service: Service,
  dedicatedIp: string,
  kind: LookKind,
  patienceMs: Milliseconds = LOOK_MS,
): Promise<Look> {
  const look: Look = { smtp: null, certificateEnds: null, failure: null };
  const sockets: Socket[] = [];
  const late = new Error(`took longer than ${patienceMs} ms`);
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy(late);
  }, patienceMs);
  try {
    const socket = await connected(whereTo(service.address), sockets);
    if (service.proxyProtocol !== 'none') socket.write(strangerHeader(service.proxyProtocol, dedicatedIp));
    if (kind === 'smtp') await lookAtMail(socket, look, sockets);
    else await lookBehindTls(await encrypted(socket, sockets), look, kind);
  } catch (error) {
    look.failure = systemCode(error);
  } finally {
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
  }
  return look;
}

async function lookAtMail(socket: Socket, look: Look, sockets: Socket[]): Promise<void> {
  const talk = new SmtpTalk(socket, TIMEOUT_MS);
  await talk.expect('220');
  const offers = await talk.offers();
  const mayEncrypt = offers.STARTTLS !== undefined;
  look.smtp = { offers, offersTls: null, relays: null, relayUnknown: 'the session ended before' };
  const plain = await talk.relays(mayEncrypt);
  Object.assign(look.smtp, plain);
  if (!mayEncrypt) return talk.quit();
  await talk.startTls();
  const tls = await encrypted(socket, sockets).catch((error) => {
    throw new Error(`STARTTLS: ${systemCode(error)}`);
  });
  look.certificateEnds = endOf(tls);
  const behind = new SmtpTalk(tls, TIMEOUT_MS);
  look.smtp.offersTls = await behind.offers();
  Object.assign(look.smtp, together(plain, await behind.relays(false)));
  behind.quit();
}

async function lookBehindTls(tls: TLSSocket, look: Look, kind: 'smtps' | 'tls'): Promise<void> {
  look.certificateEnds = endOf(tls);
  if (kind === 'tls') return;
  const talk = new SmtpTalk(tls, TIMEOUT_MS);
  await talk.expect('220');
  const offers = await talk.offers();
  look.smtp = { offers, offersTls: null, relays: null, relayUnknown: 'the session ended before' };
  Object.assign(look.smtp, await talk.relays(false));
  talk.quit();
}

/** It relays where it does either way; where TLS says nothing, what was said before it stands. */
function together(plain: Relaying, behindTls: Relaying): Relaying {
  if (plain.relays === true) return plain;
  return behindTls.relays === null && plain.relays !== null ? plain : behindTls;
}

function endOf(tls: TLSSocket): string | null {
  const end = Date.parse(tls.getPeerCertificate().valid_to);
  return Number.isNaN(end) ? null : new Date(end).toISOString();
}

/** Whom it trusts is the client's affair; only the end of the certificate is looked at. */
function encrypted(socket: Socket, sockets: Socket[]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, rejectUnauthorized: false }, () => resolve(tls));
    sockets.push(tls);
    tls.on('error', reject);
    tls.setTimeout(TIMEOUT_MS, () => reject(new Error(`no TLS within ${TIMEOUT_MS} ms`)));
  });
}

function connected(to: NetConnectOpts, sockets: Socket[]): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(to);
    sockets.push(socket);
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
