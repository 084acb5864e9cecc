/**
 * What this host has changed of its own clients, in order and numbered from 1, so that every other host can be given what it
 * does not have yet. Only the last change of a client counts; the earlier ones are dropped now and then.
 */

export interface Change {
  rule: string;
  hash: number;
  number: number;
}

/** Below this there is nothing to gain. */
const COMPACT_FROM = 1024;

export class Changes {
  private last = 0;
  private log: Change[] = [];
  private compactAt = COMPACT_FROM;

  /** The number of the newest change. */
  get newest(): number {
    return this.last;
  }

  add(rule: string, hash: number): number {
    this.last += 1;
    this.log.push({ rule, hash, number: this.last });
    return this.last;
  }

  /** The changes behind `number`, oldest first. */
  *after(number: number): Generator<Change> {
    let [low, high] = [0, this.log.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.log[middle]!.number <= number) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.log.length; i++) yield this.log[i]!;
  }

  /** Drops what `isCurrent` says no to, once half of it or more is likely to be that. BOUNDED so: twice the living clients. */
  compact(isCurrent: (change: Change) => boolean): void {
    if (this.log.length < this.compactAt) return;
    this.log = this.log.filter(isCurrent);
    this.compactAt = Math.max(COMPACT_FROM, 2 * this.log.length);
  }
}
