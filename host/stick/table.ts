/**
 * The recent clients of the cluster, as this host knows them: by rule and hash of the client's key, the host that serves the
 * client. Each host claims the clients that it serves, and the newest claim wins (docs/decisions/0016). Pure: `nowMs` is an
 * argument, and what other hosts say comes in through merge().
 *
 * BOUNDED: CLIENTS_MAX of a rule, ALL_CLIENTS_MAX of all; the one longest unseen makes room.
 */
import type { HostName, Milliseconds } from '../protocol/types.js';
import { Changes } from './changes.js';

export const CLIENTS_MAX = 65_536;
export const ALL_CLIENTS_MAX = 262_144;

/** A host that nothing is heard of for so long has no open connections that anybody could know of. */
const HOST_SILENT_MS = 30_000;
/** Clients with an open connection that are passed over in search of one without. */
const PASSED_OVER_MAX = 64;

export interface RecentClient {
  host: HostName;
  /** Greater than every claim that `host` had seen when it made this one; of equal ones the greater host name's counts. */
  claim: number;
  /** A connection is open, so nothing counts yet. */
  isOpen: boolean;
  /** When its last connection ended, or the last change was heard. */
  seenMs: Milliseconds;
  /** Number of this host's change that made it so; 0 for clients of other hosts. */
  change: number;
}

/** A rule whose clients are remembered. */
export interface StickRule {
  name: string;
  stickForMs: Milliseconds;
  /** What hashes of the rule are made from: entries under another one mean nothing. */
  form: string;
}

/** A change as it travels: hash, claim, age in ms, open (1) or not (0). */
export type ClientRow = [hash: number, claim: number, ageMs: number, isOpen: number];

interface RuleClients {
  rule: StickRule;
  /** The one longest untouched first. */
  clients: Map<number, RecentClient>;
}

export class RecentClients {
  readonly changes = new Changes();
  /** Clients that were forgotten because there was no room. */
  forgottenCount = 0;
  /** The greatest claim seen. */
  private clock = 0;
  private readonly byRule = new Map<string, RuleClients>();
  private readonly contactMs = new Map<HostName, Milliseconds>();

  constructor(
    readonly self: HostName,
    private readonly bounds = { rule: CLIENTS_MAX, all: ALL_CLIENTS_MAX },
  ) {}

  get newestClaim(): number {
    return this.clock;
  }

  /** From now on these rules; what is known of others, or was hashed otherwise, is forgotten. */
  useRules(rules: readonly StickRule[]): void {
    for (const [name, { rule }] of this.byRule) {
      if (!rules.some((each) => each.name === name && each.form === rule.form)) this.byRule.delete(name);
    }
    for (const rule of rules) {
      const known = this.byRule.get(rule.name);
      if (known) known.rule = rule;
      else this.byRule.set(rule.name, { rule, clients: new Map() });
    }
  }

  rules(): StickRule[] {
    return [...this.byRule.values()].map(({ rule }) => rule);
  }

  ruleOf(name: string): StickRule | null {
    return this.byRule.get(name)?.rule ?? null;
  }

  get(rule: string, hash: number): RecentClient | null {
    return this.byRule.get(rule)?.clients.get(hash) ?? null;
  }

  /** All that is known of a rule, also what is not recent any more, the one longest untouched first. */
  entries(rule: string): IterableIterator<[number, RecentClient]> {
    return (this.byRule.get(rule)?.clients ?? new Map<number, RecentClient>()).entries();
  }

  get count(): number {
    return [...this.byRule.values()].reduce((sum, { clients }) => sum + clients.size, 0);
  }

  recentCount(rule: string, nowMs: Milliseconds): number {
    let count = 0;
    for (const [, client] of this.entries(rule)) if (this.isRecent(rule, client, nowMs)) count += 1;
    return count;
  }

  /** This host serves the client from now on, whoever did before. */
  claim(rule: string, hash: number, nowMs: Milliseconds): void {
    const of = this.byRule.get(rule);
    if (!of) return;
    const known = of.clients.get(hash);
    const isOwn = known?.host === this.self && this.isRecent(rule, known, nowMs);
    if (isOwn && known.isOpen) return;
    if (!isOwn) this.clock += 1;
    const claim = isOwn ? known.claim : this.clock;
    this.put(of, hash, { host: this.self, claim, isOpen: true, seenMs: nowMs, change: this.changes.add(rule, hash) });
  }

