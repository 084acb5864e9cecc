/**
 * Mode arp: what of the virtual IPs' addresses stands in nftables, as text. Who may answer "who has 10.77.0.200?" is decided here,
 * on every host, by a set whose one element has a timeout:
 *
 *     lease      the interface that answers for the virtual IPs; empty on all hosts but the holder, and empty again when the
 *                sidecar does not renew it, whatever became of that
 *     permit     the interface on which this host may take them for a moment: a take that comes later fails as a whole
 *     announce   the interface whose next question for a virtual IP goes out as an announcement: a question of the kernel's
 *                own (`ip neigh ... use`) with the virtual IP as its sender is a gratuitous ARP, and no other tool is needed
 *
 * One table in the family arp, one in ip6 for neighbour discovery; both carry our name. IPv6 announces by the kernel itself.
 */
import { parseAddress } from '../protocol/config/index.js';

export interface AddressTable {
  name: string;
  virtualIps: readonly string[];
}

/** How long a question of the kernel's is turned into an announcement: it goes out within a moment. */
const ANNOUNCE_MS = 400;

/**
 * What has run out stays so, whoever comes late with a renewal or a take: each begins with taking out an element that has to be
 * in force, and a transaction of which one part fails changes nothing.
 */

/** Makes both tables anew; with a lease for `held` where this host goes on holding. One transaction. */
export function addressTables(table: AddressTable, held: { device: string; leaseMs: number } | null): string {
  const { name } = table;
  const anew = ['arp', 'ip6'].map((family) => `add table ${family} ${name}\ndelete table ${family} ${name}\n`);
  const lease = held === null ? '' : leaseText(name, held.device, held.leaseMs);
  return `${anew.join('')}${arpTable(table)}${ndpTable(table)}${lease}`;
}

const SETS = ` set lease { type ifname; flags timeout; }
 set permit { type ifname; flags timeout; }
 set announce { type ifname; flags timeout; }
`;

function arpTable({ name, virtualIps }: AddressTable): string {
  const addresses = virtualIps.filter((address) => !address.includes(':'));
  if (addresses.length === 0) return `table arp ${name} {\n${SETS}}\n`;
  const virtual = `{ ${addresses.join(', ')} }`;
  return `table arp ${name} {
${SETS} chain input { type filter hook input priority 0; policy accept;
  arp operation request arp daddr ip ${virtual} iifname != @lease counter drop
 }
 chain output { type filter hook output priority 0; policy accept;
  arp saddr ip ${virtual} oifname != @lease counter drop
  oifname @announce arp operation request arp daddr ip ${virtual} arp saddr ip set arp daddr ip
 }
}
`;
}

/** Neighbour solicitations and advertisements have their target 8 bytes behind the start of ICMPv6. */
function ndpTable({ name, virtualIps }: AddressTable): string {
  const targets = virtualIps.filter((address) => address.includes(':')).map(hexOf);
  if (targets.length === 0) return `table ip6 ${name} {\n${SETS}}\n`;
  const virtual = `@th,64,128 { ${targets.join(', ')} }`;
  return `table ip6 ${name} {
${SETS} chain input { type filter hook input priority 0; policy accept;
  icmpv6 type nd-neighbor-solicit ${virtual} iifname != @lease counter drop
 }
 chain output { type filter hook output priority 0; policy accept;
  icmpv6 type nd-neighbor-advert ${virtual} oifname != @lease counter drop
 }
}
`;
}

function hexOf(address: string): string {
  const bytes = parseAddress(address)?.bytes ?? [];
  return `0x${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Lets an interface answer for so long from now. One line, one transaction. */
export function leaseText(name: string, device: string, leaseMs: number): string {
  return `${inBoth(name, (at) => `flush set ${at} lease; add element ${at} lease { "${device}" timeout ${leaseMs}ms }`)}\n`;
}

/** The same, only where the lease has not run out. */
export function renewalText(name: string, device: string, leaseMs: number): string {
  return `${inForceText(name, device)}; ${leaseText(name, device, leaseMs)}`;
}

/** Fails, and whatever comes with it in one transaction, where the lease of an interface has run out. */
export function inForceText(name: string, device: string): string {
  return inBoth(name, (at) => `delete element ${at} lease { "${device}" }`);
}

export function permitText(name: string, device: string, permitMs: number): string {
  const at = `arp ${name} permit`;
  return `flush set ${at}; add element ${at} { "${device}" timeout ${permitMs}ms }\n`;
}

/** The lease, only where the permit has not run out; with it the next question of this host is an announcement. */
export function takeText(name: string, device: string, leaseMs: number): string {
  const permit = `delete element arp ${name} permit { "${device}" }\n`;
  return `${permit}${leaseText(name, device, leaseMs)}${announceText(name, device)}`;
}

export function endLeaseText(name: string): string {
  return `${inBoth(name, (at) => `flush set ${at} lease; flush set ${at} announce`)}\n`;
}

export function announceText(name: string, device: string): string {
  const at = `arp ${name}`;
  return `flush set ${at} announce; add element ${at} announce { "${device}" timeout ${ANNOUNCE_MS}ms }\n`;
}

function inBoth(name: string, text: (at: string) => string): string {
  return ['arp', 'ip6'].map((family) => text(`${family} ${name}`)).join('; ');
}
