/** Port rules: their place in the view's bytes, what makes one unlawful, and which one covers a connection. */

import { sameAddress } from './address';
import { Fault, fault } from './fault';
import { AFFINITY_CLASS_C } from './key';
import { HOSTS_MAX, LOAD_WEIGHT_MAX, RULE_NAME_MAX, RULE_SIZE } from './limits';

export const MODE_MULTIPLE: u8 = 1;
export const MODE_SINGLE: u8 = 2;
export const MODE_DISABLED: u8 = 3;

/** A rule's `protocol` is a set of these. */
export const PROTOCOL_TCP: u8 = 1;
export const PROTOCOL_UDP: u8 = 2;

/** Ten minutes; a longer patience is a slip of the pen. */
const OWNER_PATIENCE_MAX_MS: u32 = 600_000;

/**
 * One port rule, read in place: its fields lie as they came, little-endian as wasm itself.
 *
 *      0   name length          1 .. 24
 *      1   name                 24 bytes, zero-padded
 *     25   protocol             1 tcp, 2 udp, 3 both
 *     26   filtering mode       1 multiple hosts, 2 single host, 3 disabled
 *     27   affinity             0 none, 1 single, 2 class C
 *     28   first port, u16
 *     30   last port, u16       inclusive
 *     32   owner patience, u32  milliseconds
 *     36   virtual IP           16 bytes as in address.ts; all zero: every virtual IP
 *     52   part of each host    32 bytes, by host index: load weight 0 .. 100 (multiple hosts) or handling priority
 *                               1 .. 32 (single host); 0 does not take part
 */
@unmanaged
export class Rule {
  nameLength: u8;
  private unread0: u8;
  private unread1: u16;
  private unread2: u32;
  private unread3: u64;
  private unread4: u64;
  private unread5: u8;
  protocol: u8;
  mode: u8;
  affinity: u8;
  portFirst: u16;
  portLast: u16;
  ownerPatienceMs: u32;

  /** Address of the name's bytes. */
  get name(): usize {
    return changetype<usize>(this) + 1;
  }

  /** Address of the virtual IP's bytes. */
  get virtualIp(): usize {
    return changetype<usize>(this) + 36;
  }

  /** Does the rule hold for every virtual IP? */
  get isForAnyIp(): bool {
    return load<u64>(this.virtualIp) == 0 && load<u64>(this.virtualIp, 8) == 0;
  }

  /** Load weight or handling priority of a host; 0 where it does not take part. */
  partOf(host: u32): u32 {
    return load<u8>(changetype<usize>(this) + 52 + host);
  }
}

/** The rule at an index of an array of rules. */
// @ts-ignore: decorator
@inline
export function ruleAt(rules: usize, index: u32): Rule {
  return changetype<Rule>(rules + usize(index * RULE_SIZE));
}

/**
 * The rule that covers a connection. A rule for one virtual IP goes before one for all of them; two of the same kind
 * cannot cover the same destination, the view would have been refused.
 *
 * @param rules    `count` rules, one behind the other
 * @param address  destination, 16 bytes
 * @returns        index of the rule, or -1: the default host takes the connection
 */
export function ruleFor(rules: usize, count: u32, address: usize, port: u32, protocol: u8): i32 {
  let found = -1;
  for (let i: u32 = 0; i < count; i++) {
    const rule = ruleAt(rules, i);
    if ((rule.protocol & protocol) == 0 || port < rule.portFirst || port > rule.portLast) continue;
    if (rule.isForAnyIp) found = i;
    else if (sameAddress(rule.virtualIp, address)) return i;
  }
  return found;
}

/** Is there a destination that both rules cover, neither of them being the more particular one? */
function overlap(one: Rule, other: Rule): bool {
  return (
    (one.protocol & other.protocol) != 0 &&
    one.portFirst <= other.portLast &&
    other.portFirst <= one.portLast &&
    sameAddress(one.virtualIp, other.virtualIp)
  );
}

/** Checks rule `at` by itself and against those before it; notes the fault and gives false where it is not lawful. */
export function checkRule(rules: usize, at: u32, hostCount: u32): bool {
  const rule = ruleAt(rules, at);
  if (!isName(rule.name, rule.nameLength, RULE_NAME_MAX)) return fault(Fault.ruleName, at, rule.nameLength);
  if (rule.protocol < 1 || rule.protocol > 3) return fault(Fault.protocol, at, rule.protocol);
  if (rule.mode < MODE_MULTIPLE || rule.mode > MODE_DISABLED) return fault(Fault.filteringMode, at, rule.mode);
  if (rule.affinity > AFFINITY_CLASS_C) return fault(Fault.affinity, at, rule.affinity);
  if (rule.portFirst > rule.portLast) return fault(Fault.ports, at, rule.portFirst);
  if (rule.ownerPatienceMs > OWNER_PATIENCE_MAX_MS) return fault(Fault.ownerPatience, at, rule.ownerPatienceMs);
  for (let i: u32 = 0; i < at; i++) {
    const other = ruleAt(rules, i);
    if (memory.compare(rule.name, other.name, RULE_NAME_MAX) == 0) return fault(Fault.ruleNameTwice, at, i);
    if (overlap(rule, other)) return fault(Fault.ruleOverlap, at, i);
  }
  return checkParts(rule, at, hostCount);
}

/** What each host brings to the rule. */
function checkParts(rule: Rule, at: u32, hostCount: u32): bool {
  let seen: u64 = 0;
  for (let host: u32 = 0; host < HOSTS_MAX; host++) {
    const part = rule.partOf(host);
    if (part == 0) continue;
    if (host >= hostCount || rule.mode == MODE_DISABLED) return fault(Fault.strayPart, at, host);
    if (rule.mode == MODE_MULTIPLE) {
      if (part > LOAD_WEIGHT_MAX) return fault(Fault.loadWeight, at, part);
      continue;
    }
    if (part > HOSTS_MAX) return fault(Fault.handlingPriority, at, part);
    if ((seen & (<u64>1 << part)) != 0) return fault(Fault.handlingPriorityTwice, at, part);
    seen |= <u64>1 << part;
  }
  return true;
}

/** 1 .. `max` bytes of a-z, 0-9 and `-`, the rest of the `max` bytes zero. Names become part of counters. */
export function isName(name: usize, length: u32, max: u32): bool {
  if (length < 1 || length > max) return false;
  for (let i: u32 = 0; i < length; i++) {
    const c = load<u8>(name + i);
    if (!((c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || c == 0x2d)) return false;
  }
  return isZero(name + length, max - length);
}

export function isZero(start: usize, length: usize): bool {
  for (let i: usize = 0; i < length; i++) if (load<u8>(start + i) != 0) return false;
  return true;
}
