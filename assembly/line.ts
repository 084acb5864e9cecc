/**
 * Texts put together in one static buffer: counter names, cluster names, log lines. AssemblyScript's own strings would
 * be joined on the garbage-collected heap, of which the filter uses nothing.
 */

/** Longest text; what goes beyond is cut off. */
const LINE_MAX: u32 = 512;
const LINE: usize = memory.data(512);

/** Address of the text. */
export const line: usize = LINE;
/** Bytes of the text so far. */
export let lineLength: u32 = 0;

export function startLine(): void {
  lineLength = 0;
}

function addByte(byte: u8): void {
  if (lineLength == LINE_MAX) return;
  store<u8>(LINE + lineLength, byte);
  lineLength += 1;
}

/** Adds a literal of ASCII characters. */
export function addText(text: string): void {
  for (let i = 0; i < text.length; i++) addByte(u8(load<u16>(changetype<usize>(text) + (<usize>i << 1))));
}

export function addBytes(bytes: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) addByte(load<u8>(bytes + i));
}

/** Adds a number in decimal. */
export function addNumber(value: u64): void {
  if (value >= 10) addNumber(value / 10);
  addByte(0x30 + u8(value % 10));
}
