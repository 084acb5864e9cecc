/** One TCP or unix connection that says something, waits for the first bytes and ends: service checks and knocks. */
import { connect, type NetConnectOpts } from 'node:net';
import { systemCode } from './edge-error.js';

export interface Dial {
  to: NetConnectOpts;
  /** Sent at once after the handshake; null for nothing. */
  say: Buffer | null;
  /** The first bytes that must come; null where the handshake is enough. */
  expect: string | null;
  /** Said once the answer came, so that a mail server does not log a lost connection; null for nothing. */
  farewell: string | null;
  timeoutMs: number;
  /** Ends it before its time: whoever asked wants no answer any more. */
  signal?: AbortSignal;
}

/** BOUNDED: bytes kept of an answer; an expectation is a few bytes long, a message shows the first 80. */
const ANSWER_BYTES_MAX = 512;

/** @returns null when it went as expected, else one sentence of why not */
export function dial({ to, say, expect, farewell, timeoutMs, signal }: Dial): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(to);
    let answer = '';
    let finished = false;
    const timer = setTimeout(() => finish(late()), timeoutMs);
    const abort = () => finish('not waited for');
    signal?.addEventListener('abort', abort, { once: true });

    function finish(failure: string | null): void {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (failure === null && farewell !== null) socket.end(farewell);
      // The other side gets a moment to read the farewell; a reset would lose it.
      if (failure === null && farewell !== null) setTimeout(() => socket.destroy(), 1000).unref();
      else socket.destroy();
      resolve(failure);
    }

    function late(): string {
      if (socket.connecting) return `no connection within ${timeoutMs} ms`;
      return `connected, but ${answer === '' ? 'said nothing' : `said only ${JSON.stringify(answer)}`} within ${timeoutMs} ms, expected ${JSON.stringify(expect)}`;
    }

    socket.on('error', (error) => finish(systemCode(error)));
    socket.on('close', () =>
      finish(`closed the connection${answer === '' ? ' without a word' : ` after ${JSON.stringify(answer)}`}`),
    );
    socket.on('connect', () => {
      if (say) socket.write(say);
      if (expect === null) finish(null);
    });
    socket.on('data', (bytes) => {
      if (expect === null || answer.length > ANSWER_BYTES_MAX) return;
      answer += bytes.subarray(0, ANSWER_BYTES_MAX).toString('latin1');
      if (answer.startsWith(expect)) finish(null);
      else if (!expect.startsWith(answer))
        finish(`said ${JSON.stringify(answer.slice(0, 80))}, expected ${JSON.stringify(expect)} first`);
    });
  });
}
