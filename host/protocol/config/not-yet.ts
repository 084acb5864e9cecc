/**
 * Settings that the design names and this version does not have. They are refused with the reason and never ignored: a
 * file that asks for the kernel's datapath must not come up on another one in silence.
 */
import type { YamlPath } from './finding.js';

const VALUES: Record<string, Record<string, string>> = {
  mode: {
    unicast: 'no MAC address is shared here; mode arp keeps the virtual IP and asks nothing of switches either',
    igmp: 'no IGMP group is joined here; mode multicast is the nearest',
  },
  protocol: {
    udp: 'UDP is not carried: Envoy hands off TCP connections alone, and so does the kernel in the modes arp and multicast',
    both: 'UDP is not carried: Envoy hands off TCP connections alone, and so does the kernel in the modes arp and multicast',
  },
};

const KEYS: Record<string, string> = {
  datapath: `connections go through Envoy only; the kernel datapath comes in a later version`,
  multicastGroup: 'heartbeats go to the listed hosts only',
};

/** Why this value (or, with `value` undefined, this key) is refused although the design knows it; null where it does not. */
export function notYetHint(path: YamlPath, value: unknown): string | null {
  if (value !== undefined && typeof value !== 'string') return null;
  const key = String(path.at(-1) ?? '');
  const table = value === undefined ? KEYS : (VALUES[key] ?? {});
  const looked = value ?? key;
  return Object.hasOwn(table, looked) ? table[looked]! : null;
}
