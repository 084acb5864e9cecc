// JSON Schemas of the types in host/admin/schemas.ts, for the OpenAPI document (host/admin/openapi.ts): node schemas.mjs SOURCE OUTPUT
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';

/** Names in OpenAPI's components are of letters, digits, dot, hyphen and underscore. */
const lawful = (name) => name.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/_$/, '');
const REF = '#/definitions/';

function renamed(value) {
  if (Array.isArray(value)) return value.map(renamed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      if (key !== '$ref') return [key, renamed(each)];
      return [key, `#/components/schemas/${lawful(decodeURIComponent(each.slice(REF.length)))}`];
    }),
  );
}

/** The schemas named in `wanted` and all that they refer to. */
function reachable(schemas, wanted) {
  const found = new Map();
  const visit = (name) => {
    if (found.has(name)) return;
    found.set(name, schemas[name]);
    for (const [, other] of JSON.stringify(schemas[name]).matchAll(/#\/components\/schemas\/([\w.-]+)"/g)) visit(other);
  };
  wanted.forEach(visit);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function writeSchemas(source, output) {
  const settings = { path: source, tsconfig: 'tsconfig.json', skipTypeCheck: true, expose: 'export' };
  const { definitions } = createGenerator({ ...settings, topRef: true, jsDoc: 'extended' }).createSchema('*');
  const all = Object.fromEntries(Object.entries(definitions).map(([name, each]) => [lawful(name), renamed(each)]));
  const wanted = [...readFileSync(source, 'utf8').matchAll(/export type \{([^}]*)\}/g)].flatMap(([, names]) =>
    names.split(','),
  );
  const schemas = reachable(
    all,
    wanted.map((name) => name.trim()).filter((name) => name !== ''),
  );
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `${JSON.stringify(schemas, null, 1)}\n`);
}

writeSchemas(...process.argv.slice(2));
