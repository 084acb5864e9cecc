/**
 * Watches the service behind one port rule: down after `failuresMax` failed checks in a row, up after one that succeeds.
 * The first check counts alone, so that a host joins a rule without waiting and never joins it for a service that is not
 * there. Checks never overlap. A check that failed is repeated sooner: a service that is gone leaves its rule in a good half of a
 * period instead of two to three, and one that missed a single check is not suspected for longer than before.
 */
import type { NetConnectOpts } from 'node:net';
import { checkedAddress, parseServiceAddress } from '../protocol/config/index.js';
import type { Service } from '../protocol/types.js';
import { dial } from './dial.js';
import { localProxyHeader } from './proxy-header.js';

/** Checks after a failed one come this many times as often, until the service is down or answers again. */
const HURRY = 5;

export interface ServiceWatch {
  /** False until the first check succeeded. */
  readonly up: boolean;
  /** Why the last check failed, or null. */
  readonly failure: string | null;
  /** Somebody else could not connect: checks now, not when the period is over. */
  suspect(): void;
  stop(): void;
}

/** @param onChange  called when `up` changes, and after the very first check */
export function watchService(service: Service, onChange: (up: boolean, failure: string | null) => void): ServiceWatch {
  const { check } = service;
  if (check.kind === 'none') {
    const timer = setImmediate(() => onChange(true, null));
    return { up: true, failure: null, suspect: () => {}, stop: () => clearImmediate(timer) };
  }
  const watch = { up: false, failure: null as string | null };
  let failuresInARow = 0;
  let isFirst = true;
  let stopped = false;
  let timer: NodeJS.Timeout | null = null;

  async function checkOnce(): Promise<void> {
    timer = null;
    const failure = await checkService(service);
    if (stopped) return;
    failuresInARow = failure === null ? 0 : failuresInARow + 1;
    watch.failure = failure;
    const up = failure === null || (watch.up && failuresInARow < check.failuresMax);
    const changed = isFirst || up !== watch.up;
    isFirst = false;
    watch.up = up;
    if (changed) onChange(up, failure);
    const isSuspected = up && failure !== null;
    timer = setTimeout(() => void checkOnce(), isSuspected ? check.periodMs / HURRY : check.periodMs);
  }

  void checkOnce();
  return {
    get up() {
      return watch.up;
    },
    get failure() {
      return watch.failure;
    },
    suspect() {
      // A check that failed is repeated soon anyway, and one of a service that is down is no news.
      if (timer === null || !watch.up || watch.failure !== null) return;
      clearTimeout(timer);
      void checkOnce();
    },
    stop() {
      stopped = true;
      if (timer) clearTimeout(timer);
    },
  };
}

/**
 * One check. A service that wants a PROXY header gets one that names no client: v2 LOCAL (postfix, OpenSMTPD, aiosmtpd), or
 * v1 UNKNOWN (smtp-server; postfix and Haraka answer it with 421, so with v1 they need check kind `connect`).
 *
 * @returns null when the service is up, else one sentence of why not
 */
export function checkService(service: Service): Promise<string | null> {
  const { proxyProtocol, check } = service;
  const isBanner = check.kind === 'banner';
  return dial({
    to: whereTo(checkedAddress(service)),
    say: isBanner && proxyProtocol !== 'none' ? localProxyHeader(proxyProtocol) : null,
    expect: isBanner ? check.expect : null,
    // 220 is SMTP (and FTP): both end politely with QUIT.
    farewell: isBanner && check.expect.startsWith('220') ? 'QUIT\r\n' : null,
    timeoutMs: check.timeoutMs,
  });
}

/** @throws Error where the address is none: the cluster file was not checked before */
function whereTo(address: string): NetConnectOpts {
  const target = parseServiceAddress(address);
  if (target === null)
    throw new Error(`Cannot check service ${address}, expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH`);
  return target.kind === 'unix' ? { path: target.path } : { host: target.address, port: target.port };
}
