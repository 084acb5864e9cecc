/** The OpenAPI document of one sidecar, made from its routes and from the types they answer with (schemas.ts). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Parameter, Route, SchemaName } from './route.js';

type Json = Record<string, unknown>;

/** Answered by every route where it applies. */
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'What was asked is wrong, and in what',
  401: 'Remote control: no token, or none that is valid here',
  403: "The role of the token is not enough, or Host or Origin are not this page's",
  404: 'There is no such host',
  405: 'Another method is expected',
  429: 'Remote control: too many requests; Retry-After says when',
  500: 'A mistake in nlb itself',
  502: 'The other host does not answer',
};

const MEANINGS: Readonly<Record<number, string>> = {
  200: 'Done, or the answer',
  409: 'The answer is no, and why',
  503: 'Not now, and why',
};

const HOST: Parameter = { name: 'host', help: 'another host of the cluster, by name or host priority', required: true };

/** The route itself; `routes` is what it tells of, and it is one of them. */
export function openApiRoute(routes: () => readonly Route[]): Route {
  return {
    method: 'GET',
    path: '/openapi.json',
    role: 'read',
    isForAnyHost: false,
    summary: 'This document.',
    replies: { 200: null },
    handle: () => ({ code: 200, body: openApiDocument(routes()) }),
  };
}

export function openApiDocument(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  const add = (path: string, route: Route, more: readonly Parameter[]) => {
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(path, route, more) };
  };
  for (const route of routes) {
    add(route.path, route, []);
    if (route.isForAnyHost) add(`/hosts/{host}${route.path}`, route, [HOST]);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'envoy-nlb',
      version: '1',
      description:
        'Everything that can be asked of a sidecar: at its control socket, and over remote control with a bearer token. x-role is the least role of the token.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } }, schemas: schemasOfTypes() },
  };
}

function operation(path: string, route: Route, more: readonly Parameter[]): Json {
  const { method, summary, role, query = [], body, replies } = route;
  const refusals = Object.entries(REFUSALS).map(([code, text]) => [code, response(text, 'VerbAnswer')]);
  const answers = Object.entries(replies).map(([code, schema]) => {
    return [code, response(MEANINGS[Number(code)] ?? summary, schema, path === '/events')];
  });
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^a-z]+/g, '-').replace(/-$/, '')}`,
    summary,
    'x-role': role,
    parameters: [...more.map((each) => parameter(each, 'path')), ...query.map((each) => parameter(each, 'query'))],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: Object.fromEntries([...refusals, ...answers]),
  };
}

function parameter({ name, help, required = false, isFlag, isList }: Parameter, place: 'path' | 'query'): Json {
  const one = isFlag === true ? { type: 'string', enum: ['true', 'false'] } : { type: 'string' };
  return {
    name,
    in: place,
    required,
    description: help,
    schema: isList === true ? { type: 'array', items: one } : one,
  };
}

function response(description: string, schema: SchemaName, isStream = false): Json {
  const content = json(schema);
  return { description, content: isStream ? { 'text/event-stream': Object.values(content)[0] } : content };
}

function json(schema: SchemaName): Json {
  return { 'application/json': { schema: schemaOf(schema) } };
}

/** `HistoryEntry[]` is a list of them. */
export function schemaOf(name: SchemaName): Json {
  if (name === null) return {};
  if (name.endsWith('[]')) return { type: 'array', items: schemaOf(name.slice(0, -2)) };
  return { $ref: `#/components/schemas/${name}` };
}

let read: Json | null = null;

/** Beside the built sidecar or, where the sources run as they are, in build/. @throws Error where it was never built */
export function schemasOfTypes(): Json {
  if (read !== null) return read;
  const places = ['./schemas.json', '../../build/host/admin/schemas.json'];
  for (const place of places) {
    try {
      read = JSON.parse(readFileSync(fileURLToPath(new URL(place, import.meta.url)), 'utf8')) as Json;
      return read;
    } catch {
      // The other place, then.
    }
  }
  throw new Error('Cannot find schemas.json, from which the OpenAPI document is made; run npm run build');
}
