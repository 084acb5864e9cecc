/** Which host of the cluster file this machine is: the one whose dedicated address it has, or the one that was named. */
import { networkInterfaces } from 'node:os';
import { parseAddress } from '../protocol/config/address.js';
import type { ClusterFile, HostConfig } from '../protocol/types.js';

export type ThisHost =
  | { ok: true; host: HostConfig }
  | { ok: false; reason: 'unknown' | 'none' | 'several'; text: string };

/**
 * @param wanted  a host name or a host priority, or null to look at this machine's addresses
 * @param local   this machine's addresses, as localAddresses() gives them
 */
export function findThisHost(file: ClusterFile, wanted: string | null, local: readonly string[]): ThisHost {
  const names = file.hosts.map((host) => host.name).join(', ');
  if (wanted !== null) {
    const host = file.hosts.find(({ name, priority }) => name === wanted || String(priority) === wanted);
    if (host !== undefined) return { ok: true, host };
    return {
      ok: false,
      reason: 'unknown',
      text: `There is no host ${wanted} in the cluster file, expected one of ${names}`,
    };
  }
  const own = file.hosts.filter((host) => isLocal(host.dedicatedIp, local));
  const [only] = own;
  if (only !== undefined && own.length === 1) return { ok: true, host: only };
  if (only === undefined) {
    const addresses = file.hosts.map((host) => `${host.name} ${host.dedicatedIp}`).join(', ');
    return {
      ok: false,
      reason: 'none',
      text: `This machine has none of the dedicated addresses of the cluster file (${addresses})`,
    };
  }
  const matching = own.map((host) => host.name).join(', ');
  return {
    ok: false,
    reason: 'several',
    text: `This machine has the dedicated addresses of ${matching}; choose one with --host`,
  };
}

/** True for an address of this machine; on Linux all of 127.0.0.0/8 is. */
export function isLocal(address: string, local: readonly string[]): boolean {
  return address.startsWith('127.') || local.includes(address);
}

/** Every address of this machine, written as the cluster file's addresses are. */
export function localAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => parseAddress(address)?.text ?? []);
}
