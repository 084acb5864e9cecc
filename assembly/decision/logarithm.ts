/**
 * The binary logarithm in fixed point, by integers alone: every machine gets the same bits.
 *
 * log2 of 1 to 2 stands in a table of 4,096 steps and is read by linear interpolation; the error stays below 2^-26,
 * which decides about one bucket in millions otherwise than exact logarithms would (test/model prints how many).
 * Exact form: docs/decision.md, "Logarithm".
 */

/** Bits behind the point of all logarithms here. */
const FRACTION_BITS: u32 = 31;
/** 2^12 steps between 1 and 2. */
const STEP_BITS: u32 = 12;
const STEPS: u32 = 1 << STEP_BITS;
/** Bits of a 32-bit mantissa that remain for the interpolation within a step. */
const REST_BITS: u32 = 32 - STEP_BITS;

/** round(2^31 * log2(1 + i / 4096)) for i = 0 .. 4096, as u32. */
const TABLE: usize = memory.data((4096 + 1) * 4, 4);

/** The upper half of a 128-bit product. */
function multiplyHigh(x: u64, y: u64): u64 {
  const low = (x & 0xffffffff) * (y & 0xffffffff);
  const middle = (x >> 32) * (y & 0xffffffff) + (low >> 32);
  const other = (x & 0xffffffff) * (y >> 32) + (middle & 0xffffffff);
  return (x >> 32) * (y >> 32) + (middle >> 32) + (other >> 32);
}

/**
 * 2^31 * log2(1 + step / 4096), rounded: one binary digit for each squaring of the mantissa. 64-bit mantissas leave an
 * error of some 2^-60, and no entry lies that near to a half, so the rounding is exact (the tests compare all of them).
 */
function tableEntry(step: u32): u32 {
  let mantissa = u64(STEPS + step) << (63 - STEP_BITS);
  let digits: u64 = 0;
  for (let i: u32 = 0; i <= FRACTION_BITS; i++) {
    const square = multiplyHigh(mantissa, mantissa);
    const isTwoOrMore = square >> 63;
    digits = (digits << 1) | isTwoOrMore;
    mantissa = isTwoOrMore ? square : square << 1;
  }
  return u32((digits + 1) >> 1);
}

function fillTable(): void {
  for (let step: u32 = 0; step < STEPS; step++) store<u32>(TABLE + 4 * step, tableEntry(step));
  store<u32>(TABLE + 4 * STEPS, 1 << FRACTION_BITS);
}

// Once per instance, half a millisecond: shorter than to read 4,097 numbers in a source file, and as certain.
fillTable();

/** An entry of the table, for tests: 0 <= step <= 4096. */
export function logarithmEntry(step: u32): u32 {
  return load<u32>(TABLE + 4 * step);
}

/**
 * L(draw) = -log2((draw + 1) / 2^32) in units of 2^-31: 0 for the largest draw, 32 * 2^31 for draw 0.
 * A greater draw never has a greater L.
 */
// @ts-ignore: decorator
@inline
export function negativeLogarithm(draw: u32): u64 {
  const number = u64(draw) + 1;
  const exponent = 63 - u32(clz<u64>(number));
  const mantissa = (number << (32 - exponent)) & 0xffffffff;
  const entry = TABLE + 4 * usize(mantissa >> REST_BITS);
  const from = u64(load<u32>(entry));
  const rest = mantissa & ((1 << REST_BITS) - 1);
  const within = ((u64(load<u32>(entry, 4)) - from) * rest) >> REST_BITS;
  return (u64(32 - exponent) << FRACTION_BITS) - from - within;
}
