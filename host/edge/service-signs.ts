/**
 * Signs of a service that is gone or hangs, from Envoy, which has them with the first client and tells nobody: so it is
 * asked, five times in a check's usual period. No sign takes a host out of a rule by itself (service-check.ts,
 * docs/decisions/0023).
 *
 *     a connect that failed          nobody listens
 *     connections without a byte     the kernel accepts for a service that stands still: `waiting` is told how many wait, and how long
 */
import type { Clock } from './clock.js';
import type { EnvoyAdmin } from './envoy-admin.js';
import { SilentService, type WaitingFor } from './silent-service.js';

const ASK_EVERY_MS = 200;
/**
 * Envoy goes through all its stats for an answer, some 10 ms with a thousand listeners: it is busy with it 1/20 of the time
 * at most.
 */
const REST = 20;

const STATS = 'upstream_cx_connect_fail|upstream_cx_total|upstream_cx_active|upstream_cx_rx_bytes_total';
const FILTER = `^cluster\\.nlb\\.service\\..*\\.(${STATS})$`;
const NAME = new RegExp(`^cluster\\.nlb\\.service\\.(.+)\\.(${STATS})$`);

/** Of one rule, as Envoy says; an Envoy of somebody's own may keep fewer. */
type Counts = Record<string, number>;

export interface ServiceSignsOptions {
  admin: Pick<EnvoyAdmin, 'stats'>;
  clock: Clock;
  /** False while there is no Envoy that could be asked. */
  isServing(): boolean;
  onFailure(rule: string): void;
  /** With each answer of Envoy: how many connections of a rule have waited so long for the first byte of the service. */
  onWaiting(rule: string, waitingFor: WaitingFor): void;
}

export class ServiceSigns {
  /** By rule, as Envoy said last. */
  private failures: ReadonlyMap<string, number> | null = null;
  /** BOUNDED: the rules of Envoy's last answer. */
  private silent = new Map<string, SilentService>();
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  constructor(private readonly options: ServiceSignsOptions) {}

  start(): void {
    this.timer = setTimeout(() => void this.ask(), ASK_EVERY_MS);
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private async ask(): Promise<void> {
    const { clock, isServing } = this.options;
    const askedMs = clock.nowMs();
    const said = isServing() ? await this.look() : null;
    if (this.stopped) return;
    if (said !== null) this.compare(said, clock.nowMs());
    else this.forget();
    const tookMs = clock.nowMs() - askedMs;
    this.timer = setTimeout(() => void this.ask(), Math.max(ASK_EVERY_MS, REST * tookMs));
  }

  /** @returns null where Envoy ends or hangs: somebody else looks after that (envoy-minder.ts) */
  private async look(): Promise<Map<string, Counts> | null> {
    const said = await this.options.admin.stats(FILTER).catch(() => null);
    if (said === null) return null;
    const counts = new Map<string, Counts>();
    for (const [text, value] of said) {
      const [, rule, stat] = NAME.exec(text) ?? [];
      if (rule === undefined || stat === undefined) continue;
      counts.set(rule, { ...counts.get(rule), [stat]: Number(value) });
    }
    return counts;
  }

  /** What failed before it was asked the first time, or in another Envoy, is no sign of now. */
  private compare(said: Map<string, Counts>, nowMs: number): void {
    const before = this.failures;
    this.failures = new Map([...said].map(([rule, counts]) => [rule, counts.upstream_cx_connect_fail ?? 0]));
    for (const [rule, count] of this.failures)
      if (before !== null && count > (before.get(rule) ?? 0)) this.options.onFailure(rule);
    const silent = new Map<string, SilentService>();
    for (const [rule, counts] of said) {
      const { upstream_cx_total: begun, upstream_cx_active: open, upstream_cx_rx_bytes_total: bytes } = counts;
      if (begun === undefined || open === undefined || bytes === undefined) continue;
      const one = this.silent.get(rule) ?? new SilentService();
      one.note({ atMs: nowMs, begun, open, bytes });
      silent.set(rule, one);
      this.options.onWaiting(rule, (forMs) => one.waiting(nowMs - forMs));
    }
    this.silent = silent;
  }

  private forget(): void {
    this.failures = null;
    for (const rule of this.silent.keys()) this.options.onWaiting(rule, () => 0);
    this.silent.clear();
  }
}
