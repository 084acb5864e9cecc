/**
 * A sidecar elsewhere, over remote control. Nothing is sent, least of all the token, before the other end has shown that it is
 * who it should be: the certificate of that fingerprint, or one that the system (or --ca-file) vouches for.
 *
 *     # a token file, mode 0600, as nlb token add writes it to standard output
 *     nlb_1f0c2a3b_...
 *     fingerprint sha256:...
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { systemCode } from '../edge/edge-error.js';
import { modeFault } from '../edge/secret-file.js';
import { CliError, EXIT } from './exit-codes.js';

export interface RemoteServer {
  url: URL;
  token: string;
  /** `sha256:` and 64 hex digits; null where an issuer is trusted. */
  fingerprint: string | null;
  /** PEM of issuers to trust beside the system's; null for none. */
  issuers: string | null;
}

const CONNECT_MAX_MS = 5000;
export const DEFAULT_PORT = 7623;

/** @throws CliError usage */
export function remoteServer(where: string, tokenPath: string | null, issuersPath: string | null): RemoteServer {
  let url: URL;
  try {
    url = new URL(where.includes('://') ? where : `https://${where}`);
  } catch {
    throw new CliError(EXIT.usage, `--server is ${where}, expected https://HOST:${DEFAULT_PORT}`);
  }
  if (url.protocol !== 'https:' || url.username !== '' || url.pathname !== '/') {
    throw new CliError(EXIT.usage, `--server is ${where}, expected https://HOST:${DEFAULT_PORT}`);
  }
  if (url.port === '' && !/:443$/.test(where)) url.port = String(DEFAULT_PORT);
  if (tokenPath === null) {
    throw new CliError(
      EXIT.usage,
      '--server needs a token: --token-file FILE (NLB_TOKEN_FILE); nlb token add there makes one',
    );
  }
  const issuers = issuersPath === null ? null : readOwn(issuersPath, false);
  return { url, ...readTokenFile(tokenPath), issuers };
}

function readTokenFile(path: string): { token: string; fingerprint: string | null } {
  const lines = readOwn(path, true)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const token = lines.find((line) => line.startsWith('nlb_'));
  const fingerprint = lines.map((line) => /^fingerprint\s+(sha256:[0-9a-f]{64})$/i.exec(line)?.[1]).find(Boolean);
  if (token === undefined)
    throw new CliError(EXIT.usage, `${path} holds no token, expected a line nlb_... as nlb token add prints it`);
  return { token, fingerprint: fingerprint?.toLowerCase() ?? null };
}

function readOwn(path: string, isSecret: boolean): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new CliError(EXIT.usage, `Cannot read ${path}: ${systemCode(error)}`);
  }
  try {
    const fault = isSecret ? modeFault('token file', path, descriptor) : null;
    if (fault !== null) throw new CliError(EXIT.usage, fault);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

/** A connection to the right sidecar, unless `signal` ends that. @throws Error with a part of a sentence */
export function dialRemote(server: RemoteServer, signal?: AbortSignal): Promise<TLSSocket> {
  const { url, fingerprint, issuers } = server;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const options: ConnectionOptions = {
    host,
    port: Number(url.port || 443),
    rejectUnauthorized: fingerprint === null,
    ...(issuers === null ? {} : { ca: issuers }),
    ...(/[a-z]/i.test(host) && !host.includes(':') ? { servername: host } : {}),
  };
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    const forget = whenAborted(signal, (reason) => fail(reason.message));
    const timer = setTimeout(() => fail(`no connection within ${CONNECT_MAX_MS / 1000} s`), CONNECT_MAX_MS);
    function fail(reason: string): void {
      clearTimeout(timer);
      forget();
      socket.destroy();
      reject(new Error(reason));
    }
    socket.on('error', (error) => {
      clearTimeout(timer);
      if (fingerprint === null && isUntrusted(error)) {
        void shownBy(options, signal).then((shown) => fail(untrusted(shown, systemCode(error))));
      } else fail(reasonOf(error));
    });
    socket.on('secureConnect', () => {
      const shown = fingerprintOf(socket);
      if (fingerprint !== null && shown !== fingerprint) {
        fail(
          `it shows the certificate ${shown}, the token file says ${fingerprint}: another machine, or a certificate made anew (compare nlb token list there)`,
        );
        return;
      }
      clearTimeout(timer);
      forget();
      socket.removeAllListeners('error').on('error', () => {});
      resolve(socket);
    });
  });
}

/** @returns what to call when that is of no interest any more: a signal may be of many dials */
function whenAborted(signal: AbortSignal | undefined, end: (reason: Error) => void): () => void {
  const heard = () => end(signal!.reason as Error);
  if (signal?.aborted) setImmediate(heard);
  else signal?.addEventListener('abort', heard, { once: true });
  return () => signal?.removeEventListener('abort', heard);
}

function fingerprintOf(socket: TLSSocket): string {
  const shown = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  return `sha256:${shown.replaceAll(':', '').toLowerCase()}`;
}

/** Of OpenSSL's verification. */
function isUntrusted(error: Error): boolean {
  return /CERT|SIGNATURE|ISSUER|ALTNAME/i.test(systemCode(error));
}

/** Who is there, without a word to it. */
function shownBy(options: ConnectionOptions, signal?: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ ...options, rejectUnauthorized: false });
    const end = (shown: string | null) => {
      forget();
      socket.destroy();
      resolve(shown);
    };
    const forget = whenAborted(signal, () => end(null));
    socket.setTimeout(CONNECT_MAX_MS, () => end(null));
    socket.on('error', () => end(null));
    socket.on('secureConnect', () => end(fingerprintOf(socket)));
  });
}

function untrusted(shown: string | null, code: string): string {
  const what = shown === null ? '' : `; it is ${shown}`;
  return `nobody vouches for its certificate (${code})${what}. Compare that with what nlb token list says on that host, then add the line "fingerprint ${shown ?? 'sha256:...'}" to the token file`;
}

function reasonOf(error: Error): string {
  const code = systemCode(error);
  if (code === 'ECONNREFUSED') {
    return 'nobody listens there; remote control is off unless the cluster file has remoteControl: (nlb apply), or its sidecar does not run';
  }
  if (code === 'ENOTFOUND') return 'there is no such name';
  return code;
}
