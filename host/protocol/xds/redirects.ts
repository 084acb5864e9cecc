/**
 * What the kernel redirects on a host, and where to: TCP ports of rules that are too many for a listener each, and with
 * otherPorts defaultHost whatever no rule covers. host/kernel/redirect.ts makes it into nftables, redirect-listener.ts is
 * the other end.
 *
 * Ports with a listener of their own are left out, and those of the sidecar itself. A disabled rule inside is redirected with
 * the rest and refused by the filter, so that no program of the host answers there in its stead.
 */
import { DEFAULTS } from '../config/defaults.js';
import { merged, type PortRange, without } from '../config/ports.js';
import type { ClusterFile, HostConfig, HostName, PortRule } from '../types.js';
import { addressesOf, hostNamed, isRedirected, rangeOf, rangesAt, rulesServed } from './rules.js';

export interface Redirect {
  address: string;
  /** Ascending, never empty. */
  ranges: PortRange[];
  toPort: number;
}

const ALL_PORTS: PortRange = { first: 1, last: 65535 };

export function redirectPortOf({ ports }: ClusterFile): number {
  return ports.redirect ?? DEFAULTS.redirectPort;
}

/** Does the kernel have to redirect anything at all? */
export function isRedirecting(file: ClusterFile): boolean {
  return file.otherPorts === 'defaultHost' || file.portRules.some((rule) => isRedirected(file, rule));
}

export function redirects(file: ClusterFile, self: HostName): Redirect[] {
  const ownHost = hostNamed(file, self);
  const addresses = file.listenOn === 'dedicatedIp' ? [ownHost.dedicatedIp] : file.virtualIps;
  return addresses.flatMap((address) => {
    const ranges = without(merged(wantedAt(file, ownHost, address)), leftOutAt(file, ownHost, address));
    return ranges.length === 0 ? [] : [{ address, ranges, toPort: redirectPortOf(file) }];
  });
}

/** Rules that are redirected at an address, those for it alone first. */
export function rulesRedirectedAt(file: ClusterFile, ownHost: HostConfig, address: string): PortRule[] {
  return rulesServed(file)
    .filter((rule) => isRedirected(file, rule) && addressesOf(file, rule, ownHost).includes(address))
    .sort((a, b) => Number(a.virtualIp === null) - Number(b.virtualIp === null));
}

function wantedAt(file: ClusterFile, ownHost: HostConfig, address: string): PortRange[] {
  if (file.otherPorts === 'defaultHost') return [ALL_PORTS];
  return rulesRedirectedAt(file, ownHost, address).map(rangeOf);
}

function leftOutAt(file: ClusterFile, ownHost: HostConfig, address: string): PortRange[] {
  const { handoff, channel, page } = file.ports;
  const own = [handoff, channel, page, redirectPortOf(file)].map((port) => ({ first: port, last: port }));
  const listening = rulesServed(file)
    .filter((rule) => !isRedirected(file, rule) && addressesOf(file, rule, ownHost).includes(address))
    .flatMap((rule) => rangesAt(file, rule, address));
  return [...own, ...listening];
}
