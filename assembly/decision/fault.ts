/**
 * Why a view was refused. Decoding stops at the first fault and leaves here what it was, where, and the value found;
 * assembly/texts.ts turns that into the line an administrator reads.
 */
export const enum Fault {
  none = 0,
  /** The length of the bytes is not what the counts in them ask for. */
  size,
  magic,
  layoutVersion,
  decisionVersion,
  checksum,
  ipv6PrefixLength,
  hostCount,
  ruleCount,
  self,
  hostName,
  /** Names ascend strictly; so none comes twice. */
  hostOrder,
  hostPriority,
  hostPriorityTwice,
  ruleName,
  ruleNameTwice,
  protocol,
  filteringMode,
  affinity,
  ports,
  ownerPatience,
  ruleOverlap,
  loadWeight,
  handlingPriority,
  handlingPriorityTwice,
  /** A part for a host that the view does not have, or for a disabled rule. */
  strayPart,
  /** Bytes that must be zero are not. */
  padding,
  keptCount,
  /** Hashes ascend strictly within a rule. */
  keptOrder,
  /** Kept at a host that takes no part, or under a rule whose clients are not kept: a rule by affinity alone has any. */
  keptHost,
  seatCount,
  /** Rules ascend, and hosts strictly within a rule. */
  seatOrder,
  /** Of a rule that the view does not have or that has no load weights, or a host that takes no part in it. */
  seatHost,
  seatName,
}

/** The last fault. Valid after decodeView() gave 0. */
export let faultCode: Fault = Fault.none;
/** Which host or rule, counted from 0 as in the view's bytes; -1 where it is the view itself. */
export let faultAt: i32 = -1;
/** The value that was found. */
export let faultValue: u32 = 0;

/** Notes a fault. Always false, so that a check reads `return fault(...)`. */
export function fault(code: Fault, at: i32, value: u32): bool {
  faultCode = code;
  faultAt = at;
  faultValue = value;
  return false;
}
