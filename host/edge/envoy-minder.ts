/**
 * Keeps this host's Envoy alive: adopts the one that is there, starts one where there is none, starts it again with a
 * growing delay when it ends, and passes on why. Only while the host is meant to serve; a stopped host has no Envoy.
 */
import type { Clock } from './clock.js';
import { type EdgeError, systemCode } from './edge-error.js';
import type { EnvoyAdmin } from './envoy-admin.js';
import { type EnvoyLog, followEnvoyLog } from './envoy-log.js';
import {
  type EnvoyStart,
  endEnvoy,
  envoyLogPath,
  findOwnEnvoy,
  isGone,
  refuseTakenPorts,
  startEnvoy,
  writtenEnvoy,
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

const WATCH_MS = 200;
/** The delay before the second start in a row, doubled for each further one. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** An Envoy that ran this long was fine: its next end is a first one again. */
const FINE_AFTER_MS = 60_000;
/** One that ran this long is started again without delay. */
const AT_ONCE_AFTER_MS = 2000;
const END_PATIENCE_MS = 5000;
/** How often an Envoy that serves is asked whether it still answers. */
const ASK_MS = 1000;
/** One that has not answered for so long hangs: stopped by somebody, or without memory or CPU. A busy one answers later. */
const SILENT_MAX_MS = 3000;

/** 0, 250, 500 ... 10,000 ms before the 1st, 2nd, 3rd ... start in a row. */
export function startDelayMs(startsInARow: number): number {
  return startsInARow === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (startsInARow - 1));
}

export class EnvoyMinder {
  private readonly envoyLog: EnvoyLog;
  private state: EnvoyState = { state: 'down', pid: null, version: null, detail: null };
  private timer: NodeJS.Timeout | null = null;
  /** The look under way: it may be about to start an Envoy. */
  private looking: Promise<void> = Promise.resolve();
  private minding = false;
  private startsInARow = 0;
  private startedAtMs = 0;
  private nextStartAtMs = 0;
  private askedAtMs = 0;
  private answeredAtMs = 0;

  constructor(private readonly options: EnvoyMinderOptions) {
    this.envoyLog = followEnvoyLog(envoyLogPath(options.directory), options.log);
  }

  get current(): EnvoyState {
    return this.state;
  }

  /** What Envoy complained of last, oldest first. */
  complaints(): string[] {
    this.envoyLog.follow();
    return this.envoyLog.lastComplaints();
  }

  /**
   * Adopts or starts, and minds from then on.
   *
   * @returns how Envoy came to be there
   * @throws  EdgeError PORT_TAKEN and others at this first start only; later ones are said and tried again
   */
  async begin(): Promise<'adopted' | 'started'> {
    const pid = findOwnEnvoy(this.options.directory);
    this.startsInARow = 0;
    this.nextStartAtMs = 0;
    if (pid === null) await this.start();
    else this.become({ state: 'starting', pid, version: null, detail: null });
    this.minding = true;
    if (pid !== null) await this.greet();
    this.watch();
    return pid === null ? 'started' : 'adopted';
  }

  /** Minds no more and leaves Envoy serving. One that is being started is there when this resolves: whoever comes next finds it. */
  async leave(): Promise<void> {
    this.minding = false;
    if (this.timer) clearTimeout(this.timer);
    await this.looking;
  }

  /** Ends Envoy and minds no more, until begin() is called again. */
  async end(): Promise<void> {
    await this.leave();
    const { directory } = this.options;
    const { pid: known } = this.state;
    // One that has just been started is not found for the moment in which it becomes Envoy, and has no command line.
    const pid = findOwnEnvoy(directory) ?? (known !== null && !isGone(known, directory) ? known : null);
    if (pid !== null) await endEnvoy(pid, directory, END_PATIENCE_MS);
    this.envoyLog.follow();
    this.become({ state: 'down', pid: null, version: null, detail: null });
  }

  private become(next: EnvoyState): void {
    const { state, pid, detail } = this.state;
    this.state = next;
    if (next.state !== state || next.pid !== pid || next.detail !== detail) this.options.onChange(next);
  }

  private async start(): Promise<void> {
    await refuseTakenPorts(this.options.endpoints());
    this.startedAtMs = this.options.clock.nowMs();
    this.startsInARow += 1;
    const pid = await startEnvoy(this.options);
    this.become({ state: 'starting', pid, version: null, detail: null });
  }

