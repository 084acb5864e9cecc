/**
 * What a host says of each of its 32 port rules, in 8 bytes of its row. Two bits a rule, rule 0 in the lowest bits of the
 * first byte, hold four of the five values. A host that is on standby in some rule says so in base 5, rule 0 the lowest
 * digit, of as many rules as 63 bits hold: a bit beside (heartbeat.ts) tells the two apart.
 */
import type { ByteReader, ByteWriter } from './bytes.js';

/**
 * `up` and `standby` take part where they can (standby.ts); the others say why this host takes no part in a rule. Its own
 * state stands beside.
 */
export type RuleState = 'up' | 'ruleDisabled' | 'serviceDown' | 'ruleDraining' | 'standby';
const RULE_STATES: readonly RuleState[] = ['up', 'ruleDisabled', 'serviceDown', 'ruleDraining', 'standby'];

/** 5 ** 27 < 2 ** 63. A file with more rules has none with `failback: never` (config/check-rules.ts). */
export const STANDBY_RULES_MAX = 27;
const RULES = 32;

export function hasStandby(rules: readonly RuleState[]): boolean {
  return rules.includes('standby');
}

export function writeRules(out: ByteWriter, rules: readonly RuleState[]): void {
  if (hasStandby(rules)) {
    let packed = 0n;
    for (let i = STANDBY_RULES_MAX - 1; i >= 0; i--) packed = packed * 5n + BigInt(codeOf(rules[i]));
    out.u64(packed);
    return;
  }
  for (let byte = 0; byte < 8; byte++) {
    let bits = 0;
    for (let i = 0; i < 4; i++) bits |= codeOf(rules[byte * 4 + i]) << (i * 2);
    out.u8(bits);
  }
}

/** Nearly all rows say the same: equal bytes become one and the same array, which makes comparing cheap. */
const UNPACKED = { two: new Map<bigint, readonly RuleState[]>(), five: new Map<bigint, readonly RuleState[]>() };
/** BOUNDED: of each of the two. */
const UNPACKED_MAX = 256;

/** @param isBaseFive  the host is on standby in some rule */
export function readRules(from: ByteReader, isBaseFive: boolean): readonly RuleState[] {
  const packed = from.u64();
  const known = isBaseFive ? UNPACKED.five : UNPACKED.two;
  const found = known.get(packed);
  if (found !== undefined) return found;
  const rules = isBaseFive ? baseFive(packed) : twoBits(packed);
  if (known.size >= UNPACKED_MAX) known.clear();
  known.set(packed, rules);
  return rules;
}

function twoBits(packed: bigint): RuleState[] {
  return Array.from({ length: RULES }, (_, i) => {
    const byte = Number((packed >> BigInt(8 * (7 - (i >> 2)))) & 0xffn);
    return RULE_STATES[(byte >> ((i & 3) * 2)) & 3]!;
  });
}

function baseFive(packed: bigint): RuleState[] {
  let left = packed;
  return Array.from({ length: RULES }, () => {
    const code = Number(left % 5n);
    left /= 5n;
    return RULE_STATES[code]!;
  });
}

function codeOf(rule: RuleState | undefined): number {
  return rule === undefined ? 0 : RULE_STATES.indexOf(rule);
}
