/** Big-endian reading and writing of packets. A read beyond the end throws `RangeError`; the decoder catches it. */

export class ByteWriter {
  #view: DataView;
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  u64(value: bigint): void {
    this.#view.setBigUint64(this.#at, value);
    this.#at += 8;
  }

  /** Of 16 hex digits: two halves, because a BigInt made of a text takes ten times as long. */
  hex64(digits: string): void {
    this.u32(Number.parseInt(digits.slice(0, 8), 16));
    this.u32(Number.parseInt(digits.slice(8), 16));
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  get length(): number {
    return this.#at;
  }
}

export class ByteReader {
  #view: DataView;
  #at: number;

  constructor(
    private readonly bytes: Uint8Array,
    start = 0,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
  }

  u8(): number {
    this.#at += 1;
    return this.#view.getUint8(this.#at - 1);
  }

  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  u64(): bigint {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8);
  }

  hex64(): string {
    const high = this.u32();
    return hex32(high) + hex32(this.u32());
  }

  raw(length: number): Uint8Array {
    if (this.left < length) throw new RangeError(`${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }
}

/** Texts of the wire are ASCII: names and the items of a file. What is not is written as `?`. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i) < 0x80 ? text.charCodeAt(i) : 0x3f;
  return bytes;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}

export function asciiText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  return text;
}
