/** Text and hexadecimal of the vectors into memory and back. */

const TEXT: usize = memory.data(512);

/** Where put() puts a text. */
export function text(): usize {
  return TEXT;
}

/** Puts ASCII at text(); its length. */
export function put(ascii: string): u32 {
  for (let i = 0; i < ascii.length; i++) store<u8>(TEXT + i, u8(ascii.charCodeAt(i)));
  return ascii.length;
}

/** Bytes to hexadecimal. */
export function hexOf(pointer: usize, length: u32): string {
  const digits = '0123456789abcdef';
  let hex = '';
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(pointer + i);
    hex += digits.charAt(byte >> 4) + digits.charAt(byte & 15);
  }
  return hex;
}

/** Hexadecimal to bytes in a block of their own, as long as the test runs. */
export function bytesOf(hex: string): usize {
  const pointer = heap.alloc(hex.length / 2 + 1);
  for (let i = 0; i < hex.length / 2; i++) store<u8>(pointer + i, u8(parseInt(hex.substr(2 * i, 2), 16)));
  return pointer;
}
