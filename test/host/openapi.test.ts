/** The OpenAPI document against the routes it is made from: nothing is left out, and what is answered fits its schemas. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { openApiDocument, openApiRoute, schemaOf } from '../../host/admin/openapi.js';
import { answerBy, type Route } from '../../host/admin/route.js';
import { clientRoutes } from '../../host/admin/client-routes.js';
import { adminRoutes } from '../../host/admin/routes.js';
import { applyRoutes } from '../../host/apply/control.js';
import type { Applying } from '../../host/apply/applying.js';
import type { HeldKeys } from '../../host/keys/held-keys.js';
import type { Rotation } from '../../host/keys/rotation.js';
import { keyRoutes } from '../../host/keys/routes.js';
import { HOW_TO_SWITCH_ON, remoteControlRoute } from '../../host/remote/remote-control.js';
import { adminApi } from './admin-fixture.js';
import { statusFixture } from './cli-fixture.js';

const api = adminApi({
  entry: () => ({ isIn: false, reason: 'this host is stopped' }),
  explain: () => Promise.reject(new Error('client is x, expected ADDRESS')),
});
const refused = { ok: false, text: 'no', revision: null, difference: [], moves: null };
const applying = {
  revisions: () => [],
  apply: async () => refused,
  rollback: async () => refused,
  confirm: async () => ({ ok: false, text: 'No revision waits to be confirmed' }),
} as unknown as Applying;

const clients = {
  stickyRules: () => ['rdp'],
  listed: () => [
    {
      rule: 'rdp',
      stickForMs: 1000,
      count: 1,
      keptCount: 0,
      clients: [{ hash: 1, host: 'mail1', ageMs: 0, isOpen: true, isKept: false }],
    },
  ],
};
const keys = [{ id: 1, fingerprint: '0123456789abcdef' }];
const held = { state: () => ({ host: 'mail1', keys, path: '/etc/envoy-nlb/cluster.key', problem: null }) };
const rotation = { carryOut: async () => ({ ok: false, text: 'host mail3 does not answer' }) };

const routes: Route[] = [
  ...adminRoutes(api),
  ...clientRoutes(clients),
  ...applyRoutes(applying, 'mail1'),
  ...keyRoutes(held as unknown as HeldKeys, rotation as unknown as Rotation),
  remoteControlRoute(() => ({ url: null, fingerprint: null, tokenCount: 0, text: HOW_TO_SWITCH_ON })),
  openApiRoute(() => routes),
];
interface Operation {
  'x-role': string;
  responses: Record<string, { content: Record<string, { schema: object }> }>;
}
const document = openApiDocument(routes) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
};
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: 'openapi', ...document });

function fits(schema: object, value: unknown): string | null {
  const text = JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components');
  const check = ajv.compile(JSON.parse(text) as object);
  return check(JSON.parse(JSON.stringify(value))) ? null : ajv.errorsText(check.errors);
}

describe('the OpenAPI document', () => {
  it('has every route with its method and role, and each that any host answers also for other hosts', () => {
    const told = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => `${method} ${path} ${operation['x-role']}`),
    );
    const wanted = routes.flatMap(({ method, path, role, isForAnyHost }) => {
      const paths = isForAnyHost ? [path, `/hosts/{host}${path}`] : [path];
      return paths.map((each) => `${method.toLowerCase()} ${each} ${role}`);
    });
    expect(told.toSorted()).toEqual(wanted.toSorted());
    expect(new Set(wanted).size).toBe(wanted.length);
  });

  it('names schemas that are there, each one of them sound', () => {
    for (const name of Object.keys(document.components.schemas)) {
      expect(() => ajv.compile({ $ref: `openapi#/components/schemas/${name}` }), name).not.toThrow();
    }
    for (const { body, replies } of routes) {
      for (const each of [...Object.values(replies), body ?? null]) {
        const name = each?.replace('[]', '');
        if (name !== undefined) expect(document.components.schemas, name).toHaveProperty(name);
      }
    }
  });

  it.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'tells what %s answers',
    async (_name, { method, path }) => {
      const asked = {
        url: new URL(path, 'http://nlb'),
        by: null,
        role: 'configure' as const,
        body: async () => ({ text: 'x' }),
      };
      let reply: { code: number; body: unknown; isStream?: boolean } | null;
      try {
        reply = await answerBy(routes, method, asked);
      } catch (error) {
        reply = { code: 500, body: { ok: false, text: (error as Error).message } };
      }
      if (reply?.isStream) return;
      const operation = document.paths[path]?.[method.toLowerCase()];
      const response = operation?.responses[String(reply?.code)];
      expect(response, `${reply?.code}`).toBeDefined();
      expect(fits(Object.values(response!.content)[0]!.schema, reply?.body)).toBeNull();
    },
  );

  it('refuses a body that is not of its shape, so that it is no empty promise', () => {
    expect(fits(schemaOf('ClusterStatus'), { ...statusFixture(), state: 'fine' })).toContain('must be equal to one of');
    expect(fits(schemaOf('ClusterStatus'), { ...statusFixture(), further: 1 })).toContain('additional properties');
  });

  it('expects POST where something changes', async () => {
    const asked = { url: new URL('http://nlb/stop'), by: null, role: 'configure' as const, body: async () => null };
    const text = '/stop changes something: expected POST for /stop, got GET';
    expect(await answerBy(routes, 'GET', asked)).toEqual({ code: 405, body: { ok: false, text } });
  });
});
