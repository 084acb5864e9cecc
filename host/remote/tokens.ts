/**
 * Who may use remote control: one token a line, of which the file holds only the SHA-256, so that reading the file opens
 * nothing. A token is 256 random bits; there is nothing in it to guess, hence no slow hash.
 *
 *     # ID      ROLE       SHA-256 OF THE SECRET    ADDED                  ENDS                   NAME
 *     1f0c2a3b  control    9c56cc51b374c3ba...      2026-11-26T12:00:00Z   -                      ops
 *
 * The token itself is `nlb_1f0c2a3b_` and 43 characters; it is shown once, when it is made.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { ROLES, type Role } from '../admin/route.js';
import { EdgeError, systemCode } from '../edge/edge-error.js';
import { fileStamp } from '../edge/file-stamp.js';
import { modeFault } from '../edge/secret-file.js';

export interface Token {
  /** 8 hex digits; no secret. */
  id: string;
  role: Role;
  /** Of the secret, hex. */
  hash: string;
  /** ISO 8601. */
  added: string;
  /** ISO 8601; null where it does not end. */
  ends: string | null;
  /** Whose it is, for the log: `[a-zA-Z0-9._@-]{1,32}`. */
  name: string;
}

/** BOUNDED: what is more is no list of people and tools. */
export const TOKENS_MAX = 100;
const FILE_BYTES_MAX = 64 * 1024;
const SECRET_BYTES = 32;
export const TOKEN_NAME = /^[a-zA-Z0-9._@-]{1,32}$/;
const TOKEN = /^nlb_([0-9a-f]{8})_([A-Za-z0-9_-]{43})$/;
const LINE = /^([0-9a-f]{8})\s+(\S+)\s+([0-9a-f]{64})\s+(\S+)\s+(\S+)\s+(\S+)$/;

/** A new one, and what goes into the file. */
export function makeToken(
  name: string,
  role: Role,
  added: string,
  ends: string | null,
): { text: string; token: Token } {
  const id = randomBytes(4).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { text: `nlb_${id}_${secret}`, token: { id, role, hash: hashOf(secret), added, ends, name } };
}

/**
 * The tokens of a file; none where there is no file.
 *
 * @throws EdgeError TOKEN_FILE with a sentence, also where others than its owner may read it
 */
export function readTokens(path: string): Token[] {
  const text = readOwn(path);
  if (text === null) return [];
  const lines = text.split('\n').map((line, index) => ({ line: line.trim(), number: index + 1 }));
  const tokens = lines
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, number }) => parse(line, `${path}:${number}`));
  if (tokens.length <= TOKENS_MAX) return tokens;
  throw wrong(`${path} holds ${tokens.length} tokens, expected at most ${TOKENS_MAX}`);
}

export function tokenFileText(tokens: readonly Token[]): string {
  const lines = tokens.map(({ id, role, hash, added, ends, name }) =>
    [id, role.padEnd(9), hash, added, ends ?? '-', name].join('  '),
  );
  return `# Tokens of remote control, hashed (nlb token add, list, remove). Mode 0600.\n${lines.map((line) => `${line}\n`).join('')}`;
}

/** The token that a request shows; null for none that is valid. Takes as long for a wrong secret as for an unknown id. */
export function tokenShown(tokens: readonly Token[], authorization: string | undefined, nowIso: string): Token | null {
  const [, shown = ''] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  const [, id = '', secret = ''] = TOKEN.exec(shown) ?? [];
  const token = tokens.find((each) => each.id === id);
  const isRight = timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(token?.hash ?? hashOf('')));
  return isRight && token !== undefined && isValid(token, nowIso) ? token : null;
}

export function isValid({ ends }: Token, nowIso: string): boolean {
  return ends === null || Date.parse(nowIso) < Date.parse(ends);
}

/** The tokens of a running sidecar: those of the file, read again when it changes; the last good ones where it is wrong. */
export class TokenList {
  private tokens: Token[] = [];
  private seen = '';

  constructor(readonly path: string) {}

  get all(): readonly Token[] {
    return this.tokens;
  }

  /** As the file is at this moment; the last good ones where it is wrong, which look() says. */
  now(): readonly Token[] {
    try {
      this.look();
    } catch {
      // Said by whoever looks now and then.
    }
    return this.tokens;
  }

  /** @throws EdgeError each time while the file is wrong */
  look(): void {
    const stamp = fileStamp(this.path);
    if (stamp === this.seen) return;
    this.tokens = readTokens(this.path);
    this.seen = stamp;
  }
}

function readOwn(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw wrong(`Cannot read the tokens ${path}: ${systemCode(error)}`);
  }
  try {
    const fault = modeFault('token file', path, descriptor);
    if (fault !== null) throw wrong(fault);
    const text = readFileSync(descriptor, 'utf8');
    if (text.length > FILE_BYTES_MAX)
      throw wrong(`Cannot read the tokens ${path}: it has more than ${FILE_BYTES_MAX} bytes`);
    return text;
  } finally {
    closeSync(descriptor);
  }
}

function parse(line: string, place: string): Token {
  const [, id = '', role = '', hash = '', added = '', ends = '', name = ''] = LINE.exec(line) ?? [];
  if (id === '') throw wrong(`${place}: this is no token, expected a line that nlb token add wrote`);
  if (!ROLES.includes(role as Role)) throw wrong(`${place}: the role is ${role}, expected ${ROLES.join(', ')}`);
  if (ends !== '-' && Number.isNaN(Date.parse(ends))) throw wrong(`${place}: it ends at ${ends}, expected a time or -`);
  if (!TOKEN_NAME.test(name)) throw wrong(`${place}: the name is ${name}, expected 1-32 letters, digits, . _ @ -`);
  return { id, role: role as Role, hash, added, ends: ends === '-' ? null : ends, name };
}

function wrong(text: string): EdgeError {
  return new EdgeError('TOKEN_FILE', text);
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
