/** How much one address, or one token, may ask: a bucket that fills by the second and is emptied by requests. Pure. */
import type { Milliseconds } from '../protocol/types.js';

export interface Rate {
  /** Requests at once. */
  burst: number;
  perSecond: number;
}

interface Bucket {
  left: number;
  atMs: Milliseconds;
}

/** BOUNDED: who was not heard for longest is forgotten first, and begins with a full bucket. */
const KEYS_MAX = 1000;

export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly rate: Rate) {}

  /** @returns 0 where it may, and counts it; else after how many seconds it may */
  take(key: string, nowMs: Milliseconds): number {
    const left = this.leftOf(key, nowMs);
    const { perSecond } = this.rate;
    const mayAskNow = left >= 1;
    this.buckets.delete(key);
    this.buckets.set(key, { left: mayAskNow ? left - 1 : left, atMs: nowMs });
    if (this.buckets.size > KEYS_MAX) this.buckets.delete(this.buckets.keys().next().value!);
    return mayAskNow ? 0 : Math.ceil((1 - left) / perSecond);
  }

  /** As take(), and counts nothing. */
  waitS(key: string, nowMs: Milliseconds): number {
    const left = this.leftOf(key, nowMs);
    return left >= 1 ? 0 : Math.ceil((1 - left) / this.rate.perSecond);
  }

  private leftOf(key: string, nowMs: Milliseconds): number {
    const { burst, perSecond } = this.rate;
    const bucket = this.buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) / 1000) * perSecond);
  }
}
