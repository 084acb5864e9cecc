/**
 * Whom Envoy's view keeps, and when it is written anew: with each view of the protocol, and in between when a client was claimed
 * that must be kept, or enough time has passed that some need not be any more.
 */
import type { Clock } from './edge/clock.js';
import type { Decision } from './edge/decision.js';
import type { InForce, Milliseconds } from './protocol/types.js';
import { type KeptClients, NOBODY_KEPT } from './protocol/view-kept.js';
import { includesKept, keptClients, keptCount } from './stick/kept.js';
import type { RecentClients } from './stick/table.js';

/** From one look to the next. */
const LOOK_MS = 500;
/** Looks take a fiftieth of the time at most. */
const REST_TIMES = 50;
/** Whose time is up may stay in the view for a while: each write is one more configuration in Envoy's memory. */
const LET_GO_MAX_MS = 30_000;

export class StickKeeping {
  private inForce: InForce | null = null;
  /** By the view that was written last, and by the one that Envoy has taken. */
  private kept: KeptClients = NOBODY_KEPT;
  private taken: KeptClients = NOBODY_KEPT;
  private keptMs: Milliseconds = 0;
  private nextMs: Milliseconds = 0;
  private looking = false;
  private seen = '';

  constructor(
    private readonly table: RecentClients,
    private readonly decision: Decision,
    private readonly clock: Clock,
    /** Others are kept than the view that was written last says. */
    private readonly onOthersKept: () => void,
  ) {}

  /** Who is kept by a view that is about to be written. */
  async keptFor(inForce: InForce): Promise<KeptClients> {
    this.inForce = inForce;
    this.kept = await this.work(inForce);
    this.keptMs = this.clock.nowMs();
    return this.kept;
  }

  /** Envoy decides by the view that was written last. */
  noteTaken(): void {
    this.taken = this.kept;
  }

  countOf(rule: string): number {
    return this.taken.get(this.indexOf(rule))?.length ?? 0;
  }

  get now(): KeptClients {
    return this.taken;
  }

  hashesOf(rule: string): ReadonlySet<number> {
    return new Set((this.taken.get(this.indexOf(rule)) ?? []).map(({ hash }) => hash));
  }

  /** To be called often. */
  async look(): Promise<void> {
    const { inForce } = this;
    const nowMs = this.clock.nowMs();
    if (!inForce || this.looking || nowMs < this.nextMs) return;
    const changed = `${this.table.changes.newest} ${this.table.newestClaim}`;
    const letGoMs = this.letGoMs();
    const isDue = keptCount(this.kept) > 0 && nowMs - this.keptMs >= letGoMs;
    if (changed === this.seen && !isDue) return;
    this.looking = true;
    this.seen = changed;
    try {
      const before = this.kept;
      const kept = await this.work(inForce);
      if (this.inForce !== inForce || this.kept !== before) return;
      const isLess = keptCount(kept) < keptCount(before);
      if (!includesKept(before, kept) || (isLess && isDue)) {
        // Where a view is being written just now, this is not heard: looked at again.
        this.seen = '';
        this.onOthersKept();
      } else if (isDue) this.keptMs = nowMs;
    } finally {
      this.nextMs = nowMs + LOOK_MS + REST_TIMES * (this.clock.nowMs() - nowMs);
      this.looking = false;
    }
  }

  private letGoMs(): Milliseconds {
    return Math.min(LET_GO_MAX_MS, ...this.table.rules().map(({ stickForMs }) => stickForMs / 10));
  }

  private indexOf(rule: string): number {
    return this.inForce?.file.portRules.findIndex(({ name }) => name === rule) ?? -1;
  }

  private work(inForce: InForce): Promise<KeptClients> {
    return keptClients(this.table, inForce, (...asked) => this.decision.ownersOf(...asked), this.clock.nowMs());
  }
}