  /** Looks never overlap: the next one is set when this one is done. */
  private watch(): void {
    this.timer = setTimeout(() => {
      this.looking = this.look()
        .catch((error) => {
          this.options.log.repeating('error', 'mind Envoy', `Cannot mind Envoy: ${systemCode(error)}`);
        })
        .then(() => {
          if (this.minding) this.watch();
        });
    }, WATCH_MS);
  }

  private async look(): Promise<void> {
    this.envoyLog.follow();
    const { directory, clock } = this.options;
    if (this.state.pid === null || isGone(this.state.pid, directory)) {
      const pid = writtenEnvoy(directory);
      if (pid === null) return this.restart();
      this.become({ state: 'starting', pid, version: null, detail: null });
    }
    if (this.state.state !== 'serving' || clock.nowMs() - this.askedAtMs >= ASK_MS) await this.greet();
    if (this.state.state !== 'serving') return;
    if (clock.nowMs() - this.startedAtMs > FINE_AFTER_MS) this.startsInARow = 0;
  }

  private async greet(): Promise<void> {
    const { admin, nodeId, clock } = this.options;
    this.askedAtMs = clock.nowMs();
    try {
      const { nodeId: answered, version, state } = await admin.serverInfo();
      if (!this.minding) return;
      this.answeredAtMs = clock.nowMs();
      if (answered !== nodeId) {
        const detail = `its admin socket ${admin.socketPath} answers as node ${answered}, expected ${nodeId}`;
        this.become({ ...this.state, version, detail });
      } else if (state !== 'LIVE') {
        this.become({ ...this.state, version, detail: `it says that it is ${state}, expected LIVE` });
      } else {
        if (this.state.state === 'down') this.options.log.info(`Envoy (process ${this.state.pid}) answers again`);
        this.become({ ...this.state, state: 'serving', version, detail: null });
      }
    } catch (error) {
      // Its silence counts from when it was asked.
      if ((error as EdgeError).code === 'ENVOY_NOT_ASKED') this.answeredAtMs = clock.nowMs();
      else if (this.state.state !== 'starting') return this.sayHung();
      if (this.state.state === 'starting') this.become({ ...this.state, detail: (error as Error).message });
    }
  }

  /** It is not ended: what it still carries would be lost, and whoever stopped it may let it go on. */
  private sayHung(): void {
    const { clock, log, admin } = this.options;
    if (this.state.state !== 'serving' || clock.nowMs() - this.answeredAtMs < SILENT_MAX_MS) return;
    const detail = `Envoy (process ${this.state.pid}) runs and has not answered at ${admin.socketPath} for ${SILENT_MAX_MS} ms`;
    log.repeating('error', 'Envoy hangs', `${detail}; until it answers this host counts as one without Envoy`);
    this.become({ ...this.state, state: 'down', detail });
  }

  private async restart(): Promise<void> {
    const { clock, log } = this.options;
    if (this.state.pid !== null) this.sayEnded(this.state.pid);
    if (clock.nowMs() < this.nextStartAtMs || !this.minding) return;
    const pid = findOwnEnvoy(this.options.directory);
    if (pid !== null) return this.become({ state: 'starting', pid, version: null, detail: null });
    try {
      await this.start();
    } catch (error) {
      this.startsInARow += 1;
      this.nextStartAtMs = clock.nowMs() + startDelayMs(this.startsInARow);
      const detail = (error as Error).message;
      log.repeating('error', 'Envoy start', `${detail}; it is tried again`);
      this.become({ state: 'down', pid: null, version: null, detail });
    }
  }

  private sayEnded(pid: number): void {
    const { clock, log } = this.options;
    const ranMs = clock.nowMs() - this.startedAtMs;
    const why =
      this.envoyLog.lastComplaints().slice(-3).join('; ') || 'its log does not say why (SIGKILL, or out of memory?)';
    // One that served for a while is mended at once; one that ends again and again waits longer each time.
    this.nextStartAtMs = clock.nowMs() + (ranMs > AT_ONCE_AFTER_MS ? 0 : startDelayMs(this.startsInARow));
    const detail = `Envoy (process ${pid}) ended: ${why}`;
    log.repeating('error', 'Envoy ended', `${detail}; it is started again`);
    this.become({ state: 'down', pid: null, version: null, detail });
  }
}
