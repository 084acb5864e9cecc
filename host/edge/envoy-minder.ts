/**
 * Keeps this host's Envoy alive: adopts the one that is there, starts one where there is none, starts it again with a
 * growing delay when it ends, and passes on why. Only while the host is meant to serve; a stopped host has no Envoy.
 */
import type { Clock } from './clock.js';
import { systemCode } from './edge-error.js';
import type { EnvoyAdmin } from './envoy-admin.js';
import { followEnvoyLog } from './envoy-log.js';
import {
  type EnvoyStart,
  endEnvoy,
  envoyLogPath,
  findOwnEnvoy,
  isOwnEnvoy,
  refuseTakenPorts,
  startEnvoy,
} from './envoy-process.js';
import type { Endpoint } from './listening.js';
import type { Log } from './log.js';

export interface EnvoyState {
  state: 'starting' | 'serving' | 'down';
  pid: number | null;
  version: string | null;
  detail: string | null;
}

export interface EnvoyMinderOptions extends EnvoyStart {
  /** The node id of its bootstrap; what answers at the admin socket must have it. */
  nodeId: string;
  admin: EnvoyAdmin;
  clock: Clock;
  log: Log;
  /** Where the listeners of the files on disk listen. */
  endpoints(): Endpoint[];
  onChange(state: EnvoyState): void;
}

export interface EnvoyMinder {
  readonly current: EnvoyState;
  /**
   * Adopts or starts, and minds from then on.
   *
   * @returns how Envoy came to be there
   * @throws  EdgeError PORT_TAKEN and others at this first start only; later ones are said and tried again
   */
  begin(): Promise<'adopted' | 'started'>;
  /** Ends Envoy and minds no more, until begin() is called again. */
  end(): Promise<void>;
  /** Minds no more and leaves Envoy serving. */
  leave(): void;
}

const WATCH_MS = 200;
/** The delay before the second start in a row, doubled for each further one. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** An Envoy that ran this long was fine: its next end is a first one again. */
const FINE_AFTER_MS = 60_000;
const END_PATIENCE_MS = 5000;

/** 0, 250, 500 ... 10,000 ms before the 1st, 2nd, 3rd ... start in a row. */
export function startDelayMs(startsInARow: number): number {
  return startsInARow === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (startsInARow - 1));
}

export function createEnvoyMinder(options: EnvoyMinderOptions): EnvoyMinder {
  const { directory, clock, log, admin } = options;
  const envoyLog = followEnvoyLog(envoyLogPath(directory), log);
  let current: EnvoyState = { state: 'down', pid: null, version: null, detail: null };
  let timer: NodeJS.Timeout | null = null;
  let minding = false;
  let startsInARow = 0;
  let startedAtMs = 0;
  let nextStartAtMs = 0;

  function become(next: EnvoyState): void {
    const changed = next.state !== current.state || next.pid !== current.pid || next.detail !== current.detail;
    current = next;
    if (changed) options.onChange(next);
  }

  async function start(): Promise<void> {
    refuseTakenPorts(options.endpoints());
    startedAtMs = clock.nowMs();
    startsInARow += 1;
    await startEnvoy(options);
    become({ state: 'starting', pid: findOwnEnvoy(directory), version: null, detail: null });
  }

  async function look(): Promise<void> {
    envoyLog.follow();
    if (current.pid === null || !isOwnEnvoy(current.pid, directory)) {
      const pid = findOwnEnvoy(directory);
      if (pid === null) return restart();
      become({ state: 'starting', pid, version: null, detail: null });
    }
    if (current.state !== 'serving') return greet();
    if (clock.nowMs() - startedAtMs > FINE_AFTER_MS) startsInARow = 0;
  }

  async function greet(): Promise<void> {
    try {
      const info = await admin.serverInfo();
      if (!minding) return;
      if (info.nodeId !== options.nodeId) {
        const detail = `its admin socket ${admin.socketPath} answers as node ${info.nodeId}, expected ${options.nodeId}`;
        return become({ ...current, version: info.version, detail });
      }
      if (info.state !== 'LIVE') return become({ ...current, version: info.version, detail: `it is ${info.state}` });
      become({ ...current, state: 'serving', version: info.version, detail: null });
    } catch (error) {
      become({ ...current, detail: (error as Error).message });
    }
  }

  async function restart(): Promise<void> {
    if (current.pid !== null) {
      const why = envoyLog.lastComplaints().slice(-3).join('; ') || 'its log says nothing (SIGKILL, or out of memory?)';
      nextStartAtMs =
        clock.nowMs() + startDelayMs(startsInARow === 1 && clock.nowMs() - startedAtMs > 1000 ? 0 : startsInARow);
      const detail = `Envoy (process ${current.pid}) ended: ${why}`;
      log.repeating('error', 'Envoy ended', `${detail}; it is started again`);
      become({ state: 'down', pid: null, version: null, detail });
    }
    if (clock.nowMs() < nextStartAtMs || !minding) return;
    try {
      await start();
    } catch (error) {
      startsInARow += 1;
      nextStartAtMs = clock.nowMs() + startDelayMs(startsInARow);
      log.repeating('error', 'Envoy start', `${(error as Error).message}; tried again`);
      become({ state: 'down', pid: null, version: null, detail: (error as Error).message });
    }
  }

  /** Looks never overlap: the next one is set when this one is done. */
  function watch(): void {
    timer = setTimeout(async () => {
      await look().catch((error) => log.repeating('error', 'mind Envoy', `Cannot mind Envoy: ${systemCode(error)}`));
      if (minding) watch();
    }, WATCH_MS);
  }

  async function begin(): Promise<'adopted' | 'started'> {
    const pid = findOwnEnvoy(directory);
    startsInARow = 0;
    nextStartAtMs = 0;
    if (pid === null) await start();
    else become({ state: 'starting', pid, version: null, detail: null });
    minding = true;
    if (pid !== null) await greet();
    watch();
    return pid === null ? 'started' : 'adopted';
  }

  function leave(): void {
    minding = false;
    if (timer) clearTimeout(timer);
  }

  async function end(): Promise<void> {
    leave();
    const pid = findOwnEnvoy(directory);
    if (pid !== null) await endEnvoy(pid, directory, END_PATIENCE_MS);
    envoyLog.follow();
    become({ state: 'down', pid: null, version: null, detail: null });
  }

  return {
    get current() {
      return current;
    },
    begin,
    end,
    leave,
  };
}
