/**
 * Kept clients as they go behind the rules of a view (assembly/decision/kept.ts draws the bytes). What the filter would refuse
 * is left out here: a host that takes no part keeps nobody.
 */
import type { HostName } from './types.js';

/** As assembly/decision/limits.ts. */
export const KEPT_MAX = 65_536;

export interface KeptClient {
  /** jhash of the client's key, u32. */
  hash: number;
  host: HostName;
}

/** By index of the port rule; at most KEPT_MAX in all. */
export type KeptClients = ReadonlyMap<number, readonly KeptClient[]>;

export const NOBODY_KEPT: KeptClients = new Map();

export interface KeptSection {
  count: number;
  bytes: Uint8Array;
}

/**
 * @param parts  what each host brings to each rule: `parts[rule][host]`, 0 where it takes no part
 * @param hosts  names in the order of the view's bytes
 */
export function keptSection(
  kept: KeptClients,
  hosts: readonly HostName[],
  parts: readonly (readonly number[])[],
): KeptSection {
  const indexOf = new Map(hosts.map((name, index) => [name, index]));
  const byRule = parts.map((ofRule, rule) => {
    const clients = (kept.get(rule) ?? []).flatMap(({ hash, host }) => {
      const index = indexOf.get(host);
      return index === undefined || !ofRule[index] ? [] : [{ hash, index }];
    });
    return clients.sort((a, b) => a.hash - b.hash).filter(({ hash }, i, all) => hash !== all[i - 1]?.hash);
  });
  const all = byRule.flat();
  if (all.length === 0) return { count: 0, bytes: new Uint8Array() };
  if (all.length > KEPT_MAX) {
    throw new RangeError(`Cannot encode a view with ${all.length} kept clients, expected at most ${KEPT_MAX}`);
  }
  const bytes = new Uint8Array(parts.length * 4 + Math.ceil((all.length * 5) / 4) * 4);
  const data = new DataView(bytes.buffer);
  for (const [rule, clients] of byRule.entries()) data.setUint32(rule * 4, clients.length, true);
  const hashesAt = parts.length * 4;
  const hostsAt = hashesAt + all.length * 4;
  all.forEach(({ hash, index }, i) => {
    data.setUint32(hashesAt + i * 4, hash, true);
    bytes[hostsAt + i] = index;
  });
  return { count: all.length, bytes };
}
