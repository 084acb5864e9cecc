/**
 * The host channel's listening end: JSON over HTTPS on the dedicated address, for hosts of this cluster alone. A stranger's
 * address is closed before a byte is read of it; whoever cannot show the certificate of a valid cluster key is closed before
 * a request of it is looked at. docs/decisions/0009 says why it is so.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { parseAddress } from '../protocol/config/address.js';
import type { HostName } from '../protocol/types.js';
import type { HandoffIdentity } from '../protocol/xds/index.js';
import { sayAcceptErrors } from './accept-errors.js';
import { publicKeyHash } from './cluster-identity.js';
import { EdgeError, systemCode } from './edge-error.js';
import { readJsonBody } from './json-body.js';
import type { Log } from './log.js';

export interface ChannelRequest {
  /** By the address it came from; the certificate only proves that it is one of the cluster. */
  from: HostName;
  method: 'GET' | 'POST';
  url: URL;
  /** Parsed JSON; null where there is none. Of a host with the cluster key, and still to be checked. */
  body: unknown;
}

export interface ChannelReply {
  code: number;
  body: unknown;
}

export interface ChannelServerOptions {
  address: string;
  port: number;
  identity: HandoffIdentity;
  /** The host that has this address, in the form of parseAddress(); null for a stranger. */
  hostAt(address: string): HostName | null;
  /** @throws nothing that it can tell the asker itself */
  answer(request: ChannelRequest): Promise<ChannelReply>;
  /** Somebody was turned away: whence and why. */
  onRefused(fromAddress: string, reason: string): void;
  log: Pick<Log, 'repeating'>;
}

export interface ChannelServer {
  /** New connections show and accept this from now on. */
  use(identity: HandoffIdentity): void;
  close(): Promise<void>;
}

/** BOUNDED: 31 other hosts, a few requests at a time from each. */
const CONNECTIONS_MAX = 128;
const HEADERS_TIMEOUT_MS = 5000;
/** A request comes in within this time; answering may take longer. */
const REQUEST_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 3000;

/** @throws EdgeError PORT_TAKEN */
export async function openChannelServer(options: ChannelServerOptions): Promise<ChannelServer> {
  let accepted = new Set(options.identity.publicKeyHashesBase64);
  /** TLS connections of hosts that have shown a valid certificate. */
  const known = new WeakSet<object>();
  const server = createServer({ ...credentials(options.identity), handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.prependListener('connection', (socket: Socket) => {
    if (hostOf(options, socket) !== null) return;
    options.onRefused(socket.remoteAddress ?? 'unknown', 'its address is of no host of this cluster');
    socket.destroy();
  });
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const shown = socket.getPeerX509Certificate()?.publicKey.export({ format: 'der', type: 'spki' });
    if (shown !== undefined && accepted.has(publicKeyHash(shown))) {
      known.add(socket);
      return;
    }
    options.onRefused(socket.remoteAddress ?? 'unknown', 'its certificate is not made of a valid cluster key');
    socket.destroy();
  });
  server.on('tlsClientError', (error, socket) => {
    // A stranger's connection was closed by us and is counted already.
    if (hostOf(options, socket) !== null) options.onRefused(socket.remoteAddress ?? 'unknown', systemCode(error));
  });
  server.on('request', (request, response) => {
    if (known.has(request.socket)) void serve(options, request, response);
    else request.socket.destroy();
  });
  await listening(server, options);
  sayAcceptErrors(server, 'the host channel', options.log);
  return {
    use(identity) {
      accepted = new Set(identity.publicKeyHashesBase64);
      server.setSecureContext(credentials(identity));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** No issuer is trusted: a certificate is known by its public key, which the connection's handshake proves. */
export function credentials(identity: HandoffIdentity) {
  const { certificatePem: cert, privateKeyPem: key } = identity;
  return { cert, key, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;
}

function hostOf({ hostAt }: ChannelServerOptions, socket: Socket): HostName | null {
  const address = parseAddress(socket.remoteAddress ?? '');
  return address === null ? null : hostAt(address.text);
}

async function serve(options: ChannelServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const from = hostOf(options, request.socket);
  // Its host was taken out of the cluster file since it connected.
  if (from === null) return void request.socket.destroy();
  const reply = await replyTo(options, from, request);
  if (response.destroyed) return;
  response.writeHead(reply.code, { 'content-type': 'application/json; charset=utf-8', connection: 'close' });
  response.end(JSON.stringify(reply.body));
}

async function replyTo(options: ChannelServerOptions, from: HostName, request: IncomingMessage): Promise<ChannelReply> {
  const { method } = request;
  if (method !== 'GET' && method !== 'POST') return no(405, `expected GET or POST, got ${method}`);
  let body: unknown;
  try {
    body = await readJsonBody(request);
  } catch (error) {
    return no(400, `Cannot read a request of host ${from}: ${(error as Error).message}`);
  }
  try {
    return await options.answer({ from, method, url: new URL(request.url ?? '/', 'https://host'), body });
  } catch (error) {
    return no(500, `Cannot answer ${request.url}: ${systemCode(error)}`);
  }
}

function no(code: number, text: string): ChannelReply {
  return { code, body: { ok: false, text } };
}

async function listening(server: Server, { address, port }: ChannelServerOptions): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const code = systemCode(error);
    const why = code === 'EADDRINUSE' ? 'another process has it (ss -tlnp)' : code;
    const text = `Cannot open the host channel on ${address} TCP port ${port}: ${why}; ports.channel of the cluster file names it`;
    throw new EdgeError('PORT_TAKEN', text);
  }
}
