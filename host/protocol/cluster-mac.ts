/**
 * The Ethernet addresses that a virtual IP w.x.y.z has where hosts share one, as Windows NLB made them:
 *
 *     unicast     02-BF-w-x-y-z    on every host's card; frames leave with 02-PRIORITY-w-x-y-z, so that no switch learns it
 *     multicast   03-BF-w-x-y-z    a group address beside the card's own
 *     igmp        01-00-5E-7F-y-z  the group address of 239.255.y.z, which switches can be asked for
 *
 * Of an IPv6 address the four 32-bit words XORed stand for w.x.y.z. Source: shown by the cluster of a documented sample,
 * 2001:4898:e8:3018:bd82:dde1:6615:7b0 has 02-BF-FB-7E-A2-D1 (Get-NlbCluster's documentation).
 */
import { type Address, parseAddress } from './config/address.js';
import type { HostPriority } from './types.js';

export type SharedMacMode = 'unicast' | 'multicast' | 'igmp';

/** @returns `02-BF-0A-00-00-64`; null for IPv6 under igmp, whose groups are IPv4 */
export function clusterMac(virtualIp: Address, mode: SharedMacMode): string | null {
  const [w, x, y, z] = fourBytes(virtualIp);
  if (mode === 'unicast') return macText([0x02, 0xbf, w, x, y, z]);
  if (mode === 'multicast') return macText([0x03, 0xbf, w, x, y, z]);
  return virtualIp.family === 4 ? macText([0x01, 0x00, 0x5e, 0x7f, y, z]) : null;
}

/** As the kernel writes it, of the first virtual IP: `03:bf:0a:4d:00:c8`. */
export function multicastMac(virtualIps: readonly string[]): string {
  const address = parseAddress(virtualIps[0] ?? '');
  if (address === null) throw new Error('mode multicast without a virtual IP, although the file was checked');
  return clusterMac(address, 'multicast')!.toLowerCase().replaceAll('-', ':');
}

/** What frames of one host leave with in mode unicast. */
export function maskedSourceMac(virtualIp: Address, priority: HostPriority): string {
  return macText([0x02, priority, ...fourBytes(virtualIp)]);
}

/** The group that hosts join in mode igmp; null for IPv6. */
export function igmpGroup(virtualIp: Address): string | null {
  if (virtualIp.family !== 4) return null;
  const [, , y, z] = fourBytes(virtualIp);
  return `239.255.${y}.${z}`;
}

type FourBytes = [w: number, x: number, y: number, z: number];

function fourBytes({ bytes }: Address): FourBytes {
  const four: FourBytes = [0, 0, 0, 0];
  bytes.forEach((byte, i) => {
    four[i % 4]! ^= byte;
  });
  return four;
}

function macText(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join('-');
}
