/**
 * Whether this host could hold the virtual IPs, and made ready for it: the tools, the interface, and what stands on both at all
 * times (loopback, tables, settings). Interfaces go down, are renamed or come back bare, people flush nftables: all of it is
 * noticed here and mended.
 */
import type { Clock } from '../edge/clock.js';
import type { Log } from '../edge/log.js';
import type { ClusterFile, HostConfig } from '../protocol/types.js';
import type { KernelAddresses } from './kernel-addresses.js';
import { findLinks, type Link, outOfSubnet } from './link.js';
import { portsOf } from './refusals.js';

export interface ReadinessOptions {
  kernel: KernelAddresses;
  host: HostConfig;
  file(): ClusterFile;
  clock: Clock;
  log: Log;
  say(topic: string, problem: string | null): void;
}

/** Interfaces are listed no more often. */
export const LOOK_AT_LINKS_MS = 100;
const LOOK_AT_TABLES_MS = 5000;
const LOOK_AT_TOOLS_MS = 10_000;

export class Readiness {
  link: Link | null = null;
  /** What of the machine is missing, with what to do; null where all is there. */
  toolsMissing: string | null = null;
  private prepared = '';
  private refused: string | null = null;
  private tablesSeenMs = 0;
  private toolsSeenMs = Number.NEGATIVE_INFINITY;
  private linksSeenMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ReadinessOptions) {}

  /** Why this host could not hold them now; null where it could. */
  why(): string | null {
    if (this.toolsMissing !== null) return this.toolsMissing;
    if (this.link !== null) return null;
    const { why } = findLinks(this.options.file(), this.options.host);
    return why === '' ? 'it is not ready yet' : why;
  }

  /** Who installs what is missing need not restart the sidecar. */
  async lookAtTools(): Promise<boolean> {
    const { clock, kernel, say } = this.options;
    const isDue = clock.nowMs() - this.toolsSeenMs >= LOOK_AT_TOOLS_MS;
    if (isDue && (this.toolsMissing !== null || this.prepared === '')) {
      this.toolsSeenMs = clock.nowMs();
      this.toolsMissing = await kernel.whyNot();
      const missing = this.toolsMissing;
      say('virtual-ip-tools', missing === null ? null : `This host cannot hold the virtual IPs: ${missing}`);
    }
    return this.toolsMissing === null;
  }

  /** nft complained of a renewal: the tables are made again with the next look. */
  noteRefused(complaint: string): void {
    this.refused = complaint;
  }

  /** @param beforeLoss  gives up what is on the interface that is lost, before it is another one */
  async look(beforeLoss: (why: string) => Promise<void>): Promise<void> {
    const { file, host, say, clock } = this.options;
    if (this.link !== null && this.refused === null && clock.nowMs() - this.linksSeenMs < LOOK_AT_LINKS_MS) return;
    this.linksSeenMs = clock.nowMs();
    const { link, why, loopback } = findLinks(file(), host);
    say('virtual-ip-link', link === null ? `This host cannot hold the virtual IPs: ${why}` : null);
    if (this.link !== null && this.link.device !== link?.device) {
      await beforeLoss(link === null ? why : `interface ${this.link.device} is ${link.device} now`);
      if (link !== null) await this.options.kernel.removeAll(this.link.device);
    }
    const isBack = this.link === null;
    this.link = link;
    if (link !== null) await this.mend(link, loopback, isBack);
    else this.prepared = '';
  }

  /** Leaves nothing in the kernel; the next look makes it ready again. */
  async remove(): Promise<void> {
    if (this.prepared === '') return;
    await this.options.kernel.removeAll(this.link?.device ?? null);
    this.prepared = '';
    this.link = null;
  }

  private async mend(link: Link, loopback: ReadonlySet<string>, isBack: boolean): Promise<void> {
    const { file, kernel, log, say } = this.options;
    const { virtualIps, heartbeat } = file();
    const isWhole = virtualIps.every((address) => loopback.has(address));
    const wanted = [link.device, link.mac, ...virtualIps, heartbeat.periodMs, ...portsOf(file())].join(' ');
    if (isWhole && !isBack && wanted === this.prepared && (await this.areTablesThere())) return;
    if (this.refused !== null) log.warning(`virtual IPs: table ${kernel.table} is made again: ${this.refused}`);
    this.refused = null;
    const warnings = await kernel.prepare(link.device, virtualIps);
    this.prepared = wanted;
    this.tablesSeenMs = this.options.clock.nowMs();
    const strays = outOfSubnet(file(), link).map(
      (address) => `virtual IP ${address} is in no subnet of ${link.device}`,
    );
    say('virtual-ip-settings', [...warnings, ...strays].join('; ') || null);
  }

  private async areTablesThere(): Promise<boolean> {
    const { clock, kernel } = this.options;
    if (this.refused !== null) return false;
    if (clock.nowMs() - this.tablesSeenMs < LOOK_AT_TABLES_MS) return true;
    this.tablesSeenMs = clock.nowMs();
    if (await kernel.isThere()) return true;
    this.refused = 'somebody removed it';
    return false;
  }
}
