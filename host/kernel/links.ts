/** The interface clients come in by, and the Ethernet addresses of the other hosts there, as the kernel's neighbours have them. */
import type { Ip } from '../edge/ip.js';
import type { HostConfig, HostName } from '../protocol/types.js';
import type { TableMap } from './kernel-state.js';
import { hostLabel } from './labels.js';
import { PAIRS_TYPE } from './handoff-ruleset.js';

export type LinkChange = 'interface' | 'neighbours' | null;

export class Links {
  /** Of the other hosts. One that was seen stays until another is: a host that is off has no neighbour entry. */
  readonly macs = new Map<HostName, string>();
  ownMac: string | null = null;
  private index: number | null = null;
  private found = true;
  private hosts: readonly HostConfig[] = [];
  private own: ReadonlySet<string> = new Set();

  constructor(
    private readonly ip: Ip,
    private readonly device: string,
    private readonly self: HostName,
  ) {}

  /** What an earlier run knew. */
  adopt(macs: ReadonlyMap<HostName, string>): void {
    for (const [name, mac] of macs) if (name !== this.self) this.macs.set(name, mac);
  }

  /** @returns what is different since the last look */
  async look(hosts: readonly HostConfig[]): Promise<LinkChange> {
    this.hosts = hosts;
    const [all, neighbours] = await Promise.all([
      this.ip.interfaces(),
      this.ip.neighbours(this.device).catch(() => null),
    ]);
    const device = all.find(({ name }) => name === this.device);
    this.found = device !== undefined;
    this.own = new Set(all.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
    let change: LinkChange = null;
    for (const { name, dedicatedIp } of hosts) {
      const mac = neighbours?.get(dedicatedIp);
      if (mac === undefined || mac === this.macs.get(name)) continue;
      this.macs.set(name, mac);
      change = 'neighbours';
    }
    const [mac, index] = [device?.mac ?? null, device?.index ?? null];
    if (mac !== this.ownMac || index !== this.index) change = 'interface';
    this.ownMac = mac;
    this.index = index;
    return change;
  }

  /** The map from a host's label to its Ethernet address, this host included; the comment says who it is. */
  elements(numberOf: (host: HostName) => number): TableMap {
    const elements = new Map<string, string>();
    const all = this.ownMac === null ? this.macs : new Map([...this.macs, [this.self, this.ownMac]]);
    for (const [name, mac] of all) elements.set(`${hostLabel(numberOf(name))} comment "${name}"`, mac);
    return { type: PAIRS_TYPE, elements };
  }

  /** What is missing here, in words; null where nothing is, and before the first look. */
  problem(): string | null {
    if (this.hosts.length === 0) return null;
    if (!this.found) return `there is no interface ${this.device}`;
    if (this.ownMac === null) return `interface ${this.device} has no Ethernet address, expected one like eth0`;
    const missing = this.hosts.filter(({ name, dedicatedIp }) => !this.macs.has(name) && !this.own.has(dedicatedIp));
    if (missing.length === 0) return null;
    const names = missing.map(({ name, dedicatedIp }) => `${name} (${dedicatedIp})`).join(', ');
    return `the Ethernet address of ${names} was never seen on ${this.device}`;
  }
}
