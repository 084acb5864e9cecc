/**
 * Two doors to one API: the control socket (mode 0600, for whoever may run `nlb` on this host) and the read-only page on a
 * loopback address. A page that a person has open somewhere else must not reach this one through the person's browser, so
 * Host and Origin are checked (DNS rebinding) and nothing is changed by GET. Pattern: caddy's admin endpoint.
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { sayAcceptErrors } from '../edge/accept-errors.js';
import { EdgeError, systemCode } from '../edge/edge-error.js';
import type { Log } from '../edge/log.js';
import { type Asker, type Door, send, serve } from './door.js';
import { no } from './route.js';

export interface AdminServer {
  close(): Promise<void>;
}

export interface AdminServerOptions {
  door: Door;
  socketPath: string;
  page: { address: string; port: number };
  log: Pick<Log, 'repeating'>;
}

/** Whoever has the right to the socket may do everything. */
const AT_THE_SOCKET: Asker = { role: 'configure', by: null };
const AT_THE_PAGE: Asker = { role: 'read', by: null };

/**
 * @throws EdgeError PORT_TAKEN for the page's port, STATE_DIRECTORY_UNUSABLE for the socket
 */
export async function openAdminServer({ door, socketPath, page, log }: AdminServerOptions): Promise<AdminServer> {
  const control = createServer((request, response) => void serve(door, AT_THE_SOCKET, request, response));
  const pageServer = createServer((request, response) => {
    const refusal = foreign(request, page);
    if (refusal) return void send(response, 403, no(refusal));
    void serve(door, AT_THE_PAGE, request, response);
  });
  for (const server of [control, pageServer]) harden(server);
  await listenOnSocket(control, socketPath);
  try {
    await listenOnPage(pageServer, page);
  } catch (error) {
    control.close();
    throw error;
  }
  sayAcceptErrors(control, 'the control socket', log);
  sayAcceptErrors(pageServer, 'the page', log);
  return {
    async close() {
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
