/**
 * What the kernel of a host accepts in mode multicast, as chains and maps of nftables. Pure: `ruleset-change.ts` makes the text.
 *
 *     client ─> every host: prerouting ──┬─ SYN of an own bucket, under the lease ─> remembered in `flows`, accepted
 *                                        ├─ packet of a remembered flow ──────────> accepted
 *                                        └─ anything else ────────────────────────> dropped in silence
 *
 * So a connection is served by the host that accepted it, whatever happens to its bucket, and no host ever answers a packet
 * that it knows nothing of with a reset. No mark and no connection tracking is used: both belong to the machine's owner, and
 * with its many untracked packets a tracking table is what a flood fills first. docs/decisions/0021.
 */
import type { OpenConnection } from '../edge/ip.js';
import { parseAddress } from '../protocol/config/address.js';
import { elementLines } from './kernel-state.js';
import type { Acceptance, OwnBuckets, RuleAcceptance } from './acceptance.js';
import { type Family, keyOf } from './packet-keys.js';

/** BOUNDED: connections remembered in each family, some 150 bytes each. One that finds no room is not accepted. */
export const FLOWS_MAX = 1_048_576;
/** Envoy's keepalive makes a packet a minute on a connection that is silent (TCP_KEEPALIVE). */
const FLOW_TIMEOUT = '15m';
/** A SYN that nobody completes; a flood of them is forgotten in this time. */
const SYN_TIMEOUT = '20s';
/** After FIN or RST, for what is still on its way. */
const CLOSING_TIMEOUT = '60s';

export interface MulticastFrame {
  /** Of IPv4 and IPv6, as the file writes them. */
  virtualIps: readonly string[];
  /** The interface where clients come in. */
  device: string;
  ownMac: string;
  /** `03:bf:0a:4d:00:c8` */
  clusterMac: string;
  /** Answers and questions of this host for IPv4 addresses carry this one instead of a virtual IP. */
  dedicatedIp: string;
  leaseMs: number;
  /** This host says where the virtual IPs are. Not before the cluster is in this mode, and nobody holds them in another. */
  answers: boolean;
  /** Where the sidecar says that it lives: a UDP port of loopback and 8 bytes each, before and after, as 16 hex digits. */
  renewal: { port: number; begin: string; renew: string };
}

export type Chains = Map<string, string[]>;
/** Buckets of this host's own, by the map's name. */
export type Maps = Map<string, OwnBuckets>;
/** The map that a rule uses, where its buckets are shared out. */
export type MapOf = (rule: RuleAcceptance) => string;

const FAMILIES: readonly Family[] = ['ip', 'ip6'];
const flowOf = (family: Family): string => `${family} saddr . tcp sport . ${family} daddr . tcp dport`;

export const COUNTERS = ['accepted', 'disabled', 'unknown', 'lapsed', 'full'] as const;

/** Sets that packets fill; they outlive changes of the rules and a restart of the sidecar. */
export function packetSets(leaseMs: number): string[] {
  const address = { ip: 'ipv4_addr', ip6: 'ipv6_addr' };
  const flows = FAMILIES.flatMap((family) => {
    const type = `type ${address[family]} . inet_service . ${address[family]} . inet_service`;
    const set = (name: string, timeout: string) =>
      `set ${name}_${family} { ${type}; flags dynamic,timeout; timeout ${timeout}; size ${FLOWS_MAX}; }`;
    return [set('flows', FLOW_TIMEOUT), set('closing', CLOSING_TIMEOUT)];
  });
  // One element each, and those that ran out: the kernel counts them until it collects them, about a second later.
  const one = (name: string, timeoutMs: number) =>
    `set ${name} { type mark; flags dynamic,timeout; timeout ${timeoutMs}ms; size 4096; }`;
  return [...flows, one('lease', leaseMs), one('begun', begunMs(leaseMs))];
}

