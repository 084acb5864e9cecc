/**
 * Handoff in the kernel, mode arp: keeps a table of nftables on every host as the view in force wants it
 * (handoff-ruleset.ts). It is the same on whoever holds the virtual IP and on all others: a packet that comes from a client is
 * passed on by whom it reaches.
 *
 *     decideBy ─> plan ─> difference ─> one transaction           one at a time, the newest wins
 *     renew ────> lease, neighbours, sockets                      each when it is due
 *
 * A table that is gone (somebody flushed the ruleset) or an interface that came back is noticed with the next lease, and
 * made anew.
 */
import { performance } from 'node:perf_hooks';
import { Ip } from '../edge/ip.js';
import { Nft } from '../edge/nft.js';
import type { HostName, InForce } from '../protocol/types.js';
import type { HandoffDatapath, KernelDatapathOptions } from './datapath.js';
import { HandoffPlanner, type Ranker } from './handoff-plan.js';
import { COUNTERS, type CounterName, dynamicSets, frameChains, staticSets, viewChains } from './handoff-ruleset.js';
import { EMPTY_STATE, type TableState, transactionOf } from './kernel-state.js';
import { readLeft, removalOf } from './left-in-kernel.js';
import { Links } from './links.js';
import { tableName } from './names.js';
import { SocketSets } from './socket-sets.js';
import { ringOf } from './ring.js';

/** The kernel's sockets are read this often. */
const SOCKETS_MS = 60_000;
/** A part of the lease after which it is renewed. */
const RENEW_PART = 3;
/**
 * A shorter lease is not needed: without it this host still passes on what is open, and what it decides in the meantime by an old
 * view its owner's Envoy puts right. Each renewal costs three processes.
 */
const LEASE_MIN_MS = 3000;

/** What a change of the table cost. */
export interface TableChange {
  elementCount: number;
  /** From when it was asked for until the kernel decides by it. */
  tookMs: number;
}

export class KernelHandoff implements HandoffDatapath {
  readonly table: string;
  private readonly leaseMs: number;
  private readonly nft: Nft;
  private readonly planner: HandoffPlanner;
  private readonly links: Links;
  private readonly sockets: SocketSets;
  /** What the kernel holds; null: not known, it is made anew. */
  private state: TableState | null = null;
  private wanted: InForce | null = null;
  private current: InForce | null = null;
  private queue: Promise<void> = Promise.resolve();
  private renewedMs = Number.NEGATIVE_INFINITY;
  private renewing = false;
  private isOpen = false;
  private saying: string | null = null;
  lastChange: TableChange | null = null;

  constructor(
    private readonly options: KernelDatapathOptions,
    ranker: Ranker,
  ) {
    const { clusterName, self, prefix, device, leaseMs } = options;
    this.leaseMs = Math.ceil(Math.max(leaseMs, LEASE_MIN_MS));
    this.table = `netdev ${tableName('handoff', clusterName)}`;
    this.nft = new Nft(prefix);
    const ip = new Ip(prefix);
    this.planner = new HandoffPlanner(ranker, self);
    this.links = new Links(ip, device, self);
    this.sockets = new SocketSets(ip, this.nft, this.table);
  }

  /** Before anything that is asked for from now on: a table that is made by other numbers would lead open connections astray. */
  open(): Promise<void> {
    this.isOpen = true;
    return this.enqueue(async () => {
      const why = await this.nft.whyNot();
      if (why !== null) throw new Error(why);
      const left = await readLeft(this.nft, this.table);
      this.planner.adopt(left.hosts);
      this.links.adopt(left.macs);
    });
  }

  decideBy(inForce: InForce): Promise<void> {
    this.wanted = inForce;
    const askedMs = performance.now();
    return this.enqueue(async () => {
      if (this.wanted !== inForce) return;
      // Later ones are looked for with each lease: one process less until the view is in force.
      if (this.links.ownMac === null) await this.links.look(inForce.file.hosts);
      await this.apply(inForce, askedMs);
      if (this.sockets.readMs === null) await this.readSockets();
    });
  }

  renew(): void {
    const dueMs = this.renewedMs + this.leaseMs / RENEW_PART;
    if (this.renewing || !this.isOpen || performance.now() < dueMs) return;
    this.renewing = true;
    this.renewedMs = performance.now();
    void this.enqueue(() => this.renewNow()).finally(() => {
      this.renewing = false;
    });
  }

