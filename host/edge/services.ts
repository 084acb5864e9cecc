/** The services of this host, one watch a port rule: what the protocol hears of them is index-aligned with the rules. */
import { serviceOf } from '../protocol/config/index.js';
import type { ClusterFile, HostName, Service } from '../protocol/types.js';
import type { Log } from './log.js';
import { type ServiceWatch, watchService } from './service-check.js';
import type { WaitingFor } from './silent-service.js';

interface Watched {
  service: Service;
  watch: ServiceWatch;
  /** Resolves after the first check. */
  first: Promise<void>;
}

export class Services {
  private readonly watched = new Map<string, Watched>();
  private file: ClusterFile | null = null;

  constructor(
    private readonly self: HostName,
    private readonly log: Log,
    private readonly onChange: () => void,
  ) {}

  /** Watches the rules of `file`; a rule whose service is the same as before keeps its watch and its state. */
  watch(file: ClusterFile): void {
    this.file = file;
    const host = file.hosts.find((each) => each.name === this.self);
    const wanted = new Map<string, Service>();
    for (const rule of file.portRules) {
      const service = host ? serviceOf(rule, host) : null;
      if (service && rule.filteringMode !== 'disabled') wanted.set(rule.name, service);
    }
    for (const [rule, { service, watch }] of this.watched) {
      if (JSON.stringify(service) === JSON.stringify(wanted.get(rule))) continue;
      watch.stop();
      this.watched.delete(rule);
    }
    for (const [rule, service] of wanted) {
      if (!this.watched.has(rule)) this.watched.set(rule, this.begin(rule, service));
    }
  }

  /**
   * Resolves when every service was checked once, so that a restarted sidecar does not call a healthy one down; or when
   * `whileWanted` is aborted.
   */
  async firstChecks(whileWanted?: AbortSignal): Promise<void> {
    const checks = Promise.all([...this.watched.values()].map(({ first }) => first));
    if (whileWanted?.aborted) return;
    const aborted = new Promise((resolve) => whileWanted?.addEventListener('abort', resolve, { once: true }));
    await Promise.race([checks, aborted]);
  }

  /** Index-aligned with the rules of the file; a rule without a service has nothing that could be down. */
  states(): { rule: string; up: boolean }[] {
    return (this.file?.portRules ?? []).map(({ name }) => ({
      rule: name,
      up: this.watched.get(name)?.watch.up ?? true,
    }));
  }

  /** By rule: why its service does not answer. */
  failures(): Map<string, string> {
    const failures = new Map<string, string>();
    for (const [rule, { watch }] of this.watched) if (watch.failure !== null) failures.set(rule, watch.failure);
    return failures;
  }

  /** Envoy could not connect to the service of that rule: it is checked at once. */
  suspect(rule: string): void {
    this.watched.get(rule)?.watch.suspect();
  }

  /** How long clients of that rule wait for the first byte of the service. */
  noteWaiting(rule: string, waitingFor: WaitingFor): void {
    this.watched.get(rule)?.watch.noteWaiting(waitingFor);
  }

  stop(): void {
    for (const { watch } of this.watched.values()) watch.stop();
    this.watched.clear();
  }

  private begin(rule: string, service: Service): Watched {
    let checked = () => {};
    const first = new Promise<void>((resolve) => {
      checked = resolve;
    });
    const watch = watchService(service, (up, failure) => {
      checked();
      const named = `The service of port rule ${rule} at ${service.address}`;
      if (up) this.log.info(`${named} is up`);
      else this.log.warning(`${named} is down: ${failure}`);
      this.onChange();
    });
    return { service, watch, first };
  }
}
