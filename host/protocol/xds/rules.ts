/** Small questions about the cluster file that listeners and clusters both ask. */
import { type Reach, rangesAt as rangesOfReach, redirectedOf } from '../config/carried.js';
import type { PortRange } from '../config/ports.js';
import type { ClusterFile, HostConfig, HostName, PortRule } from '../types.js';

/** @throws Error for a name that the file does not list: the caller found this host in another file. */
export function hostNamed(file: ClusterFile, name: HostName): HostConfig {
  const found = file.hosts.find((host) => host.name === name);
  if (found) return found;
  const names = file.hosts.map((host) => host.name).join(', ');
  throw new Error(`Cannot make Envoy's configuration for host ${name}, expected one of: ${names}`);
}

/** Rules that Envoy serves: TCP ones that are not disabled. UDP is for the kernel modes; at a disabled rule nothing listens. */
export function rulesServed(file: ClusterFile): PortRule[] {
  return file.portRules.filter((rule) => rule.filteringMode !== 'disabled' && rule.protocol !== 'udp');
}

export const rangeOf = (rule: PortRule): PortRange => ({ first: rule.portFirst, last: rule.portLast });

export function portsIn(ranges: readonly PortRange[]): number[] {
  return ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, offset) => first + offset));
}

/** The ports that a rule has at one of its addresses, however they are carried. */
export function rangesAt(file: ClusterFile, rule: PortRule, address: string): PortRange[] {
  const { reaches } = carriedBy(file);
  const one = reaches.get(rule);
  return one ? rangesOfReach([...reaches.values()], one, file.listenOn === 'dedicatedIp' ? null : address) : [];
}

/** Is the rule carried by a redirect in the kernel, not by a listener for each of its ports? */
export function isRedirected(file: ClusterFile, rule: PortRule): boolean {
  return carriedBy(file).redirected.has(rule);
}

interface Carried {
  reaches: Map<PortRule, Reach>;
  redirected: Set<PortRule>;
}

const known = new WeakMap<ClusterFile, Carried>();

function carriedBy(file: ClusterFile): Carried {
  const found = known.get(file);
  if (found) return found;
  const reaches = new Map<PortRule, Reach>();
  for (const rule of file.portRules) {
    if (rule.protocol === 'udp') continue;
    const isServed = rule.filteringMode !== 'disabled';
    reaches.set(rule, { virtualIp: rule.virtualIp, range: rangeOf(rule), isServed });
  }
  const wide = redirectedOf([...reaches.values()], file.listenOn === 'dedicatedIp' ? [null] : file.virtualIps);
  const redirected = new Set([...reaches].filter(([, reach]) => wide.has(reach)).map(([rule]) => rule));
  const carried = { reaches, redirected };
  known.set(file, carried);
  return carried;
}

/** Where clients reach a rule on this host. */
export function addressesOf(file: ClusterFile, rule: PortRule, ownHost: HostConfig): string[] {
  if (file.listenOn === 'dedicatedIp') return [ownHost.dedicatedIp];
  return rule.virtualIp === null ? file.virtualIps : [rule.virtualIp];
}
