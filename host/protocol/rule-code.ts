/**
 * What a host says of each of its 32 port rules, in 8 bytes of its row. Two bits a rule, rule 0 in the lowest bits of the
 * first byte, hold four of the six values. A host that is on standby in some rule says so in base 5, rule 0 the lowest
 * digit, of as many rules as 63 bits hold: a bit beside (heartbeat.ts) tells the two apart. One that stands in for another
 * host says in base 6 in which rules, and above them for whom:
 *
 *     bit 63: 1    bit 62: 0    bits 57-61: host priority of that one, less 1    bits 0-56: 22 rules in base 6
 */
import type { ByteReader, ByteWriter } from './bytes.js';

/**
 * `up`, `standby` and `standingIn` take part where they can (standby.ts, seats.ts); the others say why this host takes no part
 * in a rule. Its own state stands beside.
 */
export type RuleState = 'up' | 'ruleDisabled' | 'serviceDown' | 'ruleDraining' | 'standby' | 'standingIn';
const RULE_STATES: readonly RuleState[] = [
  'up',
  'ruleDisabled',
  'serviceDown',
  'ruleDraining',
  'standby',
  'standingIn',
];

/** 5 ** 27 < 2 ** 63. A file with more rules has none with `failback: never` (config/check-rules.ts). */
export const STANDBY_RULES_MAX = 27;
/** 6 ** 22 < 2 ** 57. In a file with more rules nobody stands in for another: who is on standby takes part by its own name. */
export const STANDING_IN_RULES_MAX = 22;
const RULES = 32;
const STANDING_IN = 1n << 63n;
const FOR_SHIFT = 57n;

/** What a row says of the rules of its host. */
export interface RowRules {
  rules: readonly RuleState[];
  /** Host priority of whom it stands in for, in the rules that say so; 0 for nobody. */
  standsInFor: number;
}

/** True where two bits a rule are not enough. */
export function isPacked(rules: readonly RuleState[]): boolean {
  return rules.includes('standby') || rules.includes('standingIn');
}

export function writeRules(out: ByteWriter, { rules, standsInFor }: RowRules): void {
  if (rules.includes('standingIn')) {
    out.u64(STANDING_IN | (BigInt(standsInFor - 1) << FOR_SHIFT) | digits(rules, 6n, STANDING_IN_RULES_MAX));
    return;
  }
  if (isPacked(rules)) {
    out.u64(digits(rules, 5n, STANDBY_RULES_MAX));
    return;
  }
  for (let byte = 0; byte < 8; byte++) {
    let bits = 0;
    for (let i = 0; i < 4; i++) bits |= codeOf(rules[byte * 4 + i]) << (i * 2);
    out.u8(bits);
  }
}

function digits(rules: readonly RuleState[], base: bigint, count: number): bigint {
  let packed = 0n;
  for (let i = count - 1; i >= 0; i--) packed = packed * base + BigInt(codeOf(rules[i]));
  return packed;
}

/** Nearly all rows say the same: equal bytes become one and the same array, which makes comparing cheap. */
const UNPACKED = { two: new Map<bigint, RowRules>(), packed: new Map<bigint, RowRules>() };
/** BOUNDED: of each of the two. */
const UNPACKED_MAX = 256;

/** @param packed  the host is on standby in some rule, or stands in for another host */
export function readRules(from: ByteReader, packed: boolean): RowRules {
  const bits = from.u64();
  const known = packed ? UNPACKED.packed : UNPACKED.two;
  const found = known.get(bits);
  if (found !== undefined) return found;
  const read = packed ? unpacked(bits) : { rules: twoBits(bits), standsInFor: 0 };
  if (known.size >= UNPACKED_MAX) known.clear();
  known.set(bits, read);
  return read;
}

function unpacked(bits: bigint): RowRules {
  if ((bits & STANDING_IN) === 0n) return { rules: inBase(5n, bits), standsInFor: 0 };
  const standsInFor = 1 + Number((bits >> FOR_SHIFT) & 31n);
  return { rules: inBase(6n, bits & ((1n << FOR_SHIFT) - 1n)), standsInFor };
}

function twoBits(packed: bigint): RuleState[] {
  return Array.from({ length: RULES }, (_, i) => {
    const byte = Number((packed >> BigInt(8 * (7 - (i >> 2)))) & 0xffn);
    return RULE_STATES[(byte >> ((i & 3) * 2)) & 3]!;
  });
}

function inBase(base: bigint, bits: bigint): RuleState[] {
  let left = bits;
  return Array.from({ length: RULES }, () => {
    const code = Number(left % base);
    left /= base;
    return RULE_STATES[code]!;
  });
}

function codeOf(rule: RuleState | undefined): number {
  return rule === undefined ? 0 : RULE_STATES.indexOf(rule);
}
