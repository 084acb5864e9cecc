/**
 * The bodies of requests, and what is wrong with them by the JSON Schema of the type that the route takes (schemas.ts): a key
 * that is written wrongly must not be passed over, or `dryrun` would apply.
 */
import type { IncomingMessage } from 'node:http';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { readJsonBody } from '../edge/json-body.js';
import { schemaOf, schemasOfTypes } from './openapi.js';
import type { Route } from './route.js';

/** BOUNDED: bytes that are read of a body where none is expected. */
const STRAY_BYTES_MAX = 1000;

let ajv: Ajv2020 | null = null;
/** BOUNDED: by the types that routes take. */
const compiled = new Map<string, ValidateFunction>();

/** Settings in a body that nobody reads would be passed over in silence; `{}` says nothing. */
export async function strayBody(route: Route, method: string, request: IncomingMessage): Promise<string | null> {
  if (route.body !== undefined || method === 'GET' || method === 'HEAD') return null;
  const names = (route.query ?? []).map(({ name }) => name);
  const expected = names.length === 0 ? 'none' : `none; parameters of the path are ${names.join(', ')}`;
  const text = `${route.path} takes no body, expected ${expected}`;
  try {
    const value = await readJsonBody(request, STRAY_BYTES_MAX);
    return value === null || JSON.stringify(value) === '{}' ? null : text;
  } catch {
    return text;
  }
}

/** @throws Error where it cannot be read, or is not of the shape that the OpenAPI document tells */
export async function bodyFor(route: Route, request: IncomingMessage): Promise<unknown> {
  const value = await readJsonBody(request);
  const fault = route.body == null ? null : bodyFault(route.body, value ?? {});
  if (fault !== null) throw new Error(fault);
  return value;
}

/** @returns a part of a sentence; null where nothing is wrong */
function bodyFault(name: string, value: unknown): string | null {
  const check = compiled.get(name) ?? compile(name);
  if (check(value)) return null;
  const [error] = check.errors ?? [];
  return error === undefined ? `it is no ${name}` : faultText(error);
}

function compile(name: string): ValidateFunction {
  if (ajv === null) {
    ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'types', components: { schemas: schemasOfTypes() } });
  }
  const schema = JSON.stringify(schemaOf(name)).replaceAll('"#/', '"types#/');
  const check = ajv.compile(JSON.parse(schema) as object);
  compiled.set(name, check);
  return check;
}

function faultText({ keyword, params, instancePath, message }: ErrorObject): string {
  const where = instancePath === '' ? 'the body' : instancePath.slice(1).replaceAll('/', '.');
  if (keyword === 'additionalProperties') return `${where} has ${params.additionalProperty}, which is no key of it`;
  if (keyword === 'required') return `${where} has no ${params.missingProperty}, expected one`;
  return `${where} ${message ?? 'is wrong'}`;
}
