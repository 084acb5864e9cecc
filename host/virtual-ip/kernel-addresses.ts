/**
 * Everything of the virtual IPs' addresses that is in the kernel of this host, in verbs: be ready to take them (on loopback,
 * answering nobody), take them, announce them, give them up, leave nothing. Each verb throws an EdgeError where the kernel
 * refuses; none of them decides anything.
 */
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../edge/clock.js';
import { EdgeError } from '../edge/edge-error.js';
import { Ip } from '../edge/ip.js';
import { Nft } from '../edge/nft.js';
import { tableName } from '../kernel/names.js';
import type { Milliseconds } from '../protocol/types.js';
import { ipAll, ipBatch, isNotThere, linkLines, loopbackLines, removalLines } from './addresses.js';
import { Lease } from './lease.js';
import { whoAnswers } from './neighbours.js';
import { noSourceLines, sourceLines } from './outgoing.js';
import { REFUSAL_FAMILY, refusalTable } from './refusals.js';
import { addressTables, announceText, endLeaseText, inForceText, permitText, takeText } from './ruleset.js';
import { Sysctls } from './sysctls.js';

export interface KernelAddressesOptions {
  clusterName: string;
  stateDirectory: string;
  clock: Clock;
  prefix: readonly string[];
  leaseMs(): Milliseconds;
  renewEveryMs(): Milliseconds;
  permitMs(): Milliseconds;
  /** Outgoing connections of the holder have the virtual IP. */
  isSource(): boolean;
  /** Of the port rules, see refusals.ts. */
  ports(): readonly string[];
  onLeaseOver(): void;
  onLeaseRefused(complaint: string): void;
  onLeaseProblem(problem: string | null): void;
}

export class KernelAddresses {
  readonly table: string;
  private readonly refusals: string;
  private readonly nft: Nft;
  private readonly sysctls: Sysctls;
  private lease: Lease | null = null;
  private addresses: readonly string[] = [];
  /** The default routes have the virtual IP as their source. */
  private isSource = false;

  constructor(private readonly options: KernelAddressesOptions) {
    this.table = tableName('address', options.clusterName);
    this.refusals = tableName('refusal', options.clusterName);
    this.nft = new Nft(options.prefix);
    this.sysctls = new Sysctls(options.stateDirectory);
  }

  whyNot(): Promise<string | null> {
    return this.nft.whyNot();
  }

  /**
   * Tables, settings and loopback. What an earlier run holds is gone after it, unless its lease on `device` has not run out.
   *
   * @returns a sentence for each setting that cannot be made
   */
  async prepare(device: string, virtualIps: readonly string[]): Promise<string[]> {
    const { leaseMs } = this;
    const goesOn = this.lease === null ? await this.isLeased(device) : !this.lease.isOver();
    const held = await this.makeTables(virtualIps, goesOn ? { device, leaseMs } : null);
    await this.nft.run(refusalTable(this.refusals, virtualIps, this.options.ports()), 'the table against refusals');
    const gone = this.addresses.filter((address) => !virtualIps.includes(address));
    const warnings = this.sysctls.set(device, virtualIps);
    await ipBatch(this.options.prefix, [...removalLines(gone, device), ...removalLines(gone, 'lo')]);
    await ipAll(this.options.prefix, loopbackLines(virtualIps), 'put the virtual IPs on loopback');
    this.addresses = virtualIps;
    if (held === null) await ipBatch(this.options.prefix, removalLines(virtualIps, device));
    else this.startLease(device);
    return warnings;
  }

  /** @returns `held`, or null where its lease has run out in the kernel, whatever the clock here says */
  private async makeTables(virtualIps: readonly string[], held: { device: string; leaseMs: number } | null) {
    const what = 'the table of the virtual IPs';
    const name = this.table;
    const text = addressTables({ name, virtualIps }, held);
    if (held === null || !this.hasTables(await this.tableNames(), virtualIps)) {
      await this.nft.run(text, what);
      return held;
    }
    if (await this.nft.runWhereThere(`${inForceText(name, held.device)}\n${text}`, what)) return held;
    this.lease?.lapse();
    await this.nft.run(addressTables({ name, virtualIps }, null), what);
    return null;
  }

  get isHolding(): boolean {
    return this.lease !== null && !this.lease.isOver();
  }

  /** It was held, and nobody renewed it in time. */
  get isLeaseOver(): boolean {
    return this.lease?.isOver() === true;
  }

  /** A take has to be in the kernel so long after this, or it fails. */
  async permit(device: string): Promise<void> {
    await this.nft.run(permitText(this.table, device, this.options.permitMs()), 'the permit to take the virtual IPs');
  }

  /**
   * The lease first: nothing of the addresses is answered or announced without it.
   *
   * @returns false where the permit has run out: nothing is taken
   */
  async take(device: string): Promise<boolean> {
    const { table, addresses } = this;
    const { prefix } = this.options;
    if (!(await this.nft.runWhereThere(takeText(table, device, this.leaseMs), 'the lease'))) return false;
    this.startLease(device);
    const v4 = addresses.filter((address) => !address.includes(':'));
    const announce = v4.flatMap((address) => [
      `neigh flush to ${address} dev ${device}`,
      `neigh replace ${address} dev ${device} use`,
    ]);
    await this.sysctls.withoutDad(device, async () => {
      const complaints = await ipBatch(prefix, [...linkLines(addresses, device, this.leaseMs), ...announce]);
      const [real] = complaints.filter((line) => !isNotThere(line));
      if (real !== undefined) throw new EdgeError('KERNEL_REFUSED', `Cannot put the virtual IPs on ${device}: ${real}`);
    });
    await this.setSource(device, this.options.isSource());
    return true;
  }

