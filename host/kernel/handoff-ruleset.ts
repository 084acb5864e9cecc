/**
 * The rules of the handoff in the kernel, as text for nftables. Pure: everything that decides comes in as arguments.
 *
 *     client ─> entry host: netdev ingress of its interface ──┬─ own label: up to its own Envoy
 *                  who has this packet?  (a host's label)     └─ else: same packet, Ethernet address of that host
 *
 *     what comes in                            who has it
 *     SYN                                      rule's owner by hash and rankings; remembered in `fresh`
 *     SYN and ACK                              this host: it holds the virtual IP and connected with it (`outgoing`)
 *     of a remembered flow                     whom `flows` names (or `fresh`, after a SYN; `closing`, after FIN or RST)
 *     other, and a connection of this host     this host: `own` (began here), `held` (read from the kernel's sockets)
 *     other                                    "seek": whom the rankings name first, then all hosts in a ring, once
 *
 * A packet that was passed on says so in the three bits of the TCP header that are reserved, zero and not looked at (RFC 9293):
 * 1 "it is yours", 2 "seek". So it is passed on once, or once round the ring (counted in TTL), whatever the hosts think of each
 * other. Why the packet itself and not an address, a mark or a tunnel says it: docs/decisions/0019.
 */
import { type HostNumber, hostLabel } from './labels.js';
import { type Family, INTEGER, keyOf, packetKeys } from './packet-keys.js';
import type { RulePlan } from './handoff-plan.js';

export interface HandoffFrame {
  device: string;
  ownMac: string;
  self: HostNumber;
  virtualIps: readonly string[];
  hashSeed: number;
}

/** Whom a packet that seeks its host goes to next, and how many hosts there are in all. */
export interface Ring {
  nextMac: string | null;
  hostCount: number;
}

const FAMILIES: readonly Family[] = ['ip', 'ip6'];
/** Reserved bits of the TCP header: bits 100-102. */
const WORD = '@th,100,3';
const YOURS = 1;
const SEEK = 2;

/** BOUNDED: flows remembered in each family, some 120 bytes each. One that finds no room goes by the rankings. */
export const FLOWS_MAX = 524_288;
/** A flow is forgotten after this long without a packet; Envoy's keepalive makes one a minute. */
const FLOW_TIMEOUT = '5m';
/** After SYN, and after FIN or RST. Maps of their own: an element with a time of its own could not be loaded from a listing. */
const BRIEF_TIMEOUT = '1m';
/** After the last packet. Longer than two readings of the kernel's sockets, and than two keepalives of Envoy. */
const OWN_TIMEOUT = '150s';

/** Chains by name; a base chain's first line is its hook. */
export type Chains = Map<string, string[]>;

/** Sets and maps that hold what packets or other lookups put there, with their declaration. */
export function dynamicSets(): Map<string, string> {
  const sets = new Map<string, string>();
  for (const family of FAMILIES) {
    const key = packetKeys(family, 0);
    const map = (timeout: string) =>
      `typeof ${key.flowType} : ether daddr; flags dynamic,timeout; timeout ${timeout}; size ${FLOWS_MAX};`;
    sets.set(`map flows_${family}`, map(FLOW_TIMEOUT));
    for (const name of ['fresh', 'closing']) sets.set(`map ${name}_${family}`, map(BRIEF_TIMEOUT));
    const own = `typeof ${key.connection}; flags dynamic,timeout; timeout ${OWN_TIMEOUT}; size ${FLOWS_MAX};`;
    sets.set(`set own_${family}`, own);
  }
  return sets;
}

/** Sets and maps that the sidecar fills. */
export function staticSets(device: string): Map<string, string> {
  const sets = new Map([
    ['set lease', 'typeof iifname; flags timeout;'],
    ['map macs', 'typeof ether daddr : ether daddr;'],
  ]);
  for (const family of FAMILIES) sets.set(`set held_${family}`, `typeof ${packetKeys(family, 0).connection};`);
  for (const name of COUNTERS) sets.set(`set ${name}`, `typeof iifname; counter; elements = { "${device}" };`);
  return sets;
}

/**
 * Packets by what became of them. Each is a set of one element that counts: a counter by name could not be read without nft
 * fetching every element of every map.
 */
