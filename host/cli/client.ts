/**
 * The other end of the control socket, or of remote control: one request, one answer.
 * Which questions there are says host/admin/routes.ts.
 */
import { type ClientRequest, request } from 'node:http';
import type { VerbAnswer } from '../admin/api.js';
import type { ClusterStatus } from '../admin/status.js';
import type { Milliseconds } from '../protocol/types.js';
import { CliError, EXIT } from './exit-codes.js';
import type { RemoteServer } from './remote.js';

/** Where a question goes: to the sidecar of that socket, or through it to the one of another host. */
export interface Door {
  /** Or the address of `server`, for messages. */
  socketPath: string;
  /** Asked over remote control; null for the socket. */
  server: RemoteServer | null;
  /** Name or host priority of another host, asked over the host channel; null for the sidecar's own. */
  elsewhere: string | null;
}

/** The question went out and no answer came: what was asked for may be done. */
export class AnswerLost extends CliError {}

/** A sidecar answers from memory; only reload asks Envoy and the disk before it does. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A status of 32 hosts and 32 rules has some 200 KB. */
const ANSWER_BYTES_MAX = 8_000_000;
/** Errors of a connection that was never made. */
const NOT_REACHED = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

/** How long an answer is waited for. */
export interface Patience {
  /** Without a byte of it. */
  timeoutMs?: Milliseconds;
  /** Ends the question, with its reason (an Error) in the place of an answer. */
  signal?: AbortSignal;
}

export interface Answer {
  code: number;
  body: unknown;
}

/** @throws CliError unreachable */
export async function statusOf(door: Door, patience: Patience = {}): Promise<ClusterStatus> {
  const { code, body } = await ask(door, 'GET', '/status', undefined, patience);
  if (code !== 200) throw unreachable(door.socketPath, `it answers /status with ${code}: ${saidBy(body)}`);
  return body as ClusterStatus;
}

/** Asks for a change of that host. @throws CliError unreachable */
export async function command(door: Door, path: string): Promise<VerbAnswer> {
  const { code, body } = await ask(door, 'POST', path);
  if (isVerbAnswer(body)) return body;
  throw unreachable(door.socketPath, `it answers ${path} with ${code}: ${saidBy(body)}`);
}

/**
 * @param body  JSON-safe; sent where it is given
 * @throws CliError unreachable: no such socket, nobody behind it, no right to it, no answer, or one that is not JSON; and
 *                  where the other host does not answer. Usage where the cluster has no such host
 */
export async function ask(
  door: Door,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  patience: Patience = {},
): Promise<Answer> {
  const { elsewhere } = door;
  const there = elsewhere === null ? path : `/hosts/${encodeURIComponent(elsewhere)}${path}`;
  const answer = await askDirectly(door, method, there, patience, body);
  refuseTurnedAway(door, answer);
  if (elsewhere === null) return answer;
  if (answer.code === 502) throw new CliError(EXIT.unreachable, saidBy(answer.body));
  if (answer.code === 404) throw new CliError(EXIT.usage, saidBy(answer.body));
  return answer;
}

async function askDirectly(
  door: Door,
  method: 'GET' | 'POST',
  path: string,
  { timeoutMs = ANSWER_TIMEOUT_MS, signal }: Patience,
  body?: unknown,
): Promise<Answer> {
  const sent = await begin(door, method, path, { timeoutMs, ...(signal && { signal }) });
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const { exitCode, message } = unreachable(door.socketPath, reasonOf(signal?.aborted ? signal.reason : error));
      const wasAsked = !NOT_REACHED.includes(error.code ?? '');
      reject(wasAsked ? new AnswerLost(exitCode, message) : new CliError(exitCode, message));
    };
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.on('error', fail);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) sent.destroy(new Error(`an answer of over ${ANSWER_BYTES_MAX} bytes`));
      });
      response.on('error', fail);
      response.on('end', () => {
        try {
          resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
        } catch {
          reject(unreachable(door.socketPath, `it answers ${path} with something that is not JSON`));
        }
      });
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A request that still has to be ended. @throws CliError unreachable */
export async function begin(
  door: Door,
  method: 'GET' | 'POST',
  path: string,
  patience: Patience = {},
): Promise<ClientRequest> {
  const { socketPath, server } = door;
  const { timeoutMs: timeout = 0, signal } = patience;
  const asked = { method, path, timeout, ...(signal && { signal }) };
  if (server === null) return request({ ...asked, socketPath, headers: { host: 'nlb' } });
  const { dialRemote } = await import('./remote.js');
  const socket = await dialRemote(server, signal).catch((error: Error) => {
    throw unreachable(socketPath, error.message);
  });
  const headers = { host: server.url.host, authorization: `Bearer ${server.token}`, connection: 'close' };
  return request({ ...asked, headers, createConnection: () => socket });
}

/** Remote control turned whoever asks away: nothing was asked of the host. */
function refuseTurnedAway(door: Door, { code, body }: Answer): void {
  if (door.server === null) return;
  if (code === 401 || code === 403) throw new CliError(EXIT.refused, saidBy(body));
  if (code === 429) throw new CliError(EXIT.refused, saidBy(body));
}

/** The sentence of a refusal, or what there is of one. */
export function saidBy(body: unknown): string {
  return isVerbAnswer(body) ? body.text : JSON.stringify(body).slice(0, 200);
}

function isVerbAnswer(body: unknown): body is VerbAnswer {
  const answer = body as Partial<VerbAnswer> | null;
  return typeof answer?.ok === 'boolean' && typeof answer.text === 'string';
}

function unreachable(socketPath: string, reason: string): CliError {
  return new CliError(EXIT.unreachable, `Cannot reach the sidecar at ${socketPath}: ${reason}`);
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such socket; is it running on this host (nlb run)?';
  if (error.code === 'ECONNREFUSED') return 'the socket is there and nobody listens; the sidecar has ended';
  if (error.code === 'EACCES') return 'no right to use this socket; only its owner has (sudo nlb ...)';
  return error.message;
}
