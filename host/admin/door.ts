/**
 * What all doors have in common: a request is found among the routes, the one who asks may do it or not, and the answer is
 * JSON, a stream of statuses, or a file of the page.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemCode } from '../edge/edge-error.js';
import type { Events } from './events.js';
import { pageFile } from './page-files.js';
import { bodyFor, strayBody } from './bodies.js';
import { handledBy, isRoute, mayDo, no, parameterFault, type Reply, type Role, type Route, routeFor } from './route.js';

export interface Door {
  routes: readonly Route[];
  /** Answers `/hosts/NAME/PATH`. */
  elsewhere(method: string, url: URL): Promise<Reply | null>;
  events: Events;
}

/** Who asks, as far as a door knows. */
export interface Asker {
  role: Role;
  by: string | null;
}

const OTHER_HOST = /^\/hosts\/[^/]+(\/.*)$/;

/** The route behind a path, here or on another host; a refusal where the method is wrong; null where nothing is there. */
export function routeAt(door: Door, method: string, url: URL): Route | Reply | null {
  const [, path] = OTHER_HOST.exec(url.pathname) ?? [];
  if (path === undefined) return routeFor(door.routes, method, url.pathname);
  return routeFor(
    door.routes.filter(({ isForAnyHost }) => isForAnyHost),
    method,
    path,
  );
}

/** @returns the code that was answered, for whoever keeps a record of it */
export async function serve(
  door: Door,
  asker: Asker,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> {
  try {
    const url = urlOf(request);
    if (url === null)
      return send(response, 400, no(`the target ${request.url} is no path, expected one such as /status`));
    const method = request.method ?? 'GET';
    const route = routeAt(door, method, url);
    if (route === null) return await sendFile(response, method, url.pathname);
    if (!isRoute(route)) return send(response, route.code, route.body);
    if (!mayDo(asker.role, route.role)) return send(response, 403, no(notAllowed(asker, route)));
    const fault = parameterFault(route, url.searchParams) ?? (await strayBody(route, method, request));
    if (fault !== null) return send(response, 400, no(fault), CLOSED);
    const elsewhere = OTHER_HOST.test(url.pathname) ? await door.elsewhere(method, url) : null;
    const asked = { url, ...asker, body: () => bodyFor(route, request) };
    const reply = elsewhere ?? (await handledBy(route, asked));
    if (reply.isStream !== true) return send(response, reply.code, reply.body);
    door.events.add(response);
    return reply.code;
  } catch (error) {
    return send(response, 500, no(`Cannot answer ${request.url}: ${systemCode(error)}`));
  }
}

/** What a request asks for; null where that is no path: `//`, `http://[`. */
export function urlOf(request: IncomingMessage): URL | null {
  try {
    return new URL(request.url ?? '/', 'http://nlb');
  } catch {
    return null;
  }
}

/** Of whoever sends too much the rest is not read. */
const CLOSED = { connection: 'close' } as const;

/** Nothing of the page comes from elsewhere, nobody frames it, and nothing is kept. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

export function send(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Record<string, string> = {},
): number {
  if (response.headersSent) {
    response.destroy();
    return code;
  }
  response.writeHead(code, { ...HEADERS, 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
  return code;
}

async function sendFile(response: ServerResponse, method: string, path: string): Promise<number> {
  const file = method === 'GET' || method === 'HEAD' ? await pageFile(path) : null;
  if (!file) return send(response, 404, no(`nothing at ${path}`));
  response.writeHead(200, { ...HEADERS, 'content-type': file.type });
  response.end(method === 'HEAD' ? undefined : file.bytes);
  return 200;
}

function notAllowed({ by, role }: Asker, { path, role: needed }: Route): string {
  if (by === null)
    return `${path} needs the role ${needed}; here everybody may only look: use nlb, or remote control (remoteControl: in the cluster file)`;
  return `${path} needs the role ${needed}; ${by} has the role ${role}`;
}
