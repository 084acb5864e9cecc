/**
 * Remote control's listening end: the same routes as at the control socket, over HTTPS, for whoever shows a token. What a
 * request has to pass, in this order, and nothing of its body is read before:
 *
 *     rate of its address -> Host and Origin -> token -> rate of the token -> role -> the route
 *
 * The token comes in the Authorization header alone: no browser sends it by itself, so no other page can use it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { type Door, routeAt, send, serve, urlOf } from '../admin/door.js';
import { isRoute, no } from '../admin/route.js';
import type { Clock } from '../edge/clock.js';
import { sayAcceptErrors } from '../edge/accept-errors.js';
import { EdgeError, systemCode } from '../edge/edge-error.js';
import type { Log } from '../edge/log.js';
import { isNamedBy, type RemoteCertificate } from './certificate.js';
import { RateLimit } from './limits.js';
import { isValid, type Token, type TokenList, tokenShown } from './tokens.js';

export interface RemoteServerOptions {
  address: string;
  port: number;
  certificate: RemoteCertificate;
  door: Door;
  tokens: TokenList;
  clock: Clock;
  log: Log;
}

/** BOUNDED: connections; the page has one open that stays. */
const CONNECTIONS_MAX = 200;
/** BOUNDED: of them, those of one address. */
const CONNECTIONS_OF_ONE_MAX = 50;
/** BOUNDED: streams of statuses of one token. */
const STREAMS_MAX = 10;
/** Of whoever is refused nothing more is read: else the rest of a body would be taken in and thrown away. */
const CLOSED = { connection: 'close' } as const;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 5000;
/** Longer than a file takes to be in force or to be given up. */
const LAST_ANSWERS_MAX_MS = 15_000;
const BY_ADDRESS = { burst: 100, perSecond: 50 };
const BY_TOKEN = { burst: 60, perSecond: 20 };
/** Wrong tokens of one address: nobody guesses 256 bits, and a tool with an old token fills no log. */
const REFUSED = { burst: 10, perSecond: 0.2 };

export class RemoteServer {
  private readonly server: Server;
  private readonly byAddress = new RateLimit(BY_ADDRESS);
  private readonly byToken = new RateLimit(BY_TOKEN);
  private readonly refused = new RateLimit(REFUSED);
  private readonly streams = new Map<ServerResponse, Token>();
  /** Open connections by address. BOUNDED: by CONNECTIONS_MAX. */
  private readonly connections = new Map<string, number>();

