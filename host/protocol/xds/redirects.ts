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
  return redirectable(file, self).flatMap((redirect) => {
    const ranges = without(redirect.ranges, listeningAt(file, ownHost, redirect.address));
    return ranges.length === 0 ? [] : [{ ...redirect, ranges }];
  });
}

/** What the redirect's listeners have chains for, be there other listeners or not. */
export function redirectable(file: ClusterFile, self: HostName): Redirect[] {
  const ownHost = hostNamed(file, self);
  const { handoff, channel, page } = file.ports;
  const toPort = redirectPortOf(file);
  const remote = file.remoteControl === undefined ? [] : [file.remoteControl.port];
  const ofSidecar = [handoff, channel, page, toPort, ...remote].map((port) => ({ first: port, last: port }));
  const addresses = file.listenOn === 'dedicatedIp' ? [ownHost.dedicatedIp] : file.virtualIps;
  return addresses.flatMap((address) => {
    const ranges = without(merged(wantedAt(file, ownHost, address)), ofSidecar);
    return ranges.length === 0 ? [] : [{ address, ranges, toPort }];
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

function listeningAt(file: ClusterFile, ownHost: HostConfig, address: string): PortRange[] {
  return rulesServed(file)
    .filter((rule) => !isRedirected(file, rule) && addressesOf(file, rule, ownHost).includes(address))
    .flatMap((rule) => rangesAt(file, rule, address));
}
