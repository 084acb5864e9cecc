/**
 * Connections to one service that wait for its first byte, told from four counts of Envoy: while not a single byte comes from
 * the service, nobody whose connection began in that time was greeted. A connection that ended meanwhile waits no more; which
 * one it was is not known, so it is taken off those that wait.
 */

export interface ServiceCounts {
  atMs: number;
  /** Connections begun so far. */
  begun: number;
  open: number;
  /** Received from the service so far. */
  bytes: number;
}

/** How many connections have waited for the first byte for so long or longer. */
export type WaitingFor = (forMs: number) => number;

/**
 * BOUNDED: samples that are kept; at five a second they reach half a minute back, and of longer ones every second is
 * forgotten.
 */
const SAMPLES_MAX = 150;

export class SilentService {
  /** Since the first in which `bytes` was what it is now, in their order. */
  private samples: ServiceCounts[] = [];

  note(counts: ServiceCounts): void {
    const last = this.samples.at(-1);
    // Another Envoy counts from 0 again.
    const isAnew = last === undefined || counts.bytes !== last.bytes || counts.begun < last.begun;
    if (isAnew) this.samples = [];
    // The first one stays: it says what had begun before.
    else if (this.samples.length >= SAMPLES_MAX) this.samples = this.samples.filter((_, i) => i % 2 === 0);
    this.samples.push(counts);
  }

  /** Those that began before that moment. */
  waiting(beforeMs: number): number {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    const then = this.samples.findLast(({ atMs }) => atMs <= beforeMs);
    if (first === undefined || last === undefined || then === undefined) return 0;
    const endedCount = last.begun - first.begun - (last.open - first.open);
    return Math.max(0, then.begun - first.begun - endedCount);
  }
}
