/**
 * Whatever is asked wrongly over remote control is refused with a sentence, and nothing is changed by it. What can be asked is
 * read off the OpenAPI document of a running sidecar, so that a new path is tried without a word here.
 */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROLES, type Role } from '../../host/admin/route.js';
import { makeToken, tokenFileText } from '../../host/remote/tokens.js';
import { waitFor } from './harness/wait.js';
import { SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const PORT = 7661;
/** A body is refused beyond 4,000,000 bytes. */
const TOO_LONG = JSON.stringify({ text: 'x'.repeat(4_000_001) });
/** Of each role so many, and as many addresses: each of them may ask so often, and this asks some thousand times. */
const ASKERS = 24;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** Lawful values of what is required; a new required parameter needs one here. */
const SAMPLES: Record<string, string> = { host: 'mail2', client: '192.0.2.7', port: '2553', name: 'mail2' };

interface Schema {
  type?: string;
  enum?: string[];
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
}
interface Operation {
  'x-role': Role;
  parameters: { name: string; in: 'path' | 'query'; required: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}
interface Asked {
  method: string;
  path: string;
  token?: string | null;
  headers?: Record<string, string>;
  body?: string;
}
/** One wrong question, and the codes of which one must come. */
type Case = Asked & { what: string; codes: number[] };

const cluster = new SidecarCluster('127.0.80', 2);
const [mail1, mail2] = cluster.hosts as [SidecarHost, SidecarHost];
const tokens = Object.fromEntries(
  ROLES.map((role) => [role, Array.from({ length: ASKERS }, (_, i) => makeToken(`${role}${i}`, role, isoNow(), null))]),
) as Record<Role, ReturnType<typeof makeToken>[]>;
let document: Document;
let ajv: Ajv2020;
let askedCount = 0;

function isoNow(): string {
  return new Date().toISOString();
}

beforeAll(async () => {
  writeFileSync(cluster.filePath, `${cluster.fileText('equal')}remoteControl: {port: ${PORT}}\n`);
  const all = Object.values(tokens).flatMap((each) => each.map(({ token }) => token));
  writeFileSync(join(dirname(cluster.filePath), 'remote.tokens'), tokenFileText(all), { mode: 0o600 });
  await cluster.start();
  await waitFor('remote control', () => mail1.log().includes('remote control is open at'));
  document = JSON.parse((await ask({ method: 'GET', path: '/openapi.json' })).text) as Document;
  ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'openapi', ...document });
});
afterAll(() => cluster.stop());

/** Each time as another address and with another token of the role, as no one of them may ask so often. */
function ask({ method, path, token, headers = {}, body }: Asked): Promise<{ code: number; text: string }> {
  const turn = askedCount++ % ASKERS;
  const shown = token === undefined ? tokens.configure[turn]!.text : token;
  const authorization = shown === null ? {} : { authorization: `Bearer ${shown}` };
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: mail1.ip, port: PORT, localAddress: `127.0.84.${turn + 1}`, method, path },
        ...{ rejectUnauthorized: false, agent: false, headers: { ...authorization, ...headers } },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ code: response.statusCode ?? 0, text }));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const lowerRole = (role: Role): Role | null => ROLES[ROLES.indexOf(role) - 1] ?? null;

/** A lawful path of the operation, less one of its parameters. */
function pathOf(path: string, { parameters }: Operation, without: string | null = null): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => sampleOf(name));
  const query = parameters
    .filter(({ name, in: place, required }) => place === 'query' && required && name !== without)
    .map(({ name }) => `${name}=${sampleOf(name)}`);
  return query.length === 0 ? filled : `${filled}?${query.join('&')}`;
}

function sampleOf(name: string): string {
  const sample = SAMPLES[name];
  if (sample === undefined) throw new Error(`parameter ${name} is required: SAMPLES needs a lawful value of it`);
  return sample;
}

const withMore = (path: string, more: string): string => `${path}${path.includes('?') ? '&' : '?'}${more}`;

function methodCases(path: string, operations: Record<string, Operation>): Case[] {
  const [operation] = Object.values(operations);
  return METHODS.filter((method) => operations[method.toLowerCase()] === undefined).map((method) => {
    return { what: `${method} where another method is expected`, method, path: pathOf(path, operation!), codes: [405] };
  });
}

function askerCases(path: string, method: string, operation: Operation, index: number): Case[] {
  const asked = { method, path: pathOf(path, operation) };
  const lower = lowerRole(operation['x-role']);
  const wrong = `nlb_${tokens.read[0]!.token.id}_${'A'.repeat(43)}`;
  return [
    { ...asked, what: 'no token', token: null, codes: [401] },
    { ...asked, what: 'a wrong token', token: wrong, codes: [401] },
    ...(lower === null
      ? []
      : [{ ...asked, what: `a token of role ${lower}`, token: tokens[lower][index % ASKERS]!.text, codes: [403] }]),
    { ...asked, what: 'another Host', headers: { host: `evil.example:${PORT}` }, codes: [403] },
    { ...asked, what: 'the Origin of another page', headers: { origin: 'https://evil.example' }, codes: [403] },
  ];
}

