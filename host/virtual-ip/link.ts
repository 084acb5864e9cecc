/**
 * The interface that the virtual IPs are on: the one of the cluster file or the one with this host's dedicated IP, looked for
 * anew each time, because interfaces go down, are renamed, and come back without their addresses.
 */
import { networkInterfaces } from 'node:os';
import { parseAddress } from '../protocol/config/index.js';
import type { ClusterFile, HostConfig } from '../protocol/types.js';

export interface Link {
  device: string;
  mac: string;
  /** Addresses on it, as the cluster file writes them, with their prefix lengths. */
  addresses: ReadonlyMap<string, number>;
}

export interface Links {
  /** Null where it is not there, down or without an address; `why` says which. */
  link: Link | null;
  why: string;
  /** Addresses on loopback. */
  loopback: ReadonlySet<string>;
}

type Listed = ReturnType<typeof networkInterfaces>;

/** @param listed  what Node.js lists: interfaces that are up, have a carrier, and have an address */
export function findLinks(file: ClusterFile, host: HostConfig, listed: Listed = networkInterfaces()): Links {
  const wanted = file.link?.interfaces[host.name] ?? null;
  const loopback = new Set(addressesOf(listed, 'lo').keys());
  const devices = [...new Set(Object.keys(listed).map(deviceOf))].filter((device) => device !== 'lo');
  const own = devices.find((device) => addressesOf(listed, device).has(host.dedicatedIp));
  const device = wanted ?? own;
  const addresses = device === undefined ? new Map<string, number>() : addressesOf(listed, device);
  if (device === undefined || addresses.size === 0) {
    const why =
      wanted === null
        ? `no interface that is up has the dedicated IP ${host.dedicatedIp}`
        : `interface ${wanted} is down, is not there or has no address`;
    return { link: null, why, loopback };
  }
  const [first] = Object.entries(listed).find(([name]) => deviceOf(name) === device)?.[1] ?? [];
  return { link: { device, mac: first?.mac ?? '', addresses }, why: '', loopback };
}

/** Addresses with a label (`eth0:nlb`) are listed under that. */
function deviceOf(name: string): string {
  return name.replace(/:.*$/, '');
}

function addressesOf(listed: Listed, device: string): Map<string, number> {
  const found = new Map<string, number>();
  const entries = Object.entries(listed).filter(([name]) => deviceOf(name) === device);
  for (const { address, cidr } of entries.flatMap(([, each]) => each ?? [])) {
    const text = parseAddress(address.replace(/%.*$/, ''))?.text;
    if (text !== undefined) found.set(text, Number(cidr?.split('/')[1] ?? 0));
  }
  return found;
}

/** The virtual IPs that no host on this link will ask for, because they are in none of its subnets. */
export function outOfSubnet(file: ClusterFile, link: Link): string[] {
  const subnets = [...link.addresses].filter(([address]) => !file.virtualIps.includes(address));
  return file.virtualIps.filter((address) => !subnets.some(([own, length]) => isInSubnet(address, own, length)));
}

function isInSubnet(address: string, own: string, prefixLength: number): boolean {
  const [a, b] = [parseAddress(address), parseAddress(own)];
  if (a === null || b === null || a.family !== b.family) return false;
  const bits = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits(a.bytes).slice(0, prefixLength) === bits(b.bytes).slice(0, prefixLength);
}