export const COUNTERS = ['passed_on', 'sought', 'not_found', 'refused_disabled'] as const;
export type CounterName = (typeof COUNTERS)[number];

export const RANKS_TYPE = `typeof ${INTEGER} : ether daddr; size 65536;`;
export const PAIRS_TYPE = 'typeof ether daddr : ether daddr; size 65536;';

/** Everything but the rules of the port rules and the ring, which change with views. */
export function frameChains(frame: HandoffFrame): Chains {
  const { device, virtualIps, hashSeed } = frame;
  const chains: Chains = new Map();
  const of = (family: Family) => virtualIps.filter((address) => address.includes(':') === (family === 'ip6'));
  const entry = [`type filter hook ingress device "${device}" priority -150; policy accept;`];
  // What a switch floods for others is seen here too.
  entry.push('meta pkttype != host accept');
  for (const family of FAMILIES) {
    if (of(family).length === 0) continue;
    const to = `${family} daddr { ${of(family).join(', ')} }`;
    // decision.md: such a source is the IPv4 address, but the kernel would hash its 16 bytes. No socket sends it.
    if (family === 'ip6') entry.push(`${to} ip6 saddr ::ffff:0.0.0.0/96 drop`);
    entry.push(`${to} meta l4proto tcp goto tcp_${family}`);
    entry.push(`${to} ${packetKeys(family, hashSeed).icmpErrors} goto icmp_${family}`);
    for (const [name, lines] of familyChains(family, frame)) chains.set(name, lines);
  }
  chains.set('entry', entry);
  return chains;
}

function familyChains(family: Family, { device, ownMac, self, hashSeed }: HandoffFrame): [string, string[]][] {
  const { flow, connection } = packetKeys(family, hashSeed);
  const own = hostLabel(self);
  const label = `{ ${flow} : ether daddr }`;
  const passOn = (word: number, counter: CounterName) =>
    `ether daddr set ether daddr map @macs ${WORD} set ${word} ether saddr set ${ownMac} iifname @${counter} fwd to "${device}"`;
  return [
    [
      `tcp_${family}`,
      [
        `${WORD} ${YOURS} ${WORD} set 0 goto deliver_${family}`,
        `${WORD} ${SEEK} goto seek_${family}`,
        `tcp flags & (fin|syn|rst|ack) == syn goto new_${family}`,
        // Whoever holds the virtual IP and connects with it (`outgoing`) gets this answer.
        `tcp flags & (fin|syn|rst|ack) == (syn|ack) goto deliver_${family}`,
        `tcp flags & (fin|rst) != 0x0 ether daddr set ${flow} map @flows_${family} add @closing_${family} ${label} delete @flows_${family} ${label} goto pass_${family}`,
        `ether daddr set ${flow} map @flows_${family} update @flows_${family} ${label} goto pass_${family}`,
        `ether daddr set ${flow} map @fresh_${family} add @flows_${family} ${label} delete @fresh_${family} ${label} goto pass_${family}`,
        `ether daddr set ${flow} map @closing_${family} update @closing_${family} ${label} goto pass_${family}`,
        `goto unknown_${family}`,
      ],
    ],
    [
      `new_${family}`,
      [
        `ether daddr set ${own}`,
        `iifname @lease jump rules_${family}`,
        // An element's label is never changed in place: the port may be a new connection of a client that another host had.
        ...['flows', 'fresh', 'closing'].map((name) => `delete @${name}_${family} ${label}`),
        `add @fresh_${family} ${label}`,
        `goto pass_${family}`,
      ],
    ],
    [`pass_${family}`, [`ether daddr ${own} goto deliver_${family}`, passOn(YOURS, 'passed_on'), 'drop']],
    [
      `deliver_${family}`,
      [
        `ether daddr set ${ownMac}`,
        `tcp flags & syn != 0 update @own_${family} { ${connection} }`,
        // The socket of a redirected connection has another port, so `held` does not know it: each packet keeps it in `own`.
        `${connection} @own_${family} update @own_${family} { ${connection} }`,
        'accept',
      ],
    ],
    [
      `unknown_${family}`,
      [
        `${connection} @own_${family} goto deliver_${family}`,
        `${connection} @held_${family} goto deliver_${family}`,
        `ether daddr set ${own}`,
        `jump rules_${family}`,
        `jump count_${family}`,
        `ether daddr ${own} goto onward_${family}`,
        passOn(SEEK, 'sought'),
        'drop',
      ],
    ],
    [
      `seek_${family}`,
      [
        `${connection} @own_${family} ${WORD} set 0 goto deliver_${family}`,
        `${connection} @held_${family} ${WORD} set 0 goto deliver_${family}`,
        `goto onward_${family}`,
      ],
    ],
  ];
}

