/**
 * What can be asked of a running sidecar, apart from how it is reached. The control socket `<stateDir>/nlb.sock` takes all of
 * it; the page on loopback takes GET only (server.ts).
 *
 *     GET  /status                                   ClusterStatus (status.ts)
 *     GET  /events                                   the same as server-sent events, on every change, at least once a second
 *     GET  /entry                                    200 `in`, or 503 with the reason: may clients be sent to this host?
 *     GET  /explain?client=ADDRESS[:PORT]&port=25    who owns it and why (explain.ts); further: to=VIRTUAL_IP protocol=udp,
 *                                                    at=ISO for the view of then
 *     GET  /history?since=ISO                        HistoryEntry[] (history/entry.ts), oldest first, at most 1,000
 *     GET  /in-force                                 the view and file this host decides by, for nlb plan
 *     GET  /examination                              HostFacts (doctor/facts.ts): this host looked at itself; takes seconds
 *     POST /start /stop /drainstop /reload           VerbAnswer; 200 when done or begun, 409 when the answer is no
 *                                                    (also as /verbs/start ...); /start?now=true skips a damping delay
 */
import type { HostFacts } from '../doctor/facts.js';
import type { HistoryEntry } from '../history/entry.js';
import type { InForce } from '../protocol/types.js';
import type { ClusterStatus } from './status.js';

export const VERBS = ['start', 'stop', 'drainstop', 'reload'] as const;
export type Verb = (typeof VERBS)[number];

export interface VerbAnswer {
  ok: boolean;
  /** One or two sentences for a person: what happened, or why it did not. */
  text: string;
}

export interface EntryAnswer {
  isIn: boolean;
  reason: string;
}

export interface ExplainQuestion {
  /** `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1` or `[2001:db8::1]:4711`, as the person wrote it. */
  client: string;
  port: number;
  protocol: 'tcp' | 'udp';
  /** The virtual IP the client asked for; null for any. */
  to: string | null;
  /** ISO 8601: decided by the view of then; null for now. */
  at?: string | null;
}

/** What the loop (host/run.ts) offers to the admin servers. */
export interface AdminApi {
  status(): ClusterStatus;
  entry(): EntryAnswer;
  /** Null before the first view. */
  inForce(): InForce | null;
  /** For nlb doctor. @throws Error with a sentence for the person */
  examination(): Promise<HostFacts>;
  /** @param since  ISO 8601, or null for all */
  history(since: string | null): Promise<HistoryEntry[]>;
  /** @throws Error with a sentence for the person where the question cannot be answered */
  explain(question: ExplainQuestion): Promise<unknown>;
  verb(verb: Verb, asked: URLSearchParams): Promise<VerbAnswer>;
}

export interface Reply {
  code: number;
  body: unknown;
}

/** Answers everything but /events and files. BOUNDED: verbs take no body, so none is read. */
export async function answer(api: AdminApi, method: string, url: URL): Promise<Reply | null> {
  const path = url.pathname;
  const verb = VERBS.find((name) => path === `/${name}` || path === `/verbs/${name}`);
  if (verb) {
    if (method !== 'POST') return { code: 405, body: no(`${path} changes this host: expected POST, got ${method}`) };
    const said = await api.verb(verb, url.searchParams);
    return { code: said.ok ? 200 : 409, body: said };
  }
  if (method !== 'GET' && method !== 'HEAD') return { code: 405, body: no(`expected GET for ${path}, got ${method}`) };
  if (path === '/status') return { code: 200, body: api.status() };
  if (path === '/entry') {
    const entry = api.entry();
    return { code: entry.isIn ? 200 : 503, body: entry };
  }
  if (path === '/in-force') return inForce(api);
  if (path === '/examination') return { code: 200, body: await api.examination() };
  if (path === '/history') return history(api, url.searchParams.get('since'));
  if (path === '/explain') return explain(api, url.searchParams);
  return null;
}

function inForce(api: AdminApi): Reply {
  const inForce = api.inForce();
  return inForce === null
    ? { code: 409, body: no('There is no view yet; the hosts are still agreeing on the first') }
    : { code: 200, body: inForce };
}

async function history(api: AdminApi, since: string | null): Promise<Reply> {
  if (since !== null && !isTime(since)) return { code: 400, body: no(timeText('since', since)) };
  return { code: 200, body: await api.history(since) };
}

function isTime(text: string): boolean {
  return !Number.isNaN(Date.parse(text));
}

function timeText(name: string, text: string): string {
  return `${name} is ${text}, expected a time such as 2026-11-22T02:14:00Z`;
}

async function explain(api: AdminApi, asked: URLSearchParams): Promise<Reply> {
  const client = asked.get('client') ?? '';
  const port = Number(asked.get('port'));
  const protocol = asked.get('protocol') ?? 'tcp';
  if (client === '') return { code: 400, body: no('client is missing, expected ADDRESS or ADDRESS:PORT') };
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return { code: 400, body: no(`port is ${asked.get('port') ?? 'missing'}, expected 1-65535`) };
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    return { code: 400, body: no(`protocol is ${protocol}, expected tcp or udp`) };
  }
  const at = asked.get('at');
  if (at !== null && !isTime(at)) return { code: 400, body: no(timeText('at', at)) };
  try {
    return { code: 200, body: await api.explain({ client, port, protocol, to: asked.get('to'), at }) };
  } catch (error) {
    return { code: 400, body: no((error as Error).message) };
  }
}

export function no(text: string): VerbAnswer {
  return { ok: false, text };
}
