/**
 * Watches the service behind one port rule: down after `failuresMax` failed checks in a row, up after one that succeeds.
 * The first check counts alone, so that a host joins a rule without waiting and never joins it for a service that is not
 * there. Checks never overlap. A check that failed is repeated sooner: a service that is gone leaves its rule in a good half of a
 * period instead of two to three, and one that missed a single check is not suspected for longer than before.
 *
 * A check that waits for a banner has witnesses: connections of clients that have waited for as long as a check does. While a
 * check of our own has failed each of them counts as one more, so a service that hangs is down with the first check; alone
 * they decide nothing. A check that found no file to connect with says nothing of the service.
 */
import type { NetConnectOpts } from 'node:net';
import { checkedAddress, parseServiceAddress } from '../protocol/config/index.js';
import type { Service } from '../protocol/types.js';
import { dial } from './dial.js';
import { isOutOfFiles } from './open-files.js';
import { localProxyHeader } from './proxy-header.js';
import type { WaitingFor } from './silent-service.js';

/** Checks after a failed one come this many times as often, until the service is down or answers again. */
const HURRY = 5;
/** A client that has waited for this part of a check's time makes the check come at once, once a period. */
const DOUBT = 5;

export interface ServiceWatch {
  /** False until the first check succeeded. */
  readonly up: boolean;
  /** Why the last check failed, or null. */
  readonly failure: string | null;
  /** Somebody else could not connect: checks now, not when the period is over. */
  suspect(): void;
  /** What clients of this service see; without a meaning where they speak first (check kind `connect`). */
  noteWaiting(waitingFor: WaitingFor): void;
  stop(): void;
}

/** @param onChange  called when `up` changes, and after the very first check */
export function watchService(service: Service, onChange: (up: boolean, failure: string | null) => void): ServiceWatch {
  const { check } = service;
  if (check.kind === 'none') {
    const timer = setImmediate(() => onChange(true, null));
    const deaf = { suspect: () => {}, noteWaiting: () => {} };
    return { up: true, failure: null, ...deaf, stop: () => clearImmediate(timer) };
  }
  const watch = { up: false, failure: null as string | null };
  let failuresInARow = 0;
  /** Clients that have waited for as long as a check does. */
  let waitingCount = 0;
  let isDoubted = false;
  let isFirst = true;
  let stopped = false;
  const ended = new AbortController();
  let timer: NodeJS.Timeout | null = null;

  async function checkOnce(): Promise<void> {
    timer = null;
    const failure = await checkService(service, ended.signal);
    if (stopped) return;
    if (!isFirst && failure !== null && isOutOfFiles(failure)) {
      timer = setTimeout(checkInTurn, check.periodMs);
      return;
    }
    failuresInARow = failure === null ? 0 : failuresInARow + 1;
    watch.failure = failure;
    judge();
    const isSuspected = watch.up && failure !== null;
    timer = setTimeout(checkInTurn, isSuspected ? check.periodMs / HURRY : check.periodMs);
  }

  function checkInTurn(): void {
    isDoubted = false;
    void checkOnce();
  }

  function judge(): void {
    const { failure } = watch;
    const up = failure === null || (watch.up && failuresInARow + waitingCount < check.failuresMax);
    const changed = isFirst || up !== watch.up;
    isFirst = false;
    watch.up = up;
    if (changed) onChange(up, waitingCount === 0 || up ? failure : `${failure}; ${clientsText(waitingCount)} as long`);
  }

  /** A check that failed is repeated soon anyway, and one of a service that is down is no news. */
  function checkNow(): void {
    if (timer === null || !watch.up || watch.failure !== null) return;
    clearTimeout(timer);
    void checkOnce();
  }

  void checkOnce();
  return {
    get up() {
      return watch.up;
    },
    get failure() {
      return watch.failure;
    },
    suspect: checkNow,
    noteWaiting(waitingFor) {
      if (stopped || isFirst || check.kind !== 'banner') return;
      waitingCount = waitingFor(check.timeoutMs);
      if (watch.failure !== null && watch.up) judge();
      // A service that lets its clients wait on purpose answers the check: it is not asked all the time for that.
      if (isDoubted || timer === null || waitingFor(check.timeoutMs / DOUBT) === 0) return;
      isDoubted = true;
      checkNow();
    },
    stop() {
      stopped = true;
      ended.abort();
      if (timer) clearTimeout(timer);
    },
  };
}

function clientsText(count: number): string {
  return count === 1 ? 'a client has waited' : `${count} clients have waited`;
}

/**
 * One check. A service that wants a PROXY header gets one that names no client: v2 LOCAL (postfix, OpenSMTPD, aiosmtpd), or
 * v1 UNKNOWN (smtp-server; postfix and Haraka answer it with 421, so with v1 they need check kind `connect`).
 *
 * @returns null when the service is up, else one sentence of why not
 */
export function checkService(service: Service, signal?: AbortSignal): Promise<string | null> {
  const { proxyProtocol, check } = service;
  const isBanner = check.kind === 'banner';
  return dial({
    to: whereTo(checkedAddress(service)),
    say: isBanner && proxyProtocol !== 'none' ? localProxyHeader(proxyProtocol) : null,
    expect: isBanner ? check.expect : null,
    // 220 is SMTP (and FTP): both end politely with QUIT.
    farewell: isBanner && check.expect.startsWith('220') ? 'QUIT\r\n' : null,
    timeoutMs: check.timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** @throws Error where the address is none: the cluster file was not checked before */
function whereTo(address: string): NetConnectOpts {
  const target = parseServiceAddress(address);
  if (target === null)
    throw new Error(`Cannot check service ${address}, expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH`);
  return target.kind === 'unix' ? { path: target.path } : { host: target.address, port: target.port };
}