/** Puts connections among those that are accepted; a packet of theirs gives them a new time. Empty where there are none. */
export function rememberText(table: string, connections: readonly OpenConnection[]): string {
  const elements = { ip: [] as string[], ip6: [] as string[] };
  for (const { local, localPort, remote, remotePort } of connections) {
    elements[local.includes(':') ? 'ip6' : 'ip'].push(`${remote} . ${remotePort} . ${local} . ${localPort}`);
  }
  return FAMILIES.flatMap((family) => elementLines(`add element inet ${table} flows_${family}`, elements[family]))
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * A renewal that comes later after its begin renews nothing: the sidecar was stopped between the two, and others count from the
 * packets that it sent in between. With the lease it is 0.99 of what they take at the soonest.
 */
export function begunMs(leaseMs: number): number {
  return Math.floor(leaseMs / 10);
}

/** Of a bucket to where it is accepted. The type stands for a number in the byte order of the machine, as jhash gives it. */
export const BUCKETS_TYPE = 'typeof numgen inc mod 65536 : verdict; size 65536;';
export const TAKE = 'goto take';

/** The one element of the lease: a key that every packet has. */
const LEASE_KEY = 'meta mark & 0x0';

/** All chains of table `inet`; base chains begin with their hook. */
export function multicastChains(frame: MulticastFrame, { rules, ...hash }: Acceptance, mapOf: MapOf): Chains {
  const chains: Chains = new Map();
  chains.set('take', [
    'meta l4proto != tcp accept',
    ...FAMILIES.map((family) => {
      const protocol = family === 'ip' ? 'ipv4' : 'ipv6';
      const flow = `{ ${flowOf(family)} timeout ${SYN_TIMEOUT} }`;
      return `meta nfproto ${protocol} add @flows_${family} ${flow} counter name accepted accept`;
    }),
    'counter name full drop',
  ]);
  chains.set('rest', hash.rest ? [`${LEASE_KEY} @lease goto take`, 'drop'] : ['drop']);
  for (const family of FAMILIES) {
    chains.set(`deliver_${family}`, deliverLines(family));
    chains.set(`tcp_${family}`, tcpLines(family));
    const covering = rules.filter(({ virtualIp }) => virtualIp === null || isOf(family, virtualIp));
    const dispatch = covering.map((rule) => {
      const name = `rule_${rules.indexOf(rule)}_${family}`;
      chains.set(name, ruleLines(family, rule, hash, mapOf));
      return `${coverOf(family, rule)} goto ${name}`;
    });
    chains.set(`new_${family}`, [`${LEASE_KEY} != @lease counter name lapsed drop`, ...dispatch, 'goto rest']);
  }
  chains.set('entry', entryLines(frame));
  chains.set('leaving', leavingLines(frame));
  return chains;
}

function entryLines({ virtualIps }: MulticastFrame): string[] {
  const lines = ['type filter hook prerouting priority raw; policy accept;', 'iifname "lo" accept'];
  for (const family of FAMILIES) {
    const own = virtualIps.filter((address) => isOf(family, address));
    if (own.length > 0) lines.push(`${family} daddr { ${own.join(', ')} } goto deliver_${family}`);
  }
  return lines;
}

function deliverLines(family: Family): string[] {
  const errors = 'destination-unreachable, time-exceeded, parameter-problem';
  // TCP of the kernel takes nothing that came by a group address.
  const lines = ['meta pkttype set host'];
  if (family === 'ip') {
    // The first fragment decides; the others come to nothing where it is not taken.
    lines.push('ip frag-off & 0x1fff != 0 accept', 'meta l4proto tcp goto tcp_ip', `icmp type { ${errors} } accept`);
  } else {
    // decision.md: such a source is the IPv4 address, but the kernel would hash its 16 bytes. No socket sends it.
    lines.push('ip6 saddr ::ffff:0.0.0.0/96 drop', 'frag frag-off != 0 accept', 'meta l4proto tcp goto tcp_ip6');
    lines.push(`icmpv6 type { ${errors}, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert } accept`);
  }
  return [...lines, 'goto rest'];
}

function tcpLines(family: Family): string[] {
  const flow = flowOf(family);
  const [flows, closing] = [`@flows_${family}`, `@closing_${family}`];
  return [
    `tcp flags & (fin|syn|rst|ack) == syn goto new_${family}`,
    `tcp flags & (fin|rst) != 0x0 ${flow} ${flows} add ${closing} { ${flow} } delete ${flows} { ${flow} } accept`,
    `${flow} ${flows} update ${flows} { ${flow} timeout ${FLOW_TIMEOUT} } accept`,
    `${flow} ${closing} accept`,
    'counter name unknown drop',
  ];
}

function ruleLines(family: Family, rule: RuleAcceptance, hash: Omit<Acceptance, 'rules'>, mapOf: MapOf): string[] {
  if (rule.takes === 'disabled') return ['counter name disabled drop'];
  if (rule.takes === 'none') return ['drop'];
  if (rule.takes === 'all') return [TAKE];
  const key = keyOf(family, rule.affinity, hash.ipv6PrefixLength);
  return [`jhash ${key} mod 65536 seed ${hash.hashSeed} vmap @${mapOf(rule)}`, 'drop'];
}

function coverOf(family: Family, { virtualIp, portFirst, portLast }: RuleAcceptance): string {
  const ports = portFirst === portLast ? `tcp dport ${portFirst}` : `tcp dport ${portFirst}-${portLast}`;
  return virtualIp === null ? ports : `${family} daddr ${virtualIp} ${ports}`;
}

/**
 * What leaves: the sidecar's signs of life end here, and renew the lease where a renewal was begun a moment ago; the answers and
 * questions that say where an IPv6 virtual IP is name the cluster's address. A checksum covers those: the reserved bits, which
 * nobody looks at (RFC 4861), take up what the other address changes in it.
 */
function leavingLines({ virtualIps, device, ownMac, clusterMac, leaseMs, answers, renewal }: MulticastFrame): string[] {
  const lines = ['type filter hook output priority filter; policy accept;'];
  const sign = (token: string) => `oifname "lo" ip daddr 127.0.0.1 udp dport ${renewal.port} @th,64,64 0x${token}`;
  lines.push(`${sign(renewal.begin)} update @begun { ${LEASE_KEY} timeout ${begunMs(leaseMs)}ms } drop`);
  lines.push(`${sign(renewal.renew)} ${LEASE_KEY} @begun update @lease { ${LEASE_KEY} timeout ${leaseMs}ms } drop`);
  lines.push(`${sign(renewal.renew)} drop`);
  const own = virtualIps.filter((address) => isOf('ip6', address)).map(ipv6Hex);
  const set = `@th,208,48 set 0x${clusterMac.replaceAll(':', '')} @th,48,16 set 0x${balance(ownMac, clusterMac)}`;
  for (const hex of own) {
    if (!answers) lines.push(`oifname "${device}" icmpv6 type nd-neighbor-advert @th,64,128 0x${hex} drop`);
    lines.push(`oifname "${device}" icmpv6 type nd-neighbor-advert @th,64,128 0x${hex} @th,192,16 0x0201 ${set}`);
    lines.push(`oifname "${device}" icmpv6 type nd-neighbor-solicit @nh,64,128 0x${hex} @th,192,16 0x0101 ${set}`);
  }
  return lines;
}

/**
 * Table `arp`: whoever asks is told the cluster's address; this host itself asks with its own two. A question for a virtual
 * IP is asked only to announce it, and becomes a gratuitous one (RFC 5227).
 */
export function arpLines({ virtualIps, device, clusterMac, dedicatedIp, answers }: MulticastFrame): string[] {
  const lines = ['type filter hook output priority filter; policy accept;'];
  const own = virtualIps.filter((address) => isOf('ip', address));
  if (own.length === 0) return lines;
  const virtual = `{ ${own.join(', ')} }`;
  const said = `oifname "${device}" arp saddr ip ${virtual}`;
  const asked = `oifname "${device}" arp operation request arp daddr ip ${virtual}`;
  if (!answers) lines.push(`${said} arp operation reply drop`, `${asked} drop`);
  lines.push(`${said} arp operation reply arp saddr ether set ${clusterMac}`);
  lines.push(`${asked} arp saddr ip set arp daddr ip arp saddr ether set ${clusterMac} accept`);
  if (isOf('ip', dedicatedIp)) lines.push(`${said} arp operation request arp saddr ip set ${dedicatedIp}`);
  return lines;
}

/** What added to the sum of 16-bit words makes up for the other address: ones' complement, as the checksum is. */
export function balance(ownMac: string, clusterMac: string): string {
  const sum = (mac: string) => {
    const hex = mac.replaceAll(':', '');
    return [0, 4, 8].reduce((total, at) => total + Number.parseInt(hex.slice(at, at + 4), 16), 0);
  };
  const difference = (((sum(ownMac) - sum(clusterMac)) % 0xffff) + 0xffff) % 0xffff;
  return difference.toString(16).padStart(4, '0');
}

function isOf(family: Family, address: string): boolean {
  return address.includes(':') === (family === 'ip6');
}

/** 32 hex digits. */
function ipv6Hex(address: string): string {
  const bytes = parseAddress(address)!.bytes;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
