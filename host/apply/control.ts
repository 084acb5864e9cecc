/**
 * Config distribution at the control socket; bodies and answers are JSON.
 *
 *     POST /apply      {text, by, dryRun?, without?, confirmMs?}    ApplyAnswer; 409 where it came in force nowhere
 *     POST /rollback   {to?, by, dryRun?, without?, confirmMs?}     likewise; `to` is a revision's number
 *     POST /confirm    {by}                                         VerbAnswer
 *     GET  /revisions                                               ListedRevision[], newest first
 */
import type { IncomingMessage } from 'node:http';
import { no, type Reply } from '../admin/api.js';
import { readJsonBody } from '../edge/json-body.js';
import type { HostName } from '../protocol/types.js';
import type { ApplyOrder } from './apply-host.js';
import type { Applying } from './applying.js';

const BY_LENGTH_MAX = 64;
const CONFIRM_MAX_MS = 3_600_000;

/** @returns null where the path is none of these */
export async function applyControl(
  applying: Applying,
  self: HostName,
  method: string,
  path: string,
  request: IncomingMessage,
): Promise<Reply | null> {
  const listed = listedRevisions(applying, method, path);
  if (listed !== null) return listed;
  if (path !== '/apply' && path !== '/rollback' && path !== '/confirm') return null;
  if (method !== 'POST') return { code: 405, body: no(`${path} changes the cluster: expected POST, got ${method}`) };
  let asked: Record<string, unknown>;
  try {
    asked = ((await readJsonBody(request)) ?? {}) as Record<string, unknown>;
  } catch (error) {
    return { code: 400, body: no(`Cannot read ${path}: ${(error as Error).message}`) };
  }
  const wrong = mistakeIn(asked, path);
  if (wrong !== null) return { code: 400, body: no(wrong) };
  const answer = await carryOut(applying, self, path, asked);
  return { code: answer.ok ? 200 : 409, body: answer };
}

/** Other hosts may ask for these as well. */
export function listedRevisions(applying: Applying, method: string, path: string): Reply | null {
  return path === '/revisions' && method === 'GET' ? { code: 200, body: applying.revisions() } : null;
}

function carryOut(applying: Applying, self: HostName, path: string, asked: Record<string, unknown>) {
  const by = `${nameOf(asked.by)} on ${self}`;
  if (path === '/confirm') return applying.confirm(by);
  const order: Omit<ApplyOrder, 'text' | 'cause'> = {
    by,
    isDryRun: asked.dryRun === true,
    without: (asked.without as string[] | undefined) ?? [],
    confirmMs: (asked.confirmMs as number | undefined) ?? null,
  };
  if (path === '/rollback') return applying.rollback((asked.to as number | undefined) ?? null, order);
  return applying.apply({ ...order, text: asked.text as string, cause: 'applied' });
}

function mistakeIn({ text, to, without, confirmMs }: Record<string, unknown>, path: string): string | null {
  if (path === '/apply' && typeof text !== 'string') return 'text is missing, expected a cluster file';
  if (to !== undefined && !Number.isSafeInteger(to)) return `to is ${JSON.stringify(to)}, expected a revision`;
  if (without !== undefined && !(Array.isArray(without) && without.every((name) => typeof name === 'string'))) {
    return 'without is no list of host names';
  }
  if (confirmMs === undefined || (typeof confirmMs === 'number' && confirmMs >= 1000 && confirmMs <= CONFIRM_MAX_MS)) {
    return null;
  }
  return `confirmMs is ${JSON.stringify(confirmMs)}, expected 1000-${CONFIRM_MAX_MS}`;
}

/** Who it was, for people; the right to do it is the right to the socket. */
function nameOf(by: unknown): string {
  const name = typeof by === 'string' ? by.replace(/[^\x21-\x7e]/g, '').slice(0, BY_LENGTH_MAX) : '';
  return name === '' ? 'somebody' : name;
}
