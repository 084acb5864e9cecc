/**
 * The cluster key: 32 secret bytes that every host of a cluster has, and a key id that says in clear which one sealed a
 * packet. One key a line; a second line is a second valid key, so that hosts can be given a new one in turn.
 *
 *     # comment
 *     1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff     <- seals what this host sends
 *     2 ...                                                                  <- only opens what others send
 */
import { createHmac } from 'node:crypto';
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { systemCode } from './edge-error.js';
import { modeFault } from './secret-file.js';

export interface ClusterKey {
  /** 0-255. */
  id: number;
  /** 32 bytes. */
  bytes: Uint8Array;
}

export interface ClusterKeys {
  /** Seals what this host sends: the first of the file. */
  sealing: ClusterKey;
  /** One or two; all of them open what others send. */
  valid: readonly ClusterKey[];
}

export type KeyFileErrorCode = 'KEY_FILE_MISSING' | 'KEY_FILE_UNREADABLE' | 'KEY_FILE_OPEN_TO_OTHERS' | 'KEY_MALFORMED';

export class KeyFileError extends Error {
  constructor(
    readonly code: KeyFileErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'KeyFileError';
  }
}

/** What other hosts may show while the key is being changed: the valid keys that do not seal. */
export function otherKeys({ sealing, valid }: ClusterKeys): Uint8Array[] {
  return valid.filter(({ id }) => id !== sealing.id).map(({ bytes }) => Buffer.from(bytes));
}

const KEY_BYTES = 32;
/** Two keys with long comments; whatever is larger is no key file. */
const FILE_BYTES_MAX = 4096;

/**
 * Reads the keys; messages never show any part of one.
 *
 * @throws KeyFileError, also where others than the owner may read the file: what they read is not secret any more
 */
export function readKeyFile(path: string): ClusterKeys {
  return parseKeys(readSecret(path), path);
}

/** The text of a key file. */
export function keyFileText({ valid }: ClusterKeys): string {
  const lines = valid.map(({ id, bytes }) => `${id} ${Buffer.from(bytes).toString('hex')}\n`);
  const [first = '', second] = lines;
  const head =
    '# Cluster key of envoy-nlb: the same file on every host, mode 0600. Whoever has it can join the cluster.\n';
  return second === undefined
    ? head + first
    : `${head}${first}# Valid too, while the key is changed (nlb key list):\n${second}`;
}

/** What a key is known by where it is not shown: nobody can tell the key from it. */
export function keyFingerprint({ bytes }: ClusterKey): string {
  return createHmac('sha256', bytes).update('envoy-nlb key fingerprint').digest('hex').slice(0, 16);
}

/** Writes a key file with mode 0600. Without `replace` an existing one is left alone: EEXIST is thrown. */
export function writeKeyFile(path: string, key: ClusterKey, replace: boolean): void {
  writeFileSync(path, keyFileText({ sealing: key, valid: [key] }), { mode: 0o600, flag: replace ? 'w' : 'wx' });
}

function readSecret(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') {
      const text =
        `Cannot read the cluster key ${path}: there is no such file; ` +
        `copy it from another host, or make one with nlb init`;
      throw new KeyFileError('KEY_FILE_MISSING', text);
    }
    throw new KeyFileError('KEY_FILE_UNREADABLE', `Cannot read the cluster key ${path}: ${code}`);
  }
  try {
    refuseOpenFile(path, descriptor);
    const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
    const length = readSync(descriptor, buffer, 0, buffer.length, 0);
    if (length <= FILE_BYTES_MAX) return buffer.toString('utf8', 0, length);
    const text =
      `Cannot read the cluster key ${path}: it has more than ` +
      `${FILE_BYTES_MAX} bytes, expected one or two lines "ID HEX"`;
    throw new KeyFileError('KEY_MALFORMED', text);
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError('KEY_FILE_UNREADABLE', `Cannot read the cluster key ${path}: ${systemCode(error)}`);
  } finally {
    closeSync(descriptor);
  }
}

function refuseOpenFile(path: string, descriptor: number): void {
  const fault = modeFault('cluster key', path, descriptor);
  if (fault !== null) throw new KeyFileError('KEY_FILE_OPEN_TO_OTHERS', fault);
}

function parseKeys(text: string, path: string): ClusterKeys {
  const lines = text.split('\n').map((line, index) => ({ text: line.trim(), number: index + 1 }));
  const valid = lines
    .filter((line) => line.text !== '' && !line.text.startsWith('#'))
    .map((line) => parseKey(line, path));
  const [sealing] = valid;
  if (sealing === undefined) {
    throw new KeyFileError(
      'KEY_MALFORMED',
      `The cluster key ${path} holds no key, expected a line "ID HEX" such as nlb init writes`,
    );
  }
  if (valid.length > 2) {
    throw new KeyFileError(
      'KEY_MALFORMED',
      `The cluster key ${path} holds ${valid.length} keys, expected one, or two during a change`,
    );
  }
  if (valid.length === 2 && valid[0]?.id === valid[1]?.id) {
    throw new KeyFileError(
      'KEY_MALFORMED',
      `The cluster key ${path} holds two keys of id ${sealing.id}, expected an id of its own for each`,
    );
  }
  return { sealing, valid };
}

function parseKey(line: { text: string; number: number }, path: string): ClusterKey {
  const fail = (what: string): never => {
    throw new KeyFileError('KEY_MALFORMED', `${path}:${line.number}: ${what}`);
  };
  const [id = '', hex = '', ...rest] = line.text.split(/\s+/);
  if (rest.length > 0 || hex === '') fail('this is no key, expected a line "ID HEX"');
  if (!/^(0|[1-9][0-9]{0,2})$/.test(id) || Number(id) > 255) fail(`the key id is ${id.slice(0, 8)}, expected 0-255`);
  if (!/^[0-9a-fA-F]*$/.test(hex)) fail(`the key is not hexadecimal, expected ${2 * KEY_BYTES} digits 0-9 a-f`);
  if (hex.length !== 2 * KEY_BYTES) {
    fail(
      `the key is too ${hex.length < 2 * KEY_BYTES ? 'short' : 'long'}: ` +
        `${hex.length} digits, expected ${2 * KEY_BYTES} (${KEY_BYTES} bytes)`,
    );
  }
  return { id: Number(id), bytes: new Uint8Array(Buffer.from(hex, 'hex')) };
}