  /** The last connection of a client to this host has ended. Says nothing of a client that another host claimed meanwhile. */
  ended(rule: string, hash: number, nowMs: Milliseconds): void {
    const of = this.byRule.get(rule);
    const known = of?.clients.get(hash);
    if (!of || known?.host !== this.self || !known.isOpen) return;
    this.put(of, hash, { ...known, isOpen: false, seenMs: nowMs, change: this.changes.add(rule, hash) });
  }

  /** What another host says of clients that it serves or served. */
  merge(author: HostName, rule: string, rows: readonly ClientRow[], nowMs: Milliseconds): void {
    const of = this.byRule.get(rule);
    if (!of) return;
    for (const [hash, claim, ageMs, isOpen] of rows) {
      this.clock = Math.max(this.clock, claim);
      const known = of.clients.get(hash);
      if (known && (known.claim > claim || (known.claim === claim && known.host > author))) continue;
      this.put(of, hash, { host: author, claim, isOpen: isOpen === 1, seenMs: nowMs - ageMs, change: 0 });
    }
  }

  /** Something was heard of a host; `clock` is the greatest claim that it has seen. */
  heard(host: HostName, clock: number, nowMs: Milliseconds): void {
    this.clock = Math.max(this.clock, clock);
    this.contactMs.set(host, nowMs);
  }

  /** How long ago the client was last seen: 0 while a connection is open. */
  ageOf(client: RecentClient, nowMs: Milliseconds): Milliseconds {
    if (!client.isOpen || client.host === this.self) return client.isOpen ? 0 : Math.max(0, nowMs - client.seenMs);
    const contactMs = Math.max(this.contactMs.get(client.host) ?? client.seenMs, client.seenMs);
    return nowMs - contactMs < HOST_SILENT_MS ? 0 : nowMs - contactMs;
  }

  isRecent(rule: string, client: RecentClient, nowMs: Milliseconds): boolean {
    const stickForMs = this.byRule.get(rule)?.rule.stickForMs ?? 0;
    return this.ageOf(client, nowMs) < stickForMs;
  }

  /** Forgets who is not recent any more. */
  prune(nowMs: Milliseconds): void {
    for (const [name, { clients }] of this.byRule) {
      for (const [hash, client] of clients) if (!this.isRecent(name, client, nowMs)) clients.delete(hash);
    }
  }

  /** An entry of an earlier life of this sidecar. */
  restore(rule: string, hash: number, client: Omit<RecentClient, 'change'>): void {
    const of = this.byRule.get(rule);
    if (!of) return;
    this.clock = Math.max(this.clock, client.claim);
    const isOwn = client.host === this.self;
    this.put(of, hash, { ...client, change: isOwn ? this.changes.add(rule, hash) : 0 });
  }

  private put(of: RuleClients, hash: number, client: RecentClient): void {
    const { clients } = of;
    if (!clients.delete(hash)) this.makeRoom(of);
    clients.set(hash, client);
  }

  private makeRoom(of: RuleClients): void {
    if (of.clients.size >= this.bounds.rule) this.forgetOne(of.clients);
    if (this.count < this.bounds.all) return;
    const fullest = [...this.byRule.values()].reduce((most, each) =>
      each.clients.size > most.clients.size ? each : most,
    );
    this.forgetOne(fullest.clients);
  }

  private forgetOne(clients: Map<number, RecentClient>): void {
    this.forgottenCount += 1;
    let passedOver = 0;
    for (const [hash, client] of clients) {
      clients.delete(hash);
      if (!client.isOpen || passedOver >= PASSED_OVER_MAX) return;
      clients.set(hash, client);
      passedOver += 1;
    }
  }
}

export function fullText(forgottenCount: number): string | null {
  if (forgottenCount === 0) return null;
  return (
    `There is room for ${CLIENTS_MAX} recent clients of a rule and ${ALL_CLIENTS_MAX} of all: the ${forgottenCount} longest ` +
    'unseen are forgotten, and a host that comes may take them; a shorter stickFor needs less room'
  );
}
