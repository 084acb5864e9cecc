/**
 * The host channel's asking end: one request, one answer, one connection. Nothing is sent before the other end has shown
 * the certificate of a valid cluster key, and every question ends within its time.
 */
import { request as httpRequest } from 'node:http';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { HandoffIdentity } from '../protocol/xds/index.js';
import { type ChannelReply, credentials } from './channel-server.js';
import { publicKeyHash } from './cluster-identity.js';
import { systemCode } from './edge-error.js';
import { readJsonBody } from './json-body.js';

export interface ChannelQuestion {
  identity: HandoffIdentity;
  /** The own dedicated address: the other end knows its hosts by it. */
  fromAddress: string;
  toAddress: string;
  port: number;
  method: 'GET' | 'POST';
  /** Path and query. */
  path: string;
  /** JSON-safe; null for none. */
  body: unknown;
  /** For all of it: connection, question and answer. */
  timeoutMs: number;
}

/** Of the time, this much at most for a connection: a machine that is off answers nothing at all. */
export const CONNECT_MAX_MS = 2000;

/** @throws Error with the reason in words: nobody listens, another key, no answer in time */
export async function askChannel(question: ChannelQuestion): Promise<ChannelReply> {
  const end = new AbortController();
  const timer = setTimeout(
    () => end.abort(new Error(`no answer within ${question.timeoutMs / 1000} s`)),
    question.timeoutMs,
  );
  try {
    const socket = await connected(question);
    try {
      return await asked(question, socket, end.signal);
    } finally {
      socket.destroy();
    }
  } finally {
    clearTimeout(timer);
  }
}

function connected(question: ChannelQuestion): Promise<TLSSocket> {
  const { identity, fromAddress, toAddress, port, timeoutMs } = question;
  const where: ConnectionOptions & { localAddress: string } = { host: toAddress, port, localAddress: fromAddress };
  return new Promise((resolve, reject) => {
    const socket = connect({ ...credentials(identity), ...where });
    const fail = (reason: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(reason));
    };
    const limitMs = Math.min(CONNECT_MAX_MS, timeoutMs);
    const timer = setTimeout(() => fail(`no connection within ${limitMs / 1000} s`), limitMs);
    socket.once('error', (error) => fail(reasonOf(error)));
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()?.publicKey.export({ format: 'der', type: 'spki' });
      if (shown === undefined || !identity.publicKeyHashesBase64.includes(publicKeyHash(shown))) {
        return fail('it has another cluster key');
      }
      clearTimeout(timer);
      socket.removeAllListeners('error').on('error', () => {});
      resolve(socket);
    });
  });
}

function asked({ method, path, body }: ChannelQuestion, socket: TLSSocket, signal: AbortSignal): Promise<ChannelReply> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ method, path, headers: { host: 'host' }, createConnection: () => socket });
    const end = () => sent.destroy(signal.reason as Error);
    sent.on('error', (error) => reject(new Error(reasonOf(error))));
    // The time may have run out just when there was a connection.
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    sent.on('response', (response) => {
      readJsonBody(response).then(
        (answer) => resolve({ code: response.statusCode ?? 0, body: answer }),
        (error: Error) => reject(new Error(reasonOf(error))),
      );
    });
    sent.end(body === null ? undefined : JSON.stringify(body));
  });
}

function reasonOf(error: Error): string {
  const code = systemCode(error);
  if (code === 'ECONNREFUSED') return 'nobody listens there; its sidecar does not run';
  // Closed without a word: that is how the other end treats whoever it does not know.
  if (code === 'ECONNRESET')
    return 'it closed the connection: another cluster key, or a file that does not list this host';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return `there is no way to it (${code})`;
  return code;
}
