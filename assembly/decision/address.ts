/**
 * Address text, as Envoy and people write it, to bytes.
 *
 * There is one form inside: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. So an IPv4 address that arrives over an
 * IPv6 socket is the same client, and comparing two addresses is comparing 16 bytes. Nothing here traps or allocates:
 * what cannot be read is a code (docs/decision.md, "Address text").
 */

/** Bytes of an address in memory. */
export const ADDRESS_SIZE: u32 = 16;
/** Bytes that parseEndpoint() writes: the address, then the port as a native u16. */
export const ENDPOINT_SIZE: u32 = 18;
/** Where the port stands in an endpoint. */
export const ENDPOINT_PORT: usize = 16;

export const ADDRESS_OK: i32 = 0;
/** Neither `a.b.c.d` nor an IPv6 address. */
export const ADDRESS_BAD: i32 = 1;
/** `fe80::1%eth0`: a scope names an interface of one host, and the others could not agree with it. */
export const ADDRESS_SCOPED: i32 = 2;
/** No `:port` behind the address, or an IPv6 address with a port but without brackets. */
export const ADDRESS_NO_PORT: i32 = 3;
/** A port that is not a plain number of 0-65535. */
export const ADDRESS_BAD_PORT: i32 = 4;

const DOT: u8 = 0x2e;
const COLON: u8 = 0x3a;
const PERCENT: u8 = 0x25;
const BRACKET_OPEN: u8 = 0x5b;
const BRACKET_CLOSE: u8 = 0x5d;

/**
 * The decimal number that fills a text, or -1: digits alone, no sign, no superfluous leading zero.
 *
 * @param digitsMax  longest text that is read, below 10, so that the number cannot overflow
 */
function decimal(text: usize, length: u32, digitsMax: u32, largest: i32): i32 {
  if (length == 0 || length > digitsMax) return -1;
  if (length > 1 && load<u8>(text) == 0x30) return -1;
  let value: i32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const digit = i32(load<u8>(text + i)) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= largest ? value : -1;
}

/** The value of one hexadecimal digit, or -1. */
function hexadecimal(character: u8): i32 {
  if (character >= 0x30 && character <= 0x39) return i32(character) - 0x30;
  const lower = character | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? i32(lower) - 0x61 + 10 : -1;
}

/** Distance of the first `wanted` from `text`, or `length` where there is none. */
function find(text: usize, length: u32, wanted: u8): u32 {
  for (let i: u32 = 0; i < length; i++) if (load<u8>(text + i) == wanted) return i;
  return length;
}

/** Four decimal bytes to `out`; false where the text is anything else. */
function parseIpv4(text: usize, length: u32, out: usize): bool {
  for (let part: u32 = 0; part < 4; part++) {
    const end = part < 3 ? find(text, length, DOT) : length;
    if (part < 3 && end == length) return false;
    const value = decimal(text, end, 3, 255);
    if (value < 0) return false;
    store<u8>(out + part, u8(value));
    text += end + 1;
    length -= part < 3 ? end + 1 : end;
  }
  return true;
}

/** One group of 1-4 hexadecimal digits to two bytes at `out`; false where it is anything else. */
function parseGroup(text: usize, length: u32, out: usize): bool {
  if (length == 0 || length > 4) return false;
  let value: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const digit = hexadecimal(load<u8>(text + i));
    if (digit < 0) return false;
    value = (value << 4) | u32(digit);
  }
  store<u8>(out, u8(value >> 8));
  store<u8>(out, u8(value), 1);
  return true;
}

/** RFC 4291 section 2.2: eight groups, `::` once for at least one group of zeros, the last two perhaps as IPv4. */
function parseIpv6(text: usize, length: u32, out: usize): bool {
  let written: u32 = 0;
  let gap: i32 = -1;
  let at: u32 = 0;
  memory.fill(out, 0, ADDRESS_SIZE);
  if (length >= 2 && load<u8>(text) == COLON && load<u8>(text, 1) == COLON) {
    gap = 0;
    at = 2;
  }
  while (at < length) {
    const size = find(text + at, length - at, COLON);
    const isLast = at + size == length;
    if (isLast && find(text + at, size, DOT) < size) {
      if (written > 12 || !parseIpv4(text + at, size, out + written)) return false;
      written += 4;
      break;
    }
    if (written == 16 || !parseGroup(text + at, size, out + written)) return false;
    written += 2;
    at += size;
    if (isLast) break;
    at += 1;
    if (at == length) return false;
    if (load<u8>(text + at) == COLON) {
      if (gap >= 0) return false;
      gap = i32(written);
      at += 1;
    }
  }
  if (gap < 0) return written == 16;
  if (written > 14) return false;
  const tail = written - u32(gap);
  memory.copy(out + ADDRESS_SIZE - tail, out + gap, tail);
  memory.fill(out + gap, 0, ADDRESS_SIZE - written);
  return true;
}

/** An IPv4 address is kept as the IPv4-mapped IPv6 address ::ffff:a.b.c.d. */
export function isIpv4(address: usize): bool {
  return load<u64>(address) == 0 && load<u32>(address, 8) == 0xffff0000;
}

/** Two addresses in the form of 16 bytes. */
export function sameAddress(one: usize, other: usize): bool {
  return load<u64>(one) == load<u64>(other) && load<u64>(one, 8) == load<u64>(other, 8);
}

/**
 * An address without port or brackets.
 *
 * @param out  ADDRESS_SIZE bytes; their content is undefined after a refusal
 * @returns    ADDRESS_OK, ADDRESS_BAD or ADDRESS_SCOPED
 */
export function parseAddress(text: usize, length: u32, out: usize): i32 {
  if (find(text, length, PERCENT) < length) return ADDRESS_SCOPED;
  if (find(text, length, COLON) < length) return parseIpv6(text, length, out) ? ADDRESS_OK : ADDRESS_BAD;
  store<u64>(out, 0);
  store<u32>(out, 0xffff0000, 8);
  return parseIpv4(text, length, out + 12) ? ADDRESS_OK : ADDRESS_BAD;
}

/**
 * An address with its port, as Envoy's `source.address` says it: `1.2.3.4:567` or `[2001:db8::1]:567`.
 *
 * @param out  ENDPOINT_SIZE bytes: address, then port; their content is undefined after a refusal
 * @returns    ADDRESS_OK or the reason of the refusal
 */
export function parseEndpoint(text: usize, length: u32, out: usize): i32 {
  const isBracketed = length > 0 && load<u8>(text) == BRACKET_OPEN;
  const start: u32 = isBracketed ? 1 : 0;
  const end = find(text, length, isBracketed ? BRACKET_CLOSE : COLON);
  if (end == length) return ADDRESS_NO_PORT;
  const code = parseAddress(text + start, end - start, out);
  if (code != ADDRESS_OK) return code;
  // Brackets are for IPv6 alone; `[1.2.3.4]:5` is a mistake of whoever wrote it.
  if (isBracketed && find(text, end, COLON) == end) return ADDRESS_BAD;
  const colon = isBracketed ? end + 1 : end;
  if (colon >= length || load<u8>(text + colon) != COLON) return ADDRESS_NO_PORT;
  const port = decimal(text + colon + 1, length - colon - 1, 5, 65535);
  if (port < 0) return ADDRESS_BAD_PORT;
  store<u16>(out, u16(port), ENDPOINT_PORT);
  return ADDRESS_OK;
}