  /** The rules are the same with and without the virtual IP; a new holder is a good moment to know all open connections. */
  setHolder(_isHolder: boolean): Promise<void> {
    return this.enqueue(() => this.readSockets());
  }

  async close(): Promise<void> {
    this.isOpen = false;
    const [family, name] = this.table.split(' ') as [string, string];
    await this.queue;
    this.state = null;
    await this.attempt(() => this.nft.removeTable(family, name));
  }

  leave(): void {
    this.isOpen = false;
  }

  problem(): string | null {
    return this.saying;
  }

  /** Packets by what became of them, since the table was made. */
  async counters(): Promise<Record<CounterName, number>> {
    const [family, table] = this.table.split(' ') as [string, string];
    const one = async (name: CounterName) => [name, await this.nft.countOf(family, table, name)] as const;
    return Object.fromEntries(await Promise.all(COUNTERS.map(one))) as Record<CounterName, number>;
  }

  /** One thing at a time, in the order asked for; what fails is a problem, not an exception. */
  private enqueue(work: () => Promise<void>): Promise<void> {
    const next = this.queue.then(() => (this.isOpen ? this.attempt(work) : undefined));
    this.queue = next;
    return next;
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.say(this.links.problem());
    } catch (error) {
      this.state = null;
      this.say((error as Error).message);
    }
  }

  private say(reason: string | null): void {
    const problem = reason && `the kernel does not hand off all connections, Envoy does: ${reason}`;
    if (problem === this.saying) return;
    this.saying = problem;
    this.options.onProblem(problem);
  }

  private async apply(inForce: InForce, askedMs = performance.now()): Promise<void> {
    const ownMac = this.links.ownMac;
    if (ownMac === null) return;
    const { self, device } = this.options;
    const { file } = inForce;
    // To hosts of which it does not know what they would do with it, Envoy hands off.
    const reached = this.options.isFileShared?.() === false ? [] : this.links.macs.keys();
    const plan = await this.planner.plan(inForce, new Set([self, ...reached]));
    const number = (name: HostName) => this.planner.numberOf(name);
    const { virtualIps, hashSeed } = file;
    const frame = { device, ownMac, self: number(self), virtualIps, hashSeed };
    const ring = ringOf(inForce, self, this.links.macs);
    const after: TableState = {
      sets: new Map([...dynamicSets(), ...staticSets(device)]),
      maps: new Map([...plan.maps, ['macs', this.links.elements(number)]]),
      chains: new Map([...viewChains(frame, plan.rules, plan.rest, ring), ...frameChains(frame)]),
    };
    const elementCount = await this.put(after);
    this.current = inForce;
    this.lastChange = { elementCount, tookMs: performance.now() - askedMs };
  }

  /** Makes the table what `after` says, in one transaction. */
  private async put(after: TableState): Promise<number> {
    let { state } = this;
    let first = '';
    if (state === null) {
      first = removalOf(await readLeft(this.nft, this.table), this.table);
      state = EMPTY_STATE;
      this.sockets.forget();
    }
    const { text, elementCount } = transactionOf(this.table, state, after);
    await this.nft.run(`${first}${text}${this.leaseText()}`, 'the handoff by this view');
    this.state = after;
    return elementCount;
  }

  /** An element cannot be given a new time, so it is made anew; deleting needs one that is there. */
  private leaseText(): string {
    const element = `element ${this.table} lease`;
    const { device } = this.options;
    const lease = `add ${element} { "${device}" timeout ${this.leaseMs}ms }\n`;
    return `${lease}delete ${element} { "${device}" }\n${lease}`;
  }

  private async renewNow(): Promise<void> {
    if (this.current === null) {
      // Something was missing when it was asked for.
      if (this.wanted === null) return;
      await this.links.look(this.wanted.file.hosts);
      await this.apply(this.wanted);
      return;
    }
    const changed = await this.links.look(this.current.file.hosts);
    if (changed === 'interface') this.state = null;
    if (changed !== null || this.state === null) await this.apply(this.current);
    else await this.nft.run(this.leaseText(), 'the lease of the handoff');
    const { readMs } = this.sockets;
    if (readMs === null || performance.now() - readMs >= SOCKETS_MS) await this.readSockets();
  }

  private async readSockets(): Promise<void> {
    const inForce = this.current;
    if (inForce !== null && this.state !== null) await this.sockets.read(inForce.file.virtualIps);
  }
}
