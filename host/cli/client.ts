/**
 * The other end of the control socket: one request, one answer. Which questions there are says host/admin/routes.ts.
 */
import { request } from 'node:http';
import type { VerbAnswer } from '../admin/api.js';
import type { ClusterStatus } from '../admin/status.js';
import { CliError, EXIT } from './exit-codes.js';

/** Where a question goes: to the sidecar of that socket, or through it to the one of another host. */
export interface Door {
  socketPath: string;
  /** Name or host priority of another host, asked over the host channel; null for the sidecar's own. */
  elsewhere: string | null;
}

/** A sidecar answers from memory; only reload asks Envoy and the disk before it does. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A status of 32 hosts and 32 rules has some 200 KB. */
const ANSWER_BYTES_MAX = 8_000_000;

export interface Answer {
  code: number;
  body: unknown;
}

/** @throws CliError unreachable */
export async function statusOf(door: Door): Promise<ClusterStatus> {
  const { code, body } = await ask(door, 'GET', '/status');
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
 * @param body       JSON-safe; sent where it is given
 * @param timeoutMs  without a byte of the answer
 * @throws CliError unreachable: no such socket, nobody behind it, no right to it, no answer, or one that is not JSON; and
 *                  where the other host does not answer. Usage where the cluster has no such host
 */
export async function ask(
  door: Door,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<Answer> {
  const { socketPath, elsewhere } = door;
  if (elsewhere === null) return askSocket(socketPath, method, path, timeoutMs, body);
  const there = `/hosts/${encodeURIComponent(elsewhere)}${path}`;
  const answer = await askSocket(socketPath, method, there, timeoutMs, body);
  if (answer.code === 502) throw new CliError(EXIT.unreachable, saidBy(answer.body));
  if (answer.code === 404) throw new CliError(EXIT.usage, saidBy(answer.body));
  return answer;
}

function askSocket(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers: { host: 'nlb' }, timeout: timeoutMs });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.on('error', (error) => reject(unreachable(socketPath, reasonOf(error))));
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) sent.destroy(new Error(`an answer of over ${ANSWER_BYTES_MAX} bytes`));
      });
      response.on('error', (error) => reject(unreachable(socketPath, reasonOf(error))));
      response.on('end', () => {
        try {
          resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
        } catch {
          reject(unreachable(socketPath, `it answers ${path} with something that is not JSON`));
        }
      });
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
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
