/** Small questions about the cluster file that listeners and clusters both ask. */
import { type PortRange, without } from '../config/ports.js';
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

/**
 * The ports that a rule has at one of its addresses: a rule for all virtual IPs leaves those to a rule for that one alone,
 * be it a disabled one.
 */
export function rangesAt(file: ClusterFile, rule: PortRule, address: string): PortRange[] {
  if (rule.virtualIp !== null) return [rangeOf(rule)];
  const particular = file.portRules.filter((each) => each.virtualIp === address && each.protocol !== 'udp');
  return without([rangeOf(rule)], particular.map(rangeOf));
}

/** Where clients reach a rule on this host. */
export function addressesOf(file: ClusterFile, rule: PortRule, ownHost: HostConfig): string[] {
  if (file.listenOn === 'dedicatedIp') return [ownHost.dedicatedIp];
  return rule.virtualIp === null ? file.virtualIps : [rule.virtualIp];
}
