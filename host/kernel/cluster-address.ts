/**
 * The cluster's addresses on the interface of a host in mode multicast: every host has the virtual IPs there, and its card
 * takes frames for the cluster's group address. No outgoing connection takes one of them for its source by itself.
 */
import { EdgeError } from '../edge/edge-error.js';
import { complaintOf, type ProgramResult, runProgram } from '../edge/nft.js';

/** An interface name has at most 15 characters, and the label of an address is one. */
const LABEL = ':nlb';
const LABEL_MAX = 15;

export class ClusterAddress {
  constructor(
    private readonly device: string,
    private readonly virtualIps: readonly string[],
    private readonly clusterMac: string,
    private readonly prefix: readonly string[],
  ) {}

  /** What is there already stays as it is. Throws KERNEL_REFUSED. */
  async put(): Promise<void> {
    const { device, clusterMac } = this;
    // The kernel counts who wants a group address: a second time it would be added twice.
    if (!(await this.hasGroup())) this.check(await this.ip('', 'maddr', 'add', clusterMac, 'dev', device));
    const addresses = this.virtualIps.map((address) => `addr replace ${this.onDevice(address)}`);
    this.check(await this.ip(addresses.join('\n'), '-batch', '-'));
  }

  /** True while all of it is there: an interface that went down and came back is bare. */
  async isThere(): Promise<boolean> {
    const shown = await this.ip('', '-o', 'addr', 'show', 'dev', this.device);
    const has = (address: string) => shown.stdout.includes(` ${withLength(address)} `);
    return this.virtualIps.every(has) && (await this.hasGroup());
  }

  /** @param withGroup  the card takes frames for the cluster's address no longer, too */
  async remove(withGroup: boolean): Promise<void> {
    const { device, clusterMac } = this;
    // What is gone already is complained of, and the rest is done all the same. `ip maddr` ends its batch, so it has none.
    if (withGroup) await this.ip('', 'maddr', 'del', clusterMac, 'dev', device);
    const lines = this.virtualIps.map((address) => `addr del ${withLength(address)} dev ${device}`);
    if (lines.length > 0) await this.ip(lines.join('\n'), '-force', '-batch', '-');
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
    const { device } = this;
    // All hosts have it: detection of duplicates would find them.
    if (address.includes(':')) return `${withLength(address)} dev ${device} nodad preferred_lft 0`;
    const label = device.length + LABEL.length > LABEL_MAX ? '' : ` label ${device}${LABEL}`;
    return `${withLength(address)} dev ${device} scope link${label}`;
  }

  private ip(input: string, ...args: string[]): Promise<ProgramResult> {
    return runProgram([...this.prefix, 'ip', ...args], `${input}\n`);
  }
}

function withLength(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
