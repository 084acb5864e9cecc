/**
 * One event, one step, its effects: the only place where the protocol's state changes. Events wait in one queue, because an
 * effect may take time (`persist` is on disk before the next effect is begun).
 */
import type { Clock } from './edge/clock.js';
import type { Effect, ProtocolEvent } from './protocol/events.js';

/** An event before it is given its time: that is taken when its turn comes. */
export type Arrival = ProtocolEvent extends infer E ? (E extends ProtocolEvent ? Omit<E, 'nowMs'> : never) : never;

export interface LoopOptions<State> {
  clock: Clock;
  initial: State;
  step(state: State, event: ProtocolEvent): { state: State; effects: readonly Effect[] };
  /** Carries one effect out; a promise is waited for. Must not reject. */
  carry(effect: Effect): Promise<void> | void;
  /** Before the clock is read for a tick: what is begun here is no later than anything the step says or sends. */
  beforeTick?(): void;
  /** How long until the machine wants a tick, where that is sooner than `tickMs()`. */
  tickDueMs?(state: State, nowMs: number): number;
  /** The machine itself threw: a mistake of ours, after which nothing it says can be trusted. */
  onBroken(error: unknown): void;
}

/**
 * BOUNDED: packets waiting for their turn. 31 hosts send some 40 a period; what comes while a disk takes its time and does not
 * fit is repeated in the next heartbeat.
 */
const PACKETS_MAX = 2048;
/** After a late tick: turns of the event loop given to the socket, 32 packets each (libuv), before the tick (R9). */
const DRAIN_TURNS_MAX = 64;
/** Events are taken for so long in a row; then sockets, timers and the admin server have their turn. 31 heartbeats of 32 hosts take some 20 ms. */
const TURN_MAX_MS = 5;

export class Loop<State> {
  private current: State;
  private readonly queue: Arrival[] = [];
  private packetsWaiting = 0;
  private packetCount = 0;
  private running = false;
  /** Resolves when nothing runs. */
  private ran: Promise<void> = Promise.resolve();
  private stopped = false;
  private tickMs = () => Number.POSITIVE_INFINITY;
  private timer: NodeJS.Timeout | null = null;
  private timerDueMs = 0;
  private turnSinceMs: number | null = null;
  /** Events that were put into the queue, and those that are carried out. */
  private takenCount = 0;
  private doneCount = 0;
  /** BOUNDED: by the verbs under way, hence by the connections of the doors. */
  private readonly waiters: { count: number; resolve(): void }[] = [];
  /** Packets that found the queue full. */
  overflowCount = 0;
  private saidOverflowCount = 0;

  constructor(private readonly options: LoopOptions<State>) {
    this.current = options.initial;
  }

  /** What to say of packets that were dropped since this was asked last, or null. */
  newOverflowText(): string | null {
    if (this.overflowCount === this.saidOverflowCount) return null;
    this.saidOverflowCount = this.overflowCount;
    return `${this.overflowCount} packets at the heartbeat port were dropped because more came than could be read`;
  }

  get state(): State {
    return this.current;
  }

  /** Ticks at once and then every `tickMs()`, asked anew each time, as the file may change; and when the machine wants it. */
  start(tickMs: () => number): void {
    this.tickMs = tickMs;
    this.post({ kind: 'tick' });
    this.wait(this.options.clock.nowMs());
  }

  /** Until the next tick, or the one that the machine wants sooner. */
  private wait(nowMs: number): void {
    const periodMs = this.tickMs();
    // A timer that is asked for a fraction of a millisecond comes that much too early.
    const waitMs = Math.ceil(Math.min(periodMs, this.dueMs(nowMs)));
    this.timerDueMs = nowMs + waitMs;
    this.timer = setTimeout(() => void this.tick(nowMs + waitMs + periodMs), waitMs);
  }

  private async tick(lateMs: number): Promise<void> {
    this.timer = null;
    const { clock } = this.options;
    if (clock.nowMs() > lateMs) await this.emptySocket();
    if (this.stopped) return;
    this.post({ kind: 'tick' });
    this.wait(clock.nowMs());
  }

  private waitLess(nowMs: number): void {
    if (this.stopped || this.timer === null || nowMs + this.dueMs(nowMs) > this.timerDueMs - 1) return;
    clearTimeout(this.timer);
    this.wait(nowMs);
  }

  private dueMs(nowMs: number): number {
    return this.options.tickDueMs?.(this.current, nowMs) ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves when all that was posted until now is carried out, whatever comes meanwhile; at once where the loop is stopped. */
  settled(): Promise<void> {
    if (this.stopped || this.doneCount >= this.takenCount) return Promise.resolve();
    const count = this.takenCount;
    return new Promise((resolve) => this.waiters.push({ count, resolve }));
  }

  private release(): void {
    while (this.waiters[0] && (this.stopped || this.waiters[0].count <= this.doneCount))
      this.waiters.shift()!.resolve();
  }

  /** Resolves when the effect under way is done; none is begun after it, also of the step that it belongs to. */
  async stop(): Promise<void> {
    this.halt();
    await this.ran;
  }

  private halt(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    this.queue.length = 0;
    this.release();
  }

  post(arrival: Arrival): void {
    if (this.stopped) return;
    if (arrival.kind === 'packet') {
      this.packetCount += 1;
      if (this.packetsWaiting >= PACKETS_MAX) {
        this.overflowCount += 1;
        return;
      }
      this.packetsWaiting += 1;
    }
    // Ticks say only that time has passed: one that waits is enough.
    if (arrival.kind === 'tick' && this.queue.some((waiting) => waiting.kind === 'tick')) return;
    this.queue.push(arrival);
    this.takenCount += 1;
    if (!this.running) this.ran = this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    const { clock } = this.options;
    try {
      for (let arrival = this.queue.shift(); arrival && !this.stopped; arrival = this.queue.shift()) {
        if (arrival.kind === 'packet') this.packetsWaiting -= 1;
        if (arrival.kind === 'tick') this.options.beforeTick?.();
        const event = { ...arrival, nowMs: clock.nowMs() } as ProtocolEvent;
        const { state, effects } = this.options.step(this.current, event);
        this.current = state;
        this.waitLess(event.nowMs);
        await this.carryOut(effects);
        this.doneCount += 1;
        this.release();
        if (this.turnMs(event.nowMs) >= TURN_MAX_MS) await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.halt();
      this.options.onBroken(error);
    } finally {
      this.running = false;
    }
  }

  /** How long ago the first event of this turn of the event loop was taken: a socket hands over 32 packets in one, each by itself. */
  private turnMs(nowMs: number): number {
    if (this.turnSinceMs === null) {
      this.turnSinceMs = nowMs;
      setImmediate(() => {
        this.turnSinceMs = null;
      });
    }
    return nowMs - this.turnSinceMs;
  }

  private async carryOut(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) {
      if (this.stopped) return;
      const pending = this.options.carry(effect);
      if (pending) await pending;
    }
  }

  /** Lets the socket hand over everything that waits in the kernel: a host that slept must not call others silent. */
  private async emptySocket(): Promise<void> {
    for (let turn = 0; turn < DRAIN_TURNS_MAX; turn++) {
      const before = this.packetCount;
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      if (this.packetCount === before) return;
    }
  }
}