  constructor(private readonly options: RemoteServerOptions) {
    this.server = createServer({ ...credentials(options.certificate), handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
    this.server.maxConnections = CONNECTIONS_MAX;
    this.server.headersTimeout = HEADERS_TIMEOUT_MS;
    this.server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.server.on('connection', (socket: Socket) => this.count(socket));
    this.server.on('request', (request, response) => void this.answer(request, response));
    this.server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** @throws EdgeError PORT_TAKEN */
  async open(): Promise<void> {
    const { address, port } = this.options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        this.server.listen({ host: address, port, exclusive: true }, () => {
          this.server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      const why = systemCode(error) === 'EADDRINUSE' ? 'another process has it (ss -tlnp)' : systemCode(error);
      const text = `Cannot open remote control on ${address} TCP port ${port}: ${why}; remoteControl.port of the cluster file names it`;
      throw new EdgeError('PORT_TAKEN', text);
    }
    sayAcceptErrors(this.server, 'remote control', this.options.log);
  }

  /** Shown to whoever connects from now on. */
  show(certificate: RemoteCertificate): void {
    this.options.certificate = certificate;
    this.server.setSecureContext(credentials(certificate));
  }

  /** Ends the streams of tokens that were removed or have ended. */
  look(): void {
    const { tokens, clock } = this.options;
    for (const [response, token] of this.streams) {
      const present = tokens.now().find(({ id, hash }) => id === token.id && hash === token.hash);
      if (present === undefined || !isValid(present, clock.wallIso())) response.destroy();
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  /** Listens no more, and answers what was asked: a file that moves remote control is told of over the old port. */
  leave(): Promise<void> {
    for (const response of this.streams.keys()) response.destroy();
    const late = setTimeout(() => this.server.closeAllConnections(), LAST_ANSWERS_MAX_MS);
    return new Promise((resolve) => {
      this.server.close(() => {
        clearTimeout(late);
        resolve();
      });
      this.server.closeIdleConnections();
    });
  }

  /** One address that holds connections open must not keep everybody else out. */
  private count(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown';
    const count = (this.connections.get(address) ?? 0) + 1;
    this.connections.set(address, count);
    socket.on('close', () => {
      const left = (this.connections.get(address) ?? 1) - 1;
      if (left > 0) this.connections.set(address, left);
      else this.connections.delete(address);
    });
    if (count > CONNECTIONS_OF_ONE_MAX) socket.destroy();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { door, tokens, clock, log } = this.options;
    const address = request.socket.remoteAddress ?? 'unknown';
    const waitS = this.byAddress.take(address, clock.nowMs());
    if (waitS > 0) return tooMany(response, waitS, `from ${address}`);
    const wrong = this.foreign(request);
    if (wrong !== null) return void send(response, 403, no(wrong), CLOSED);
    const url = urlOf(request);
    const route = url === null ? null : routeAt(door, request.method ?? 'GET', url);
    // The page's own files hold nothing that is not in the release.
    if (url === null || route === null) return void serve(door, { role: 'read', by: null }, request, response);
    const token = tokenShown(tokens.now(), request.headers.authorization, clock.wallIso());
    if (token === null) return this.refuse(request, response, address);
    const tokenWaitS = this.byToken.take(token.id, clock.nowMs());
    if (tokenWaitS > 0) return tooMany(response, tokenWaitS, `of token ${token.id}`);
    const asker = { role: token.role, by: token.name };
    const code = await serve({ ...door, events: this.eventsFor(token) }, asker, request, response);
    const isChange = isRoute(route) && route.method === 'POST';
    if (!isChange && code !== 403) return;
    const who = `${token.name} (token ${token.id}, ${token.role}) from ${address}`;
    log.info(`remote control: ${who}: ${request.method} ${url.pathname}${url.search} -> ${code}`);
  }

  private refuse(request: IncomingMessage, response: ServerResponse, address: string): void {
    const { clock, log } = this.options;
    // Who shows none guesses nothing: the page asks so before a person has given it one.
    const isShown = request.headers.authorization !== undefined;
    const waitS = isShown ? this.refused.take(address, clock.nowMs()) : 0;
    if (waitS > 0) {
      tooMany(response, waitS, `with a wrong token from ${address}`);
      return;
    }
    const what = isShown
      ? 'the token is not valid here (any more)'
      : 'a token is missing, expected Authorization: Bearer';
    log.repeating('warning', `remote ${address}`, `Remote control: ${address} was turned away: ${what}`);
    send(response, 401, no(`${what}; nlb token add on this host makes one`), {
      ...CLOSED,
      'www-authenticate': 'Bearer realm="envoy-nlb"',
    });
  }

  private eventsFor(token: Token): Door['events'] {
    const { events } = this.options.door;
    return {
      ...events,
      add: (response) => {
        const count = [...this.streams.values()].filter(({ id }) => id === token.id).length;
        if (count >= STREAMS_MAX) {
          tooMany(response, 1, `open streams of token ${token.id}`);
          return;
        }
        this.streams.set(response, token);
        response.on('close', () => this.streams.delete(response));
        events.add(response);
      },
    };
  }

  /** Why a request is not meant for us, or not from our own page, or null. A client without a browser sends no Origin. */
  private foreign(request: IncomingMessage): string | null {
    const { certificate, address, port } = this.options;
    const host = (request.headers.host ?? '').toLowerCase();
    const name = host.replace(/:\d+$/, '');
    if (name !== address && !isNamedBy(certificate, name)) {
      return `Host is ${host || 'missing'}, expected ${address}:${port} or a name of the certificate (remoteControl.names)`;
    }
    const { origin } = request.headers;
    return origin === undefined || origin === `https://${host}`
      ? null
      : `Origin is ${origin}, expected https://${host}`;
  }
}

function credentials({ certPem, keyPem }: RemoteCertificate) {
  return { cert: certPem, key: keyPem, minVersion: 'TLSv1.2' } as const;
}

function tooMany(response: ServerResponse, waitS: number, what: string): void {
  const headers = { ...CLOSED, 'retry-after': String(waitS) };
  send(response, 429, no(`too many requests ${what}; try again in ${waitS} s`), headers);
}
