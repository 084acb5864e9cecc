/** Small questions about the cluster file that listeners and clusters both ask. */
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

export function portsOf(rule: PortRule): number[] {
  return Array.from({ length: rule.portLast - rule.portFirst + 1 }, (_, offset) => rule.portFirst + offset);
}

/** Where clients reach a rule on this host. */
export function addressesOf(file: ClusterFile, rule: PortRule, ownHost: HostConfig): string[] {
  if (file.listenOn === 'dedicatedIp') return [ownHost.dedicatedIp];
  return rule.virtualIp === null ? file.virtualIps : [rule.virtualIp];
}
