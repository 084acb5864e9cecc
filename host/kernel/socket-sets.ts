/**
 * The connections to the virtual IP that this host has, as the kernel's own sockets say, in the sets `held_ip` and `held_ip6`. So
 * a host knows its connections also where the table was made after them, and those that are older than `own` remembers.
 */
import { performance } from 'node:perf_hooks';
import type { Ip, OpenConnection } from '../edge/ip.js';
import type { Nft } from '../edge/nft.js';
import { transactionOf, type TableState } from './kernel-state.js';
import type { Family } from './packet-keys.js';

/** BOUNDED: connections that are told the kernel; more are open on a host that has other troubles. */
const HELD_MAX = 262_144;

export class SocketSets {
  private before: TableState = heldState([]);
  /** When they were read last; null: not since the table was made. */
  readMs: number | null = null;

  constructor(
    private readonly ip: Ip,
    private readonly nft: Nft,
    private readonly table: string,
  ) {}

  /** The table was made anew, the sets are empty. */
  forget(): void {
    this.before = heldState([]);
    this.readMs = null;
  }

  async read(virtualIps: readonly string[]): Promise<void> {
    const connections = await this.ip.connections(virtualIps);
    const after = heldState(connections.slice(0, HELD_MAX));
    const { text, elementCount } = transactionOf(this.table, this.before, after);
    if (elementCount > 0) await this.nft.run(text, 'the open connections of this host');
    this.before = after;
    this.readMs = performance.now();
  }
}

/** Exported for tests. */
export function heldState(connections: readonly OpenConnection[]): TableState {
  const elements = { ip: new Map<string, string>(), ip6: new Map<string, string>() };
  for (const { local, localPort, remote, remotePort } of connections) {
    const family: Family = local.includes(':') ? 'ip6' : 'ip';
    elements[family].set(`${remote} . ${remotePort} . ${local} . ${localPort}`, '');
  }
  const maps = (['ip', 'ip6'] as const).map(
    (family) => [`held_${family}`, { type: '', elements: elements[family] }] as const,
  );
  return { sets: new Map(), maps: new Map(maps), chains: new Map() };
}
