/**
 * What an earlier cluster file or mode left on this machine, as far as that can be known: addresses that a file in the view
 * history had as virtual IPs or that carry our label (IPv4 alone has labels), and our nftables tables of parts that the mode in
 * force does not have. An address that was in no file kept here, and has no label, is nobody's for all we know.
 */
import { networkInterfaces } from 'node:os';
import type { HostFacts } from './doctor/facts.js';
import { mayAdministerNetwork, Nft } from './edge/nft.js';
import { isOurLabel, isOurTable, partsOfOthers, tableName } from './kernel/names.js';
import { parseAddress } from './protocol/config/index.js';
import type { ClusterFile, HostConfig } from './protocol/types.js';

type Listed = ReturnType<typeof networkInterfaces>;
type Table = { family: string; name: string };

/** @param former  virtual IPs of earlier files */
export async function examineLeft(
  file: ClusterFile,
  self: HostConfig,
  former: readonly string[],
): Promise<Pick<HostFacts, 'left' | 'leftUnknown'>> {
  const addresses = addressesLeft(file, self, former);
  const { tables, why } = await ourTables();
  const left = { mode: file.mode, addresses, tables: tablesLeft(file, tables) };
  return { left, ...(why === null ? {} : { leftUnknown: why }) };
}

/** Exported for tests. */
export function addressesLeft(
  { virtualIps, hosts }: ClusterFile,
  self: HostConfig,
  former: readonly string[],
  listed: Listed = networkInterfaces(),
): NonNullable<HostFacts['left']>['addresses'] {
  const expected = new Set([...virtualIps, self.dedicatedIp, ...hosts.map(({ dedicatedIp }) => dedicatedIp)]);
  return Object.entries(listed).flatMap(([name, entries = []]) =>
    entries.flatMap(({ address }) => {
      const text = parseAddress(address.replace(/%.*$/, ''))?.text ?? address;
      const wasInFile = former.includes(text);
      if (expected.has(text) || (!wasInFile && !isOurLabel(name))) return [];
      return [{ address: text, interface: name.replace(/:.*$/, ''), wasInFile }];
    }),
  );
}

/** `inet envoy_nlb_multicast_mail_example_org`; tables of other clusters are not ours to judge. Exported for tests. */
export function tablesLeft({ clusterName, mode }: ClusterFile, tables: readonly Table[]): string[] {
  const names = new Set(partsOfOthers(mode).map((part) => tableName(part, clusterName)));
  return tables.flatMap(({ family, name }) => (names.has(name) ? [`${family} ${name}`] : []));
}

async function ourTables(): Promise<{ tables: Table[]; why: string | null }> {
  if (!mayAdministerNetwork()) return { tables: [], why: 'this sidecar does not have CAP_NET_ADMIN' };
  try {
    return { tables: (await new Nft().tables()).filter(({ name }) => isOurTable(name)), why: null };
  } catch (error) {
    // Without nft nothing of ours can have come into the kernel.
    const why = error instanceof Error ? error.message : String(error);
    return { tables: [], why: /not installed/.test(why) ? null : why };
  }
}