  /** Says once more where the addresses are; for IPv6 they are taken off the link and put back, as loopback has them too. */
  async announce(device: string): Promise<void> {
    const { prefix } = this.options;
    const v6 = this.addresses.filter((address) => address.includes(':'));
    const v4 = this.addresses.filter((address) => !address.includes(':'));
    if (v4.length > 0) await this.nft.run(announceText(this.table, device), 'an announcement');
    await this.sysctls.withoutDad(device, async () => {
      const again = v4.flatMap((address) => [
        `neigh flush to ${address} dev ${device}`,
        `neigh replace ${address} dev ${device} use`,
      ]);
      await ipBatch(prefix, [...removalLines(v6, device), ...linkLines(v6, device, this.leaseMs), ...again]);
    });
  }

  /** More time for the addresses on the link, the second net; puts them back where somebody took them. */
  async prolong(device: string): Promise<void> {
    await ipBatch(this.options.prefix, linkLines(this.addresses, device, this.leaseMs));
    await this.setSource(device, this.options.isSource());
  }

  /** Nothing answers for the addresses any more when this resolves. */
  async letGo(device: string): Promise<void> {
    const { prefix } = this.options;
    await this.lease?.end();
    this.lease = null;
    // Where the table is gone there is no lease either; where nft cannot be run it runs out by itself.
    await this.nft
      .runWhereThere(endLeaseText(this.table), 'the end of the lease')
      .catch(() => setTimeout(this.leaseMs));
    await ipBatch(prefix, removalLines(this.addresses, await this.nowCalled(device)));
    await this.setSource(device, false);
  }

  private async setSource(device: string, isSource: boolean): Promise<void> {
    if (isSource === this.isSource) return;
    const { prefix } = this.options;
    const lines = isSource ? sourceLines : noSourceLines;
    await ipBatch(prefix, await lines(prefix, device, this.addresses));
    this.isSource = isSource;
  }

  /** The addresses went with an interface that was renamed in the meantime. */
  private async nowCalled(device: string): Promise<string> {
    if (existsSync(`/sys/class/net/${device}`)) return device;
    const interfaces = await new Ip(this.options.prefix).interfaces();
    const having = interfaces.find(
      ({ name, addresses }) => name !== 'lo' && addresses.some(({ address }) => this.addresses.includes(address)),
    );
    return having?.name ?? device;
  }

  whoAnswers(device: string, forMs?: Milliseconds): Promise<Map<string, string>> {
    return whoAnswers(this.options.prefix, device, this.addresses, forMs);
  }

  async removeAll(device: string | null): Promise<void> {
    const { prefix } = this.options;
    if (device !== null) await this.letGo(device);
    await this.lease?.end();
    this.lease = null;
    for (const family of ['arp', 'ip6']) await this.nft.removeTable(family, this.table);
    await this.nft.removeTable(REFUSAL_FAMILY, this.refusals);
    await ipBatch(prefix, removalLines(this.addresses, 'lo'));
    this.addresses = [];
    this.sysctls.restore();
  }

  /** The tables are there as they were made. */
  async isThere(): Promise<boolean> {
    const names = await this.tableNames();
    const areRefusalsThere = this.options.ports().length === 0 || names.includes(this.refusals);
    return areRefusalsThere && this.hasTables(names, this.addresses);
  }

  private async tableNames(): Promise<string[]> {
    return (await this.nft.tables()).map(({ name }) => name);
  }

  /** Tables are told by their chains, and an address family that no virtual IP is of has none. */
  private hasTables(names: readonly string[], virtualIps: readonly string[]): boolean {
    const families = new Set(virtualIps.map((address) => address.includes(':')));
    return names.filter((name) => name === this.table).length === families.size;
  }

  private get leaseMs(): Milliseconds {
    return this.options.leaseMs();
  }

  private startLease(device: string): void {
    const { clock, prefix, renewEveryMs, onLeaseOver, onLeaseRefused, onLeaseProblem } = this.options;
    void this.lease?.end();
    this.lease = new Lease({
      table: this.table,
      device,
      leaseMs: this.leaseMs,
      everyMs: renewEveryMs(),
      clock,
      prefix,
      onOver: onLeaseOver,
      onRefused: onLeaseRefused,
      onProblem: onLeaseProblem,
    });
  }

  /** By an earlier run: elements that ran out are not listed. */
  private async isLeased(device: string): Promise<boolean> {
    const objects = await this.nft.list('set', 'arp', this.table, 'lease');
    const elements = objects.flatMap(({ set }) => (set?.elem as { elem?: { val?: string } }[] | undefined) ?? []);
    return elements.some(({ elem }) => elem?.val === device);
  }
}
