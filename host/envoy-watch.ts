/** What this host's Envoy was last seen to do: what it carries, and since when it is down. */
import type { OpenSeen } from './control/drain-end.js';
import type { Clock } from './edge/clock.js';
import { boundConnectionLog } from './edge/connection-log.js';
import type { OwnEnvoy } from './edge/own-envoy.js';
import { ServiceSigns } from './edge/service-signs.js';
import type { Services } from './edge/services.js';
import { readHandedOffOpen, readTraffic, type Traffic } from './edge/traffic.js';
import type { ClusterFile, HostName } from './protocol/types.js';
import { NO_RULE } from './protocol/xds/index.js';

/** An Envoy that is down for longer takes this host out of its rules; a shorter while is what fallbacks are for. */
const DOWN_MAX_MS = 5000;

export class EnvoyWatch {
  /** By rule, and for what no rule covers; null where Envoy does not serve or did not say. */
  traffic: Traffic | null = null;
  /** Open connections that entered here and are passed on; kept while it is asked for. */
  handedOffOpenCount = 0;
  /** When `traffic` was asked for. */
  private trafficMs = 0;
  private downSinceMs: number | null = null;
  private signs: ServiceSigns | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly envoy: () => OwnEnvoy,
  ) {}

  /** Tells the services what their clients see of them. */
  watchServices(services: Services): void {
    const { admin } = this.envoy();
    const isServing = () => this.envoy().state.state === 'serving';
    const onFailure = (rule: string) => services.suspect(rule);
    const onWaiting: Services['noteWaiting'] = (rule, waitingFor) => services.noteWaiting(rule, waitingFor);
    this.signs = new ServiceSigns({ admin, clock: this.clock, isServing, onFailure, onWaiting });
    this.signs.start();
  }

  stop(): void {
    this.signs?.stop();
  }

  noteServing(isServing: boolean): void {
    this.downSinceMs = isServing ? null : (this.downSinceMs ?? this.clock.nowMs());
  }

  isUsable(): boolean {
    const isDownTooLong = this.downSinceMs !== null && this.clock.nowMs() - this.downSinceMs > DOWN_MAX_MS;
    return !(isDownTooLong && this.envoy().isWanted);
  }

  /** @param isDraining  what is passed on is counted too */
  async look(rules: readonly string[], isDraining = false): Promise<void> {
    const { state, admin } = this.envoy();
    const askedMs = this.clock.nowMs();
    const asked = [...rules, NO_RULE];
    const traffic = state.state === 'serving' ? await readTraffic(admin, asked).catch(() => null) : null;
    // Looks may overlap, and an older answer may come last.
    if (askedMs >= this.trafficMs) [this.traffic, this.trafficMs] = [traffic, askedMs];
    if (isDraining && this.traffic !== null) this.handedOffOpenCount = await readHandedOffOpen(admin).catch(() => 0);
  }

  /** Whether Envoy used the service of that rule when it was last asked; null where it does not serve. */
  gateSeen(rule: string): { isOpen: boolean; atMs: number } | null {
    if (this.envoy().state.state !== 'serving') return null;
    return { isOpen: this.traffic?.get(rule)?.isGateOpen ?? false, atMs: this.trafficMs };
  }

  /** What is wrong with the connection log, or null. */
  boundLog(file: ClusterFile, self: HostName): Promise<string | null> {
    return boundConnectionLog(file, self, () => this.envoy().admin.post('/reopen_logs'));
  }

  /** Open connections that this host serves or passes on; null where Envoy does not say. */
  openSeen(): OpenSeen | null {
    if (!this.traffic) return null;
    const rules = [...this.traffic.values()];
    const count = rules.reduce((sum, rule) => sum + rule.enteredOpenCount + rule.servedOpenCount, 0);
    return { count, atMs: this.trafficMs };
  }
}
