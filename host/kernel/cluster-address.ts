/**
 * The cluster's addresses on the interface of a host in mode multicast: every host has the virtual IPs there, and its card
 * takes frames for the cluster's group address. No outgoing connection takes one of them for its source by itself. A host
 * that must not answer for them has them on loopback, where its open connections need them and IPv6 says nothing of them on
 * the link.
 */
import { writeFileSync } from 'node:fs';
import { EdgeError } from '../edge/edge-error.js';
import { complaintOf, type ProgramResult, runProgram } from '../edge/nft.js';
import { textAt } from '../edge/text-at.js';
import { labelOn } from './names.js';

export class ClusterAddress {
  constructor(
    private readonly device: string,
    private readonly virtualIps: readonly string[],
    private readonly clusterMac: string,
    private readonly prefix: readonly string[],
    private readonly answers: boolean,
  ) {}

  /** What is there already stays as it is. Throws KERNEL_REFUSED. */
  async put(): Promise<void> {
    const { device, clusterMac } = this;
    // The kernel counts who wants a group address: a second time it would be added twice.
    if (!(await this.hasGroup())) this.check(await this.ip('', 'maddr', 'add', clusterMac, 'dev', device));
    const addresses = this.virtualIps.map((address) => `addr replace ${this.onDevice(address)}`);
    this.check(await this.ip(addresses.join('\n'), '-batch', '-'));
    // First on the one, then off the other: open connections never miss them.
    await this.takeOff(this.answers ? 'lo' : device);
  }

  /**
   * Tells everybody on the link: by the kernel's own question for the address, which a rule makes an announcement of (IPv4),
   * and by its word for an address that is new (IPv6). Both leave with the cluster's address. What cannot be told is learned
   * later.
   */
  async announce(): Promise<void> {
    const { device } = this;
    const v4 = this.virtualIps.filter((address) => !address.includes(':'));
    const v6 = this.virtualIps.filter((address) => address.includes(':'));
    const ask = v4.flatMap((address) => [
      `neigh flush to ${address} dev ${device}`,
      `neigh replace ${address} dev ${device} use`,
    ]);
    if (ask.length > 0) await this.ip(ask.join('\n'), '-force', '-batch', '-');
    if (v6.length === 0) return;
    const settings = [
      [`/proc/sys/net/ipv6/conf/${device}/accept_dad`, '0'],
      [`/proc/sys/net/ipv6/conf/${device}/ndisc_notify`, '1'],
    ] as const;
    const before = settings.map(([path]) => textAt(path)?.trim());
    try {
      for (const [path, value] of settings) if (!writeSetting(path, value)) return;
      const lines = v6.flatMap((address) => [
        `addr del ${withLength(address)} dev ${device}`,
        `addr add ${this.onDevice(address).replace(' nodad', '')}`,
      ]);
      await this.ip(lines.join('\n'), '-force', '-batch', '-');
    } finally {
      for (const [i, [path]] of settings.entries()) writeSetting(path, before[i] ?? '');
    }
  }

  private async takeOff(device: string): Promise<void> {
    const lines = this.virtualIps.map((address) => `addr del ${withLength(address)} dev ${device}`);
    if (lines.length > 0) await this.ip(lines.join('\n'), '-force', '-batch', '-');
  }

  /** True while all of it is there: an interface that went down and came back is bare. */
  async isThere(): Promise<boolean> {
    const shown = await this.ip('', '-o', 'addr', 'show', 'dev', this.place);
    const has = (address: string) => shown.stdout.includes(` ${withLength(address)} `);
    return this.virtualIps.every(has) && (await this.hasGroup());
  }

  /** @param withGroup  the card takes frames for the cluster's address no longer, too */
  async remove(withGroup: boolean): Promise<void> {
    const { device, clusterMac } = this;
    // What is gone already is complained of, and the rest is done all the same. `ip maddr` ends its batch, so it has none.
    if (withGroup) await this.ip('', 'maddr', 'del', clusterMac, 'dev', device);
    for (const place of [device, 'lo']) await this.takeOff(place);
  }

  private get place(): string {
    return this.answers ? this.device : 'lo';
  }

  private async hasGroup(): Promise<boolean> {
    const { stdout } = await this.ip('', 'maddr', 'show', 'dev', this.device);
    return stdout.toLowerCase().includes(this.clusterMac);
  }

  private check(result: ProgramResult): void {
    if (result.code === 0) return;
    throw new EdgeError('KERNEL_REFUSED', `Cannot put the virtual IPs on ${this.device}: ${complaintOf(result)}`);
  }

  private onDevice(address: string): string {
    const { place } = this;
    // All hosts have it: detection of duplicates would find them.
    if (address.includes(':')) return `${withLength(address)} dev ${place} nodad preferred_lft 0`;
    const label = labelOn(place);
    return `${withLength(address)} dev ${place} scope link${label === null ? '' : ` label ${label}`}`;
  }

  private ip(input: string, ...args: string[]): Promise<ProgramResult> {
    return runProgram([...this.prefix, 'ip', ...args], `${input}\n`);
  }
}

function withLength(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** In a container settings can be read alone. */
function writeSetting(path: string, value: string): boolean {
  try {
    if (textAt(path)?.trim() !== value) writeFileSync(path, value);
    return true;
  } catch {
    return false;
  }
}
