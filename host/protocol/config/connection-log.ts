/** The connection log in the cluster file: off where the key is missing. The schema, and the filled-in form. */
import type { ConnectionLogSettings, HostName } from '../types.js';
import type { Sound } from './draft.js';

export const CONNECTION_LOG_DEFAULTS = { format: 'json', maxMiB: 100 } as const;

export const CONNECTION_LOG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['path'],
  'x-expected': 'a map such as {path: /var/log/envoy-nlb/connections.log}',
  description:
    'One line for each connection, written by the Envoy of the host that it entered; off where this is missing.',
  properties: {
    path: {
      type: 'string',
      maxLength: 1024,
      pattern: '^(stdout|/.*[^/])$',
      'x-expected': "an absolute path, with {name} for the host's own name, or stdout for that of Envoy",
    },
    format: { enum: ['json', 'text'], default: CONNECTION_LOG_DEFAULTS.format },
    maxMiB: {
      type: 'integer',
      minimum: 1,
      maximum: 100_000,
      default: CONNECTION_LOG_DEFAULTS.maxMiB,
      'x-expected': 'a size of 1-100000 MiB',
      description: 'The file that grew beyond it becomes PATH.1, in place of the one before.',
    },
  },
} as const;

/** Undefined where it is off, so that the fingerprint of such a file stays what it was. */
export function connectionLogOf(sound: Sound): ConnectionLogSettings | undefined {
  const path = sound.get<string>('connectionLog', 'path');
  if (path === undefined) return undefined;
  return {
    path,
    format: sound.or<ConnectionLogSettings['format']>(CONNECTION_LOG_DEFAULTS.format, 'connectionLog', 'format'),
    maxMiB: sound.or<number>(CONNECTION_LOG_DEFAULTS.maxMiB, 'connectionLog', 'maxMiB'),
  };
}

/** Null for Envoy's standard output. */
export function connectionLogPath({ path }: ConnectionLogSettings, self: HostName): string | null {
  return path === 'stdout' ? null : path.replaceAll('{name}', self);
}
