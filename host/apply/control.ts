/** Config distribution as routes: who brings a file speaks to one host, and that one to the others. */
import { type Asked, no, type Reply, type Route } from '../admin/route.js';
import type { HostName } from '../protocol/types.js';
import type { ApplyOrder } from './apply-host.js';
import type { Applying } from './applying.js';

/** `POST /apply`. */
export interface ApplyRequest extends BringRequest {
  /** The cluster file. */
  text: string;
}

/** `POST /rollback`. */
export interface RollbackRequest extends BringRequest {
  /** A revision's number; left out, the file before the one in force. */
  to?: number;
}

export interface ConfirmRequest {
  /** Who it was, for people. */
  by?: string;
}

interface BringRequest extends ConfirmRequest {
  /** Checked on all hosts and brought to none. */
  dryRun?: boolean;
  /** Hosts that are left behind, by name or host priority. */
  without?: string[];
  /** Taken back after so long unless it is confirmed: 1,000-3,600,000. */
  confirmMs?: number;
}

const BY_LENGTH_MAX = 64;
const CONFIRM_MAX_MS = 3_600_000;

export function applyRoutes(applying: Applying, self: HostName): Route[] {
  const bring = { method: 'POST', role: 'configure', isForAnyHost: false } as const;
  const changed = { 200: 'ApplyAnswer', 409: 'ApplyAnswer' };
  const routes: Omit<Route, 'handle'>[] = [
    {
      ...bring,
      path: '/apply',
      summary: 'Brings a cluster file to all hosts, or to none.',
      body: 'ApplyRequest',
      replies: changed,
    },
    {
      ...bring,
      path: '/rollback',
      summary: 'Brings an earlier file to all hosts.',
      body: 'RollbackRequest',
      replies: changed,
    },
    {
      ...bring,
      path: '/confirm',
      summary: 'Keeps what was brought with confirmMs.',
      body: 'ConfirmRequest',
      replies: { 200: 'VerbAnswer', 409: 'VerbAnswer' },
    },
  ];
  return [
    ...routes.map((route) => ({ ...route, handle: (asked: Asked) => brought(applying, self, route.path, asked) })),
    {
      method: 'GET',
      path: '/revisions',
      role: 'read',
      isForAnyHost: true,
      summary: 'The cluster files that were in force here, newest first.',
      replies: { 200: 'ListedRevision[]' },
      handle: () => ({ code: 200, body: applying.revisions() }),
    },
  ];
}

async function brought(applying: Applying, self: HostName, path: string, { body, by }: Asked): Promise<Reply> {
  let asked: Record<string, unknown>;
  try {
    asked = ((await body()) ?? {}) as Record<string, unknown>;
  } catch (error) {
    return { code: 400, body: no(`Cannot read ${path}: ${(error as Error).message}`) };
  }
  const wrong = mistakeIn(asked, path);
  if (wrong !== null) return { code: 400, body: no(wrong) };
  const answer = await carryOut(applying, self, path, by === null ? asked : { ...asked, by });
  return { code: answer.ok ? 200 : 409, body: answer };
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
