/** Port rules that this host drains for so long at most (`nlb drain PORT --timeout 30s`); then they are disabled. */
import type { Milliseconds } from '../protocol/types.js';

export class RuleDrains {
  /** BOUNDED: by the rules that somebody controls (rule-controls.ts). */
  private readonly endsMs: Map<string, Milliseconds>;

  /** @param leftMs  by rule, of what was kept */
  constructor(leftMs: Readonly<Record<string, Milliseconds>>, nowMs: Milliseconds) {
    this.endsMs = new Map(Object.entries(leftMs).map(([rule, ms]) => [rule, nowMs + ms]));
  }

  endOf(rule: string): Milliseconds | null {
    return this.endsMs.get(rule) ?? null;
  }

  /** What was said last counts. @param endMs  null: for ever, or no drain */
  set(rule: string, endMs: Milliseconds | null): void {
    if (endMs === null) this.endsMs.delete(rule);
    else this.endsMs.set(rule, endMs);
  }

  /** Rules whose time is up. They are told once. */
  takeEnded(nowMs: Milliseconds): string[] {
    const ended = [...this.endsMs].filter(([, endMs]) => endMs <= nowMs).map(([rule]) => rule);
    for (const rule of ended) this.endsMs.delete(rule);
    return ended;
  }

  leftMs(nowMs: Milliseconds): Record<string, Milliseconds> {
    return Object.fromEntries([...this.endsMs].map(([rule, endMs]) => [rule, Math.max(0, endMs - nowMs)]));
  }
}
