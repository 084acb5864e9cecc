/**
 * Shape and single values, by the JSON Schema; each of its errors turned into a sentence with what was expected.
 */
import type { ErrorObject } from 'ajv/dist/2020.js';
import { keyHint } from './hints.js';
import { schemaErrors } from './schema-check.js';
import { valueText, type YamlPath } from './finding.js';
import type { Complaint } from './yaml-text.js';
import { notYetHint } from './not-yet.js';

interface SchemaNode {
  type?: string | string[];
  enum?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  properties?: Record<string, SchemaNode>;
  'x-expected'?: string;
}

/** Everything that the schema has to say against `value`, one complaint for a place. */
export function schemaComplaints(value: unknown): Complaint[] {
  const complaints = new Map<string, Complaint>();
  for (const error of schemaErrors(value)) {
    const complaint = complaintOf(error);
    // One wrong value often breaks several keywords (type and range); the first says enough.
    const place = JSON.stringify(complaint.path);
    if (!complaints.has(place)) complaints.set(place, complaint);
  }
  return [...complaints.values()];
}

function complaintOf(error: ErrorObject): Complaint {
  const path = pathOf(error);
  const schema = error.parentSchema as SchemaNode;
  if (error.keyword === 'required') return missing(path, error.params.missingProperty as string, schema);
  if (error.keyword === 'additionalProperties') return unknownKey(path, error.params.additionalProperty, schema);
  if (error.keyword === 'propertyNames' || error.propertyName !== undefined) return wrongKey(path, error);
  const expected = expectedOf(schema);
  if (path.length === 0 && error.data === null) return { path, expected, says: `is empty, expected ${expected}` };
  if (Array.isArray(error.data) && (error.keyword === 'maxItems' || error.keyword === 'minItems')) {
    return { path, expected, says: `has ${error.data.length} entries, expected ${expected}` };
  }
  const hint = notYetHint(path, error.data);
  if (hint === null) return { path, expected };
  return { path, expected, says: `is ${valueText(error.data)}, expected ${expected}: ${hint}` };
}

function missing(parent: YamlPath, key: string, schema: SchemaNode): Complaint {
  return { path: [...parent, key], expected: expectedOf(schema.properties?.[key] ?? {}) };
}

function unknownKey(parent: YamlPath, key: string, schema: SchemaNode): Complaint {
  const known = Object.keys(schema.properties ?? {});
  const expected = `one of ${known.join(', ')}`;
  const path = [...parent, key];
  const later = notYetHint(path, undefined);
  if (later !== null) return { path, expected: 'no such key', says: `is not in this version: ${later}`, atKey: true };
  const hint = keyHint(key, known) ?? `expected ${expected}`;
  return { path, expected, says: `is a key that is not known: ${hint}`, atKey: true };
}

function wrongKey(parent: YamlPath, error: ErrorObject): Complaint {
  const key = String(error.propertyName ?? error.params.propertyName);
  const expected = 'the name of a host';
  return {
    path: [...parent, key],
    expected,
    says: `has a key that is no host name, expected ${expected}`,
    atKey: true,
  };
}

/** `/portRules/0/ports` with its JSON pointer escapes; numbers where the value is in a list. */
function pathOf(error: ErrorObject): YamlPath {
  const steps = error.instancePath.split('/').slice(1);
  return steps.map((step) => {
    const plain = step.replaceAll('~1', '/').replaceAll('~0', '~');
    return /^(0|[1-9][0-9]*)$/.test(plain) ? Number(plain) : plain;
  });
}

/** What a schema wants, in words: its own ones, or made from its limits. */
function expectedOf(schema: SchemaNode): string {
  if (schema['x-expected'] !== undefined) return schema['x-expected'];
  if (schema.enum !== undefined) return orList(schema.enum.map(String));
  if (schema.minimum !== undefined) return `a whole number ${schema.minimum}-${schema.maximum}`;
  if (schema.properties !== undefined) return `a map with ${orList(Object.keys(schema.properties), 'and')}`;
  if (schema.type === 'boolean') return 'true or false';
  return `a ${String(schema.type ?? 'value')}`;
}

function orList(words: readonly string[], word = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${word} ${words.at(-1)}`;
}
