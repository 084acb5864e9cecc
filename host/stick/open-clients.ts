/**
 * The open connections to this host's own services, as Envoy's log of them tells: with the first one of a client this host
 * claims it, with the end of the last one its time begins to count.
 */
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { LogLine } from './log-line.js';
import type { RecentClients } from './table.js';

interface Open {
  rule: string;
  hash: number;
}

export interface OpenClientsOptions {
  table: RecentClients;
  /** The hash of a client's key under a rule; null where the rule is not sticky. */
  hashOf(rule: string, address: string): number | null;
  /** Does a host take part in a rule by what is in force? */
  takesPart(host: HostName, rule: string): boolean;
}

export class OpenClients {
  /** By Envoy's number. BOUNDED: by the connections that Envoy can have open. */
  private readonly open = new Map<number, Open>();
  private readonly counts = new Map<string, number>();
  /** By rule: when a connection began last. */
  private readonly begunMs = new Map<string, Milliseconds>();

  constructor(private readonly options: OpenClientsOptions) {}

  take(line: LogLine, nowMs: Milliseconds): void {
    if (line.isOpen) this.begin(line, nowMs);
    else this.end(line.connection, nowMs);
  }

  private begin(line: LogLine, nowMs: Milliseconds): void {
    // A number that is open already comes from an Envoy that has begun to count anew: the one before took its connections along.
    if (this.open.has(line.connection)) this.endAll(nowMs);
    const hash = this.options.hashOf(line.rule, line.address);
    if (hash === null) return;
    this.note(line.connection, { rule: line.rule, hash });
    this.begunMs.set(line.rule, nowMs);
    if (!line.isFallback || this.mayClaim(line.rule, hash, nowMs)) this.options.table.claim(line.rule, hash, nowMs);
  }

  /** A new view: clients whose host is gone and who have a connection here are this host's. */
  look(nowMs: Milliseconds): void {
    const { table } = this.options;
    for (const { rule, hash } of this.open.values()) {
      const known = table.get(rule, hash);
      if (known?.host === table.self && known.isOpen) continue;
      if (this.mayClaim(rule, hash, nowMs)) table.claim(rule, hash, nowMs);
    }
  }

  /** Envoy is another one, or says that nothing is open: for all rules or for one. */
  endAll(nowMs: Milliseconds, rule: string | null = null): void {
    for (const [connection, each] of this.open) if (rule === null || each.rule === rule) this.end(connection, nowMs);
  }

  /** For the disk: [connection, rule, hash]. */
  list(): [number, string, number][] {
    return [...this.open].map(([connection, { rule, hash }]) => [connection, rule, hash]);
  }

  restore(list: readonly [number, string, number][]): void {
    for (const [connection, rule, hash] of list) this.note(connection, { rule, hash });
  }

  /** Since the last connection of a rule began here. */
  quietMs(rule: string, nowMs: Milliseconds): Milliseconds {
    return nowMs - (this.begunMs.get(rule) ?? Number.NEGATIVE_INFINITY);
  }

  /** Ends what the table takes for open here and no connection is known of. */
  settle(nowMs: Milliseconds): void {
    const { table } = this.options;
    for (const { name } of table.rules()) {
      for (const [hash, client] of [...table.entries(name)]) {
        if (client.host === table.self && !this.counts.has(`${name} ${hash}`)) table.ended(name, hash, nowMs);
      }
    }
  }

  private note(connection: number, open: Open): void {
    this.open.set(connection, open);
    const key = `${open.rule} ${open.hash}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  private end(connection: number, nowMs: Milliseconds): void {
    const open = this.open.get(connection);
    if (!open) return;
    this.open.delete(connection);
    const key = `${open.rule} ${open.hash}`;
    const left = (this.counts.get(key) ?? 1) - 1;
    if (left > 0) return void this.counts.set(key, left);
    this.counts.delete(key);
    this.options.table.ended(open.rule, open.hash, nowMs);
  }

  /** Nobody else has a better right: no recent claim of a host that takes part. */
  private mayClaim(rule: string, hash: number, nowMs: Milliseconds): boolean {
    const { table, takesPart } = this.options;
    const known = table.get(rule, hash);
    if (!known || known.host === table.self) return true;
    return !table.isRecent(rule, known, nowMs) || !takesPart(known.host, rule);
  }
}
