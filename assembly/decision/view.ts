/**
 * The view as the sidecar writes it for the filter: layout, check, and what is worked out of it once.
 *
 * All integers are little-endian. Nothing is read before the whole is checked; a view with one fault is refused whole.
 *
 *      0   "nlbv"
 *      4   layout version, u16      2
 *      6   decision version, u16    1: hosts of differing arithmetic must not decide together
 *      8   length, u32              of all bytes
 *     12   checksum, u32            FNV-1a of all bytes from 16 on
 *     16   view number, u64
 *     24   view checksum            8 bytes
 *     32   hash seed, u32
 *     36   IPv6 prefix length       1 .. 128
 *     37   self                     index of the host that reads this; 255: it is outside the view
 *     38   host count               1 .. 32
 *     39   rule count               0 .. 32
 *     40   kept count, u32          0 .. 65,536
 *     44   seat count, u16          0 .. 1,024
 *     46   zero                     2 bytes
 *     48   hosts                    36 bytes each, names ascending by bytes
 *      +   rules                    84 bytes each, see rule.ts
 *      +   seats                    36 bytes each, where there are any, see seats.ts
 *      +   kept clients             where there are any, see kept.ts
 *
 * One host: name length (1), host priority (1), name (32, zero-padded), zero (2).
 */

import { fault, Fault } from './fault';
import { checkKept, copyKept, keptSize } from './kept';
import {
  HEADER_SIZE,
  HOST_NAME_MAX,
  HOST_SIZE,
  HOSTS_MAX,
  KEPT_MAX,
  RULE_SIZE,
  RULES_MAX,
  SEAT_SIZE,
  SEATS_MAX,
} from './limits';
import { DECISION_VERSION, WEIGHTED_HOST_SIZE } from './rendezvous';
import { checkRule, isName, isZero, Rule, ruleAt } from './rule';
import { checkSeats, seatHosts } from './seats';

/** "nlbv" as a little-endian u32. */
const MAGIC: u32 = 0x76626c6e;
const LAYOUT_VERSION: u32 = 2;
/** `self` of a host that is outside the view: it takes part in nothing and hands everything off. */
export const OUTSIDE: u8 = 255;

/** The header of a view's bytes, read in place. */
@unmanaged
class Header {
  magic: u32;
  layoutVersion: u16;
  decisionVersion: u16;
  length: u32;
  checksum: u32;
  viewNumber: u64;
  viewChecksum: u64;
  hashSeed: u32;
  ipv6PrefixLength: u8;
  self: u8;
  hostCount: u8;
  ruleCount: u8;
  keptCount: u32;
  seatCount: u16;
}

/** One host of a view, read in place. */
@unmanaged
export class ViewHost {
  nameLength: u8;
  priority: u8;

  /** Address of the name's bytes. */
  get name(): usize {
    return changetype<usize>(this) + 2;
  }
}

/**
 * A checked view, in one block of memory outside the garbage-collected heap: this, the bytes it came from, and for
 * every rule its hosts ready to be scored. freeView() gives it back.
 */
@unmanaged
export class View {
  viewNumber: u64;
  hashSeed: u32;
  ipv6PrefixLength: u32;
  /** Index of this host, or -1: it is outside the view. */
  self: i32;
  /** Index of the host of highest priority. */
  defaultHost: i32;
  hostCount: u32;
  ruleCount: u32;
  hosts: usize;
  rules: usize;
  weightedHosts: usize;
  places: usize;
  /** The kept clients, a block of its own (kept.ts); 0 where there are none. */
  kept: usize;
  keptCount: u32;

  host(index: u32): ViewHost {
    return hostRecordAt(this.hosts, index);
  }

  rule(index: u32): Rule {
    return ruleAt(this.rules, index);
  }

  /** The hosts of a multiple-hosts rule with their weights, in the order of the names they are scored by, for rendezvous.ts. */
  weightedHostsOf(rule: u32): usize {
    return this.weightedHosts + usize(rule * this.hostCount) * WEIGHTED_HOST_SIZE;
  }

  /** Index of the host that stands in each place of that order, u8 each. */
  placesOf(rule: u32): usize {
    return this.places + usize(rule * this.hostCount);
  }
}

function hostRecordAt(hosts: usize, index: u32): ViewHost {
  return changetype<ViewHost>(hosts + usize(index * HOST_SIZE));
}

/** FNV-1a, 32 bits: finds bytes that were cut or altered by accident; it is no protection against intent. */
export function checksumOf(bytes: usize, length: u32): u32 {
  let sum: u32 = 0x811c9dc5;
  for (let i: u32 = 0; i < length; i++) sum = (sum ^ load<u8>(bytes + i)) * 0x01000193;
  return sum;
}