/** The chains that a view changes: which rule covers a packet and who owns it, and the ring. */
export function viewChains(frame: HandoffFrame, rules: readonly RulePlan[], rest: HostNumber, ring: Ring): Chains {
  const chains: Chains = new Map();
  for (const family of FAMILIES) {
    const dispatch: string[] = [];
    for (const [index, rule] of rules.entries()) {
      const to = coverOf(family, rule);
      if (to === null) continue;
      dispatch.push(`${to} goto rule_${index}_${family}`);
      chains.set(`rule_${index}_${family}`, ruleLines(family, rule, frame.self));
    }
    dispatch.push(`ether daddr set ${hostLabel(rest)}`);
    chains.set(`rules_${family}`, dispatch);
    for (const [name, lines] of ringChains(family, frame, ring)) chains.set(name, lines);
  }
  return chains;
}

/** What a rule covers; null where it has nothing to do with this family. */
function coverOf(family: Family, { virtualIp, portFirst, portLast }: RulePlan): string | null {
  const ports = portFirst === portLast ? `tcp dport ${portFirst}` : `tcp dport ${portFirst}-${portLast}`;
  if (virtualIp === null) return ports;
  return virtualIp.includes(':') === (family === 'ip6') ? `${family} daddr ${virtualIp} ${ports}` : null;
}

function ruleLines(
  family: Family,
  { owner, affinity, hashSeed, ipv6PrefixLength }: RulePlan,
  self: HostNumber,
): string[] {
  switch (owner.kind) {
    case 'disabled':
      return ['iifname @refused_disabled drop'];
    case 'host':
      return [`ether daddr set ${hostLabel(owner.host)}`];
    case 'nobody':
      // Its own Envoy refuses it, and counts it.
      return [`ether daddr set ${hostLabel(self)}`];
    case 'buckets': {
      const bucket = `jhash ${keyOf(family, affinity, ipv6PrefixLength)} mod 65536 seed ${hashSeed}`;
      return [
        `ether daddr set ${bucket} map @${owner.ranks} ether daddr set ether daddr map @${owner.pairs} return`,
        `ether daddr set ${bucket} map @${owner.rest} return`,
        `ether daddr set ${hostLabel(self)}`,
      ];
    }
  }
}

/**
 * `count` says how many hosts a packet that begins to seek may still be taken to, `onward` takes it to the next one. An ICMP error
 * for the virtual IP (a router that wants smaller packets) is for whoever has the connection: every host gets a copy.
 */
function ringChains(family: Family, frame: HandoffFrame, { nextMac, hostCount }: Ring): [string, string[]][] {
  const { device, ownMac } = frame;
  const { ttl } = packetKeys(family, frame.hashSeed);
  const counts = Array.from({ length: hostCount - 1 }, (_, i) => i + 2);
  const less = counts.map((count) => `${ttl} ${count} ${ttl} set ${count - 1} return`);
  const to = nextMac === null ? null : `ether daddr set ${nextMac} ether saddr set ${ownMac}`;
  const lost = 'iifname @not_found drop';
  return [
    [`less_${family}`, less],
    [`count_${family}`, [`${ttl} set ${hostCount}`]],
    [
      `onward_${family}`,
      to === null
        ? [lost]
        : [
            `${ttl} <= 1 ${lost}`,
            `${ttl} > ${hostCount} ${ttl} set ${hostCount}`,
            `jump less_${family}`,
            `${to} ${WORD} set ${SEEK} iifname @sought fwd to "${device}"`,
          ],
    ],
    [
      `icmp_${family}`,
      to === null
        ? ['accept']
        : [
            `${ttl} <= 1 accept`,
            `${ttl} > ${hostCount} ${ttl} set ${hostCount}`,
            `jump less_${family}`,
            `${to} dup to "${device}" ether daddr set ${ownMac} accept`,
          ],
    ],
  ];
}
