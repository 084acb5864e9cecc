/**
 * Settings that the design names and this version does not have. They are refused with the reason and never ignored: a
 * file that asks for the kernel's datapath must not come up on another one in silence.
 */
import type { YamlPath } from './finding.js';

const KERNEL_MODES = 'the modes arp, unicast, multicast and igmp';

const VALUES: Record<string, Record<string, string>> = {
  mode: {
    arp: 'this version does not have mode arp yet',
    unicast: 'this version does not have mode unicast yet',
    multicast: 'this version does not have mode multicast yet',
    igmp: 'this version does not have mode igmp yet',
  },
  protocol: {
    udp: `Envoy hands off TCP connections only; UDP rules come with ${KERNEL_MODES}`,
    both: `Envoy hands off TCP connections only; UDP rules come with ${KERNEL_MODES}`,
  },
};

const KEYS: Record<string, string> = {
  datapath: `connections go through Envoy only; the kernel datapath comes with ${KERNEL_MODES}`,
  failback: 'it belongs to mode arp, which comes later',
  remoteControl: 'verbs work on the host itself only',
  multicastGroup: 'heartbeats go to the listed hosts only',
};

/** Why this value (or, with `value` undefined, this key) is refused although the design knows it; null where it does not. */
export function notYetHint(path: YamlPath, value: unknown): string | null {
  const key = String(path.at(-1) ?? '');
  const table = value === undefined ? KEYS : (VALUES[key] ?? {});
  const looked = value === undefined ? key : String(value);
  return Object.hasOwn(table, looked) ? table[looked]! : null;
}
