/**
 * Two doors to one API: the control socket (mode 0600, for whoever may run `nlb` on this host) and the read-only page on a
 * loopback address. A page that a person has open somewhere else must not reach this one through the person's browser, so
 * Host and Origin are checked (DNS rebinding) and nothing is changed by GET. Pattern: caddy's admin endpoint.
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { EdgeError, systemCode } from '../edge/edge-error.js';
import { type AdminApi, answer, no, type Reply } from './api.js';
import { createEvents, type Events } from './events.js';
import { pageFile } from './page-files.js';

export interface AdminServer {
  /** Tells everybody who watches that the status changed. */
  changed(): void;
  close(): Promise<void>;
}

export interface AdminServerOptions {
  api: AdminApi;
  /** Asked first, at the control socket alone: what concerns other hosts. Null where it is none of that. */
  control?: (method: string, url: URL, request: IncomingMessage) => Promise<Reply | null>;
  socketPath: string;
  page: { address: string; port: number };
}

/**
 * @throws EdgeError PORT_TAKEN for the page's port, STATE_DIRECTORY_UNUSABLE for the socket
 */
export async function openAdminServer({
  api,
  control: first,
  socketPath,
  page,
}: AdminServerOptions): Promise<AdminServer> {
  const events = createEvents(() => api.status());
  const control = createServer((request, response) => void serve(api, events, request, response, first));
  const pageServer = createServer((request, response) => {
    const refusal =
      foreign(request, page) ??
      (request.method === 'GET' || request.method === 'HEAD' ? null : 'only GET here; use nlb');
    if (refusal) return send(response, 403, no(refusal));
    void serve(api, events, request, response);
  });
  for (const server of [control, pageServer]) harden(server);
  await listenOnSocket(control, socketPath);
  try {
    await listenOnPage(pageServer, page);
  } catch (error) {
    control.close();
    throw error;
  }
  return {
    changed: () => events.changed(),
    async close() {
      events.close();
      await Promise.all([control, pageServer].map(closeServer));
    },
  };
}

/** Bounds of one door: connections, header bytes (Node.js: 16 kB) and how long a request may take to come in. */
function harden(server: Server): void {
  server.maxConnections = 200;
  server.headersTimeout = 5000;
  server.requestTimeout = 10_000;
}

async function serve(
  api: AdminApi,
  events: Events,
  request: IncomingMessage,
  response: ServerResponse,
  first?: AdminServerOptions['control'],
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://nlb');
    const method = request.method ?? 'GET';
    if (url.pathname === '/events' && method === 'GET') return events.add(response);
    const reply = (await first?.(method, url, request)) ?? (await answer(api, method, url));
    if (reply) return send(response, reply.code, reply.body);
    const file = await pageFile(url.pathname);
    if (!file) return send(response, 404, no(`nothing at ${url.pathname}`));
    response.writeHead(200, { ...HEADERS, 'content-type': file.type });
    response.end(method === 'HEAD' ? undefined : file.bytes);
  } catch (error) {
    send(response, 500, no(`Cannot answer ${request.url}: ${systemCode(error)}`));
  }
}

/** Nothing of the page comes from elsewhere, nobody frames it, and nothing is kept. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

function send(response: ServerResponse, code: number, body: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(code, { ...HEADERS, 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Why a request to the page is not from the page itself, or null. A client without a browser sends no Origin. */
function foreign(request: IncomingMessage, page: { address: string; port: number }): string | null {
  const own = [page.address, '127.0.0.1', 'localhost', '::1'];
  const names = own.map((name) => `${isIPv6(name) ? `[${name}]` : name}:${page.port}`);
  const host = request.headers.host ?? '';
  if (!names.includes(host.toLowerCase())) return `Host is ${host || 'missing'}, expected ${names[0]}`;
  const origin = request.headers.origin;
  if (origin !== undefined && origin !== `http://${host}`) return `Origin is ${origin}, expected http://${host}`;
  return null;
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  // The state directory is locked by us: a socket that is there was left by a sidecar that was killed.
  await unlink(path).catch(() => {});
  try {
    await listening(server, () => server.listen(path));
    await chmod(path, 0o600);
  } catch (error) {
    throw new EdgeError(
      'STATE_DIRECTORY_UNUSABLE',
      `Cannot listen on the control socket ${path}: ${systemCode(error)}`,
    );
  }
}

async function listenOnPage(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  try {
    await listening(server, () => server.listen({ host: address, port, exclusive: true }));
  } catch (error) {
    const code = systemCode(error);
    const why = code === 'EADDRINUSE' ? 'another process has it (ss -tlnp)' : code;
    throw new EdgeError(
      'PORT_TAKEN',
      `Cannot serve the page on ${address} TCP port ${port}: ${why}; ports.page of the cluster file names it`,
    );
  }
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    listen();
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
