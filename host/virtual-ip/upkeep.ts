/** What the holder does while it holds: more time for the addresses on its link, put back where somebody took them, announced again. */
import type { Clock } from '../edge/clock.js';
import type { Milliseconds } from '../protocol/types.js';
import type { Asking } from './asking.js';
import type { KernelAddresses } from './kernel-addresses.js';
import type { Link } from './link.js';
import { LOOK_AT_LINKS_MS } from './readiness.js';

/** Announced again so long after it was taken: the first may have been lost, and some switches learn late. */
const ANNOUNCE_AGAIN_MS = [500, 1500, 4000];
const PROLONG_MS = 1000;

export interface UpkeepOptions {
  clock: Clock;
  kernel: KernelAddresses;
  asking: Asking;
  virtualIps(): readonly string[];
  /** An announcement is due. */
  look(): void;
}

export class Upkeep {
  private prolongedMs = 0;
  private isAnnouncementDue = false;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: UpkeepOptions) {}

  /** They were put on the link just now. */
  begin(): void {
    this.prolongedMs = this.options.clock.nowMs();
    for (const afterMs of ANNOUNCE_AGAIN_MS) this.announceAfter(afterMs);
  }

  end(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  async look({ device, addresses }: Link): Promise<void> {
    const { clock, kernel, asking, virtualIps } = this.options;
    const nowMs = clock.nowMs();
    // What was listed is up to 100 ms old, and so may the taking be.
    const isSettled = nowMs - this.prolongedMs >= 2 * LOOK_AT_LINKS_MS;
    const isMissing = isSettled && virtualIps().some((address) => !addresses.has(address));
    if (this.isAnnouncementDue || isMissing) {
      this.isAnnouncementDue = false;
      await kernel.announce(device);
    }
    if (nowMs - this.prolongedMs < PROLONG_MS && !isMissing) return;
    this.prolongedMs = nowMs;
    await kernel.prolong(device);
    asking.watchWhileHolding(device);
  }

  private announceAfter(afterMs: Milliseconds): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.isAnnouncementDue = true;
      this.options.look();
    }, afterMs);
    this.timers.add(timer);
  }
}
