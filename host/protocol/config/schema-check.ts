/**
 * The check of a cluster file by its schema. In a build this file is another one with the same export, made of the same schema by
 * scripts/bundle.mjs: to make it at each start was most of what `nlb check` took.
 */
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { AJV_OPTIONS, teach } from './schema-formats.js';
import { CLUSTER_FILE_SCHEMA } from './schema.js';

const ajv = new Ajv2020(AJV_OPTIONS);
teach(ajv);
const validate = ajv.compile(CLUSTER_FILE_SCHEMA);

/** All that is wrong, in the order of the schema. */
export function schemaErrors(value: unknown): readonly ErrorObject[] {
  return validate(value) ? [] : (validate.errors ?? []);
}
