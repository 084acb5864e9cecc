/**
 * The view as the filter reads it (assembly/decision/view.ts draws the bytes; docs/decisions/0003-view-layout.md says
 * why). The hosts that were lost since the view was agreed are left out: they take part in nothing (R4). Nothing here
 * is a hash of the decision: the filter hashes the names itself.
 */

import { parseAddress } from './config/address.js';
import type { Affinity, FilteringMode, HostName, InForce, PortRule, Protocol, RulePart, ViewHost } from './types.js';
import { type KeptClients, keptSection, NOBODY_KEPT } from './view-kept.js';

const MAGIC = 'nlbv';
const LAYOUT_VERSION = 2;
export const HEADER_SIZE = 48;
export const HOST_SIZE = 36;
export const RULE_SIZE = 84;
export const SEAT_SIZE = 36;
/** `self` of a host that is not in the view. */
const OUTSIDE = 255;
const HOSTS_MAX = 32;
const RULES_MAX = 32;

const PROTOCOLS: Record<Protocol, number> = { tcp: 1, udp: 2, both: 3 };
const MODES: Record<FilteringMode, number> = { multiple: 1, single: 2, disabled: 3 };
const AFFINITIES: Record<Affinity, number> = { none: 0, single: 1, classC: 2 };

/**
 * @param inForce  what this host decides by
 * @param self     this host; where it is not among the hosts in force, its filter hands everything off
 * @param kept     clients that stay at a host which is not their owner; none unless said otherwise
 * @returns        48 + 36 * hosts + 84 * rules bytes, at most 3,888; with seats and kept clients at most 368,560
 */
export function encodeView(inForce: InForce, self: HostName, kept: KeptClients = NOBODY_KEPT): Uint8Array {
  const hosts = hostsOf(inForce);
  const rules = inForce.file.portRules;
  if (hosts.length < 1 || hosts.length > HOSTS_MAX || rules.length > RULES_MAX) {
    throw new RangeError(
      `Cannot encode a view of ${hosts.length} hosts and ${rules.length} port rules, ` +
        `expected 1-${HOSTS_MAX} hosts and 0-${RULES_MAX} port rules`,
    );
  }
  const parts = rules.map((rule, i) => hosts.map((host) => partOf(rule, host.rules[i])));
  const section = keptSection(
    kept,
    hosts.map(({ name }) => name),
    parts,
  );
  const seats = seatsIn(hosts, parts);
  const seatsAt = HEADER_SIZE + hosts.length * HOST_SIZE + rules.length * RULE_SIZE;
  const keptAt = seatsAt + seats.length * SEAT_SIZE;
  const bytes = new Uint8Array(keptAt + section.bytes.length);
  bytes.set(section.bytes, keptAt);
  hosts.forEach((host, i) => {
    writeHost(bytes, HEADER_SIZE + i * HOST_SIZE, host);
  });
  rules.forEach((rule, i) => {
    writeRule(bytes, HEADER_SIZE + hosts.length * HOST_SIZE + i * RULE_SIZE, rule, parts[i]!);
  });
  seats.forEach((seat, i) => {
    writeSeat(bytes, seatsAt + i * SEAT_SIZE, seat);
  });
  const selfIndex = hosts.findIndex((host) => host.name === self);
  const counts = { hosts: hosts.length, kept: section.count, seats: seats.length };
  writeHeader(bytes, inForce, selfIndex < 0 ? OUTSIDE : selfIndex, counts);
  return bytes;
}

/** The hosts in force, by the bytes of their names: the order in which they are scored. */
function hostsOf(inForce: InForce): ViewHost[] {
  const lost = new Set(inForce.lostSince);
  return inForce.view.hosts.filter((host) => !lost.has(host.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What one host brings to a rule, as one number; 0 where it does not take part. */
function partOf(rule: PortRule, part: RulePart | undefined): number {
  if (part === undefined || part.absence !== null || rule.filteringMode === 'disabled') return 0;
  return rule.filteringMode === 'multiple' ? part.loadWeight : part.handlingPriority;
}

/** A host that is scored by the name of another one, for which it stands in (seats.ts). */
interface Seat {
  rule: number;
  host: number;
  name: HostName;
}

/** By rule, then by host. */
function seatsIn(hosts: readonly ViewHost[], parts: readonly number[][]): Seat[] {
  return parts.flatMap((ofRule, rule) =>
    hosts.flatMap(({ rules }, host): Seat[] => {
      const name = rules[rule]?.standsInFor;
      return name === undefined || ofRule[host] === 0 ? [] : [{ rule, host, name }];
    }),
  );
}

function writeSeat(bytes: Uint8Array, at: number, { rule, host, name }: Seat): void {
  bytes[at] = rule;
  bytes[at + 1] = host;
  bytes[at + 2] = name.length;
  writeText(bytes, at + 4, name);
}

function writeHeader(
  bytes: Uint8Array,
  inForce: InForce,
  selfIndex: number,
  counts: { hosts: number; kept: number; seats: number },
): void {
  const { file, view } = inForce;
  const data = new DataView(bytes.buffer);
  writeText(bytes, 0, MAGIC);
  data.setUint16(4, LAYOUT_VERSION, true);
  data.setUint16(6, view.decisionVersion, true);
  data.setUint32(8, bytes.length, true);
  data.setUint32(16, view.number % 2 ** 32, true);
  data.setUint32(20, Math.floor(view.number / 2 ** 32), true);
  for (let i = 0; i < 8; i++) bytes[24 + i] = Number.parseInt(view.checksum.slice(2 * i, 2 * i + 2), 16);
  data.setUint32(32, file.hashSeed, true);
  bytes[36] = file.ipv6PrefixLength;
  bytes[37] = selfIndex;
  bytes[38] = counts.hosts;
  bytes[39] = file.portRules.length;
  data.setUint32(40, counts.kept, true);
  data.setUint16(44, counts.seats, true);
  data.setUint32(12, checksumOf(bytes.subarray(16)), true);
}

function writeHost(bytes: Uint8Array, at: number, host: ViewHost): void {
  bytes[at] = host.name.length;
  bytes[at + 1] = host.priority;
  writeText(bytes, at + 2, host.name);
}

function writeRule(bytes: Uint8Array, at: number, rule: PortRule, parts: number[]): void {
  const data = new DataView(bytes.buffer);
  bytes[at] = rule.name.length;
  writeText(bytes, at + 1, rule.name);
  bytes[at + 25] = PROTOCOLS[rule.protocol];
  bytes[at + 26] = MODES[rule.filteringMode];
  bytes[at + 27] = AFFINITIES[rule.affinity];
  data.setUint16(at + 28, rule.portFirst, true);
  data.setUint16(at + 30, rule.portLast, true);
  data.setUint32(at + 32, rule.ownerPatienceMs, true);
  if (rule.virtualIp !== null) bytes.set(addressBytes(rule.virtualIp), at + 36);
  bytes.set(parts, at + 52);
}

/** Names are ASCII; their form is checked with the cluster file, and again by the filter. */
function writeText(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** FNV-1a, 32 bits: against accidents, not against intent. */
export function checksumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

/** A checked address as 16 bytes; IPv4 as ::ffff:a.b.c.d. */
function addressBytes(text: string): number[] {
  const address = parseAddress(text);
  if (address === null) throw new RangeError(`Cannot encode virtual IP ${text}, expected an IPv4 or IPv6 address`);
  return address.family === 6 ? [...address.bytes] : [...Array<number>(10).fill(0), 0xff, 0xff, ...address.bytes];
}
