/**
 * One thing that can be asked of a sidecar: where, who may, what is asked, what is answered, and the handler itself. The
 * doors (server.ts, remote control), the roles and the OpenAPI document (openapi.ts) are made from these and from nothing else.
 */
import type { VerbAnswer } from './api.js';

/** Each may what the one before may: look; change the state of hosts; change the cluster file and the keys. */
export const ROLES = ['read', 'control', 'configure'] as const;
export type Role = (typeof ROLES)[number];

export interface Parameter {
  name: string;
  /** What it means, with its form. */
  help: string;
  required?: boolean;
  /** `true` or `false` and nothing else. */
  isFlag?: boolean;
  /** May be given several times. */
  isList?: boolean;
}

/** A name of schemas.json (a type of the sources); null for any JSON. */
export type SchemaName = string | null;

export interface Asked {
  url: URL;
  /** Who asks, in words, where the door knows it: `ops (token 1f0c)`. */
  by: string | null;
  role: Role;
  /** Parsed JSON of the request; null where there is none. @throws Error with a sentence */
  body(): Promise<unknown>;
}

export interface Reply {
  code: number;
  body: unknown;
  /** The answer is the stream of statuses, which the door itself keeps (events.ts). */
  isStream?: boolean;
}

export interface Route {
  method: 'GET' | 'POST';
  path: string;
  role: Role;
  summary: string;
  query?: readonly Parameter[];
  body?: SchemaName;
  /** Beside 400, 404, 405 and 500, which every route may answer with a VerbAnswer. */
  replies: Readonly<Record<number, SchemaName>>;
  /** May be asked of another host too, as `/hosts/{host}PATH`. */
  isForAnyHost: boolean;
  handle(asked: Asked): Promise<Reply> | Reply;
}

export function mayDo(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** @returns the route; a refusal where the path is there and the method is not; null where nothing is there */
export function routeFor(routes: readonly Route[], method: string, path: string): Route | Reply | null {
  const there = routes.filter((route) => route.path === path);
  const [first] = there;
  if (first === undefined) return null;
  const asked = method === 'HEAD' ? 'GET' : method;
  const changes = first.method === 'POST' ? `${path} changes something: ` : '';
  return (
    there.find((route) => route.method === asked) ?? {
      code: 405,
      body: no(`${changes}expected ${first.method} for ${path}, got ${method}`),
    }
  );
}

export function isRoute(found: Route | Reply): found is Route {
  return 'handle' in found;
}

export async function answerBy(routes: readonly Route[], method: string, asked: Asked): Promise<Reply | null> {
  const found = routeFor(routes, method, asked.url.pathname);
  return found === null || !isRoute(found) ? found : handledBy(found, asked);
}

/** A parameter that nobody reads would be a wish that nobody hears: it is refused before anything is done. */
export async function handledBy(route: Route, asked: Asked): Promise<Reply> {
  const fault = parameterFault(route, asked.url.searchParams);
  return fault === null ? route.handle(asked) : { code: 400, body: no(fault) };
}

/** What is wrong with what is given, as a sentence. What is missing and whether a value is one is for the handler to say. */
export function parameterFault({ path, query = [] }: Route, given: URLSearchParams): string | null {
  for (const name of new Set(given.keys())) {
    const parameter = query.find((each) => each.name === name);
    const values = given.getAll(name);
    if (parameter === undefined) {
      const expected = query.length === 0 ? 'none at all' : `one of ${query.map((each) => each.name).join(', ')}`;
      return `${path} has no parameter ${name}, expected ${expected}`;
    }
    if (values.length > 1 && parameter.isList !== true) return `${name} is given ${values.length} times, expected once`;
    if (parameter.isFlag === true && values[0] !== 'true' && values[0] !== 'false') {
      return `${name} is ${values[0]}, expected true or false`;
    }
  }
  return null;
}

export function no(text: string): VerbAnswer {
  return { ok: false, text };
}