function checkHeader(header: Header, length: u32): bool {
  if (length < HEADER_SIZE) return fault(Fault.size, -1, length);
  if (header.magic != MAGIC) return fault(Fault.magic, -1, header.magic);
  if (header.layoutVersion != LAYOUT_VERSION) return fault(Fault.layoutVersion, -1, header.layoutVersion);
  if (header.length != length) return fault(Fault.size, -1, length);
  const sum = checksumOf(changetype<usize>(header) + 16, length - 16);
  if (header.checksum != sum) return fault(Fault.checksum, -1, sum);
  if (header.decisionVersion != DECISION_VERSION) return fault(Fault.decisionVersion, -1, header.decisionVersion);
  const prefix = header.ipv6PrefixLength;
  if (prefix < 1 || prefix > 128) return fault(Fault.ipv6PrefixLength, -1, prefix);
  if (header.hostCount < 1 || header.hostCount > HOSTS_MAX) return fault(Fault.hostCount, -1, header.hostCount);
  if (header.ruleCount > RULES_MAX) return fault(Fault.ruleCount, -1, header.ruleCount);
  if (header.keptCount > KEPT_MAX) return fault(Fault.keptCount, -1, header.keptCount);
  if (header.seatCount > u16(SEATS_MAX)) return fault(Fault.seatCount, -1, header.seatCount);
  const behind = u32(header.seatCount) * SEAT_SIZE + keptSize(header.ruleCount, header.keptCount);
  const expected = HEADER_SIZE + header.hostCount * HOST_SIZE + header.ruleCount * RULE_SIZE + behind;
  if (length != expected) return fault(Fault.size, -1, length);
  if (header.self >= header.hostCount && header.self != OUTSIDE) return fault(Fault.self, -1, header.self);
  if (!isZero(changetype<usize>(header) + 46, 2)) return fault(Fault.padding, -1, 46);
  return true;
}

function checkHosts(hosts: usize, count: u32): bool {
  let priorities: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const host = hostRecordAt(hosts, i);
    if (!isName(host.name, host.nameLength, HOST_NAME_MAX)) return fault(Fault.hostName, i, host.nameLength);
    if (!isZero(host.name + HOST_NAME_MAX, 2)) return fault(Fault.padding, i, 34);
    const priority = host.priority;
    if (priority < 1 || priority > HOSTS_MAX) return fault(Fault.hostPriority, i, priority);
    if ((priorities & (<u64>1 << priority)) != 0) return fault(Fault.hostPriorityTwice, i, priority);
    priorities |= <u64>1 << priority;
    if (i > 0 && memory.compare(hostRecordAt(hosts, i - 1).name, host.name, HOST_NAME_MAX) >= 0) {
      return fault(Fault.hostOrder, i, i);
    }
  }
  return true;
}

/** Checks every byte; notes the first fault and gives false. */
export function checkView(bytes: usize, length: u32): bool {
  const header = changetype<Header>(bytes);
  if (!checkHeader(header, length)) return false;
  const hosts = bytes + HEADER_SIZE;
  if (!checkHosts(hosts, header.hostCount)) return false;
  const rules = hosts + usize(header.hostCount * HOST_SIZE);
  for (let i: u32 = 0; i < header.ruleCount; i++) if (!checkRule(rules, i, header.hostCount)) return false;
  const seats = rules + usize(header.ruleCount * RULE_SIZE);
  if (!checkSeats(seats, header.seatCount, rules, header.ruleCount)) return false;
  const kept = seats + usize(u32(header.seatCount) * SEAT_SIZE);
  return checkKept(kept, header.keptCount, rules, header.ruleCount);
}

/** The view in a block of its own, or 0 with the fault noted. The bytes may be overwritten afterwards. */
export function decodeView(bytes: usize, length: u32): View | null {
  if (!checkView(bytes, length)) return null;
  const header = changetype<Header>(bytes);
  const placeCount = usize(header.ruleCount) * header.hostCount;
  // Hosts to be scored, and a byte for each place among them.
  const scored = placeCount * WEIGHTED_HOST_SIZE + ((placeCount + 7) & ~7);
  const size = length - keptSize(header.ruleCount, header.keptCount);
  const view = changetype<View>(heap.alloc(offsetof<View>() + scored + size));
  const copy = changetype<usize>(view) + offsetof<View>() + scored;
  memory.copy(copy, bytes, size);
  view.kept = copyKept(bytes + size, header.keptCount, header.ruleCount);
  view.keptCount = header.keptCount;
  view.viewNumber = header.viewNumber;
  view.hashSeed = header.hashSeed;
  view.ipv6PrefixLength = header.ipv6PrefixLength;
  view.self = header.self == OUTSIDE ? -1 : i32(header.self);
  view.hostCount = header.hostCount;
  view.ruleCount = header.ruleCount;
  view.hosts = copy + HEADER_SIZE;
  view.rules = view.hosts + usize(view.hostCount * HOST_SIZE);
  view.weightedHosts = changetype<usize>(view) + offsetof<View>();
  view.places = view.weightedHosts + placeCount * WEIGHTED_HOST_SIZE;
  view.defaultHost = 0;
  for (let h: u32 = 0; h < view.hostCount; h++) {
    const host = view.host(h);
    if (host.priority < view.host(view.defaultHost).priority) view.defaultHost = h;
  }
  seatHosts(view, view.rules + usize(view.ruleCount * RULE_SIZE), header.seatCount);
  return view;
}

/** Gives the kept clients back: from then on the view decides by buckets alone. */
export function forgetKept(view: View): void {
  if (view.kept != 0) heap.free(view.kept);
  view.kept = 0;
  view.keptCount = 0;
}

export function freeView(view: View): void {
  forgetKept(view);
  heap.free(changetype<usize>(view));
}
