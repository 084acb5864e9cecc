/**
 * The first sign of a service that is gone: a connection that Envoy could not make to it. Envoy counts those and tells nobody,
 * so it is asked, five times in a check's usual period; what it says makes the service's own check come at once. The sign
 * alone takes nobody out of a rule: it may have been one connection of many, and the check is what an administrator has set.
 */
import type { Clock } from './clock.js';
import type { EnvoyAdmin } from './envoy-admin.js';

const ASK_EVERY_MS = 200;
/** Envoy goes through all its stats for an answer, some 10 ms with a thousand listeners: it is busy with it 1/20 of the time at most. */
const REST = 20;

const FILTER = '^cluster\\.nlb\\.service\\..*\\.upstream_cx_connect_fail$';
const NAME = /^cluster\.nlb\.service\.(.+)\.upstream_cx_connect_fail$/;

export interface ServiceSignsOptions {
  admin: Pick<EnvoyAdmin, 'stats'>;
  clock: Clock;
  /** False while there is no Envoy that could be asked. */
  isServing(): boolean;
  onFailure(rule: string): void;
}

export class ServiceSigns {
  /** By rule, as Envoy said last. */
  private counts: ReadonlyMap<string, number> | null = null;
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
    if (isServing()) await this.look();
    else this.counts = null;
    if (this.stopped) return;
    const tookMs = clock.nowMs() - askedMs;
    this.timer = setTimeout(() => void this.ask(), Math.max(ASK_EVERY_MS, REST * tookMs));
  }

  /** What failed before it was asked the first time, or in another Envoy, is no sign of now. */
  private async look(): Promise<void> {
    const { admin, onFailure } = this.options;
    let said: Map<string, number | string>;
    try {
      said = await admin.stats(FILTER);
    } catch {
      // It ends or hangs: somebody else looks after that (envoy-minder.ts).
      return;
    }
    const before = this.counts;
    const counts = new Map(
      [...said].flatMap(([name, count]) => {
        const rule = NAME.exec(name)?.[1];
        return rule === undefined ? [] : [[rule, Number(count)] as const];
      }),
    );
    this.counts = counts;
    if (before === null || this.stopped) return;
    for (const [rule, count] of counts) if (count > (before.get(rule) ?? 0)) onFailure(rule);
  }
}
