/**
 * What of ours is in the kernel of this machine, found without a sidecar: tables by their name, virtual IPs by the cluster file
 * and by their label, settings by what was kept of them. Nothing of anybody else's is touched.
 */
import { complaintOf, Nft, runProgram } from '../edge/nft.js';
import { isOurLabel, isOurTable, labelOn } from '../kernel/names.js';
import { ipBatch, isNotThere, isV6 } from './addresses.js';
import { Sysctls } from './sysctls.js';

export interface Leftovers {
  tables: { family: string; name: string }[];
  addresses: LeftAddress[];
  /** Ethernet addresses of mode multicast that a card still takes frames for. */
  groups: { device: string; mac: string }[];
}

export interface LeftAddress {
  device: string;
  address: string;
  prefixLength: number;
  /** False where somebody else may have put it there: an IPv4 address without our label. IPv6 ones have none. */
  isSurelyOurs: boolean;
}

interface ListedDevice {
  ifname?: string;
  addr_info?: { local?: string; prefixlen: number; label?: string }[];
}

/** @param virtualIps  of the cluster file, or none where it cannot be read */
export async function findLeftovers(virtualIps: readonly string[], prefix: readonly string[] = []): Promise<Leftovers> {
  const tables = (await new Nft(prefix).tables()).filter(({ name }) => isOurTable(name));
  const { stdout } = await runProgram([...prefix, 'ip', '-j', 'addr', 'show']);
  const devices = stdout.trim() === '' ? [] : (JSON.parse(stdout) as ListedDevice[]);
  const addresses = devices.flatMap(({ ifname, addr_info = [] }) =>
    addr_info.flatMap(({ local, prefixlen, label }) => {
      if (ifname === undefined || local === undefined || prefixlen !== (local.includes(':') ? 128 : 32)) return [];
      const isLabelled = label !== undefined && isOurLabel(label);
      if (!virtualIps.includes(local) && !isLabelled) return [];
      const isSurelyOurs = isLabelled || isV6(local) || labelOn(ifname) === null;
      return [{ device: ifname, address: local, prefixLength: prefixlen, isSurelyOurs }];
    }),
  );
  return { tables, addresses, groups: await findGroups(prefix) };
}

/** Only a program that means it enters such an address: `link 03:bf:0a:00:00:64 static`. */
async function findGroups(prefix: readonly string[]): Promise<Leftovers['groups']> {
  const { stdout } = await runProgram([...prefix, 'ip', 'maddr', 'show']);
  let device = '';
  return stdout.split('\n').flatMap((line) => {
    device = /^\d+:\s+(\S+)/.exec(line)?.[1] ?? device;
    const [, mac] = /^\s+link\s+(03:bf:\S+).*\bstatic\b/.exec(line) ?? [];
    return mac === undefined ? [] : [{ device, mac }];
  });
}

/**
 * @param stateDirectory  where it is kept what settings were before; null to leave them as they are
 * @returns what could not be removed, in the words of nft and ip
 */
export async function removeLeftovers(
  { tables, addresses, groups }: Leftovers,
  stateDirectory: string | null,
  prefix: readonly string[] = [],
): Promise<string[]> {
  const nft = new Nft(prefix);
  const refused: string[] = [];
  // Addresses first: without the rules this host would answer for them.
  const lines = addresses.map(
    ({ device, address, prefixLength }) => `addr del ${address}/${prefixLength} dev ${device}`,
  );
  // A lifetime may have ended since they were listed.
  refused.push(...(await ipBatch(prefix, lines)).filter((complaint) => !isNotThere(complaint)));
  for (const { device, mac } of groups) {
    // A process each: `ip maddr` ends the batch that it stands in.
    const result = await runProgram([...prefix, 'ip', 'maddr', 'del', mac, 'dev', device]);
    if (result.code !== 0) refused.push(complaintOf(result));
  }
  for (const { family, name } of tables.flatMap(withTwin)) {
    await nft.removeTable(family, name).catch((error: Error) => refused.push(error.message));
  }
  if (stateDirectory !== null) new Sysctls(stateDirectory).restore();
  return refused;
}

/** Of a family that no virtual IP is of the table of the addresses has no chain, by which it could be found. */
function withTwin(table: Leftovers['tables'][number]): Leftovers['tables'] {
  const other = { arp: 'ip6', ip6: 'arp' }[table.family];
  return other === undefined ? [table] : [table, { family: other, name: table.name }];
}

export function leftoverLines({ tables, addresses, groups }: Leftovers): string[] {
  return [
    ...tables.map(({ family, name }) => `nftables table ${family} ${name}`),
    ...addresses.map(({ device, address, prefixLength }) => `address ${address}/${prefixLength} on ${device}`),
    ...groups.map(({ device, mac }) => `Ethernet address ${mac} on ${device}`),
  ];
}