function parameterCases(path: string, method: string, operation: Operation): Case[] {
  const lawful = pathOf(path, operation);
  const query = operation.parameters.filter((each) => each.in === 'query');
  const of = (what: string, asked: string, codes = [400]): Case => ({ what, method, path: asked, codes });
  return [
    of('a parameter that is none', withMore(lawful, 'nonsense=1')),
    ...query.flatMap(({ name, required, schema }) => {
      const bare = pathOf(path, operation, name);
      const wrong = of(`a wrong value of ${name}`, withMore(bare, `${name}=no-such-thing`), [400, 409]);
      const twice = of(`${name} twice`, withMore(withMore(bare, `${name}=true`), `${name}=false`));
      const missing = of(`no ${name}`, bare, [400, 409]);
      return [wrong, ...(schema.type === 'array' ? [] : [twice]), ...(required ? [missing] : [])];
    }),
  ];
}

function bodyCases(path: string, method: string, operation: Operation): Case[] {
  if (method !== 'POST') return [];
  const of = (what: string, body: string): Case => {
    return { what: `a body that is ${what}`, method, path: pathOf(path, operation), body, codes: [400] };
  };
  const always = [of('too long', TOO_LONG), of('no JSON', 'now=true'), of('of keys that are none', '{"nonsense":1}')];
  const named = operation.requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1);
  if (named === undefined) return always;
  const { properties = {}, required = [] } = document.components.schemas[named]!;
  const lawful = Object.fromEntries(required.map((name) => [name, properties[name]?.type === 'string' ? 'x' : 1]));
  return [
    ...always,
    ...['[]', '"x"', '5', 'true'].map((body) => of(body, body)),
    ...Object.entries(properties).map(([name, { type }]) =>
      of(`of a wrong ${name}`, JSON.stringify({ ...lawful, [name]: type === 'string' ? 5 : 'x' })),
    ),
    ...required.map((name) => of(`without ${name}`, JSON.stringify({ ...lawful, [name]: undefined }))),
  ];
}

function allCases(): Case[] {
  return Object.entries(document.paths).flatMap(([path, operations]) => [
    ...methodCases(path, operations),
    ...Object.entries(operations).flatMap(([name, operation], index) => {
      const method = name.toUpperCase();
      return [
        ...askerCases(path, method, operation, index),
        ...parameterCases(path, method, operation),
        ...bodyCases(path, method, operation),
      ];
    }),
  ]);
}

/** What a wrong question might have changed. */
async function standing() {
  const statuses = await Promise.all([mail1, mail2].map((host) => host.status()));
  const keys = await mail1.ask('GET', '/keys');
  return statuses.map(({ view, file, hosts, rules }) => ({
    ...{ view: view!.number, checksum: view!.checksum, revision: file.revision, offered: file.offered, keys },
    states: hosts.map(({ state }) => state),
    controls: rules.flatMap((rule) => rule.hosts.map(({ control }) => control)),
  }));
}

/** A whole sentence in the shape that the document tells, unless nothing could be read of it. */
function isRefusal(text: string): boolean {
  try {
    const answer = JSON.parse(text) as { ok: boolean; text: string };
    return ajv.validate('openapi#/components/schemas/VerbAnswer', answer) && !answer.ok && answer.text.length > 10;
  } catch {
    return false;
  }
}

describe('remote control', () => {
  it('refuses every wrong question about every path of its document with a sentence, and changes nothing', async () => {
    const before = await standing();
    const cases = allCases();
    const wrong: string[] = [];
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < cases.length; i = next++) {
        const { what, codes, ...asked } = cases[i]!;
        const said = await ask(asked).catch((error: Error) => ({ code: -1, text: error.message }));
        // Whoever goes on sending what is not read any more sees its connection end.
        const isCut = said.code === -1 && asked.body === TOO_LONG && /ECONNRESET|EPIPE|hang up/.test(said.text);
        if (isCut || (codes.includes(said.code) && isRefusal(said.text))) continue;
        wrong.push(
          `${asked.method} ${asked.path}, ${what}: ${said.code} ${said.text.slice(0, 200)}, expected ${codes}`,
        );
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThan(500);
    expect(await standing()).toEqual(before);
    expect(mail1.log()).not.toMatch(/remote control: .*: POST .* -> 200/);
  });

  it('answers a target that is no path, and lives', async () => {
    const raw = (line: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: mail1.ip, port: PORT, rejectUnauthorized: false }, () => {
          socket.write(`${line} HTTP/1.1\r\nhost: ${mail1.ip}:${PORT}\r\nconnection: close\r\n\r\n`);
        });
        let text = '';
        socket.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        socket.on('error', reject).on('close', () => resolve(text.split('\r\n')[0]!));
      });
    for (const line of ['GET //', 'GET http://[', 'POST //', 'GET http://:::/status']) {
      expect(await raw(line), line).toMatch(/^HTTP\/1\.1 40[0-4]/);
    }
    expect(await ask({ method: 'GET', path: '/hosts/%zz/status' })).toMatchObject({ code: 404 });
    expect(mail1.sidecar!.exitCode).toBeNull();
    expect((await ask({ method: 'GET', path: '/status' })).code).toBe(200);
  });
});
