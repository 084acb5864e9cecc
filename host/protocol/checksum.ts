/**
 * Short digests for names and views. They name things, they protect nothing: what comes from the network is under the
 * HMAC already. 32-bit FNV-1a with a murmur finish, over UTF-16 code units (all our texts are ASCII or short UTF-8).
 */
import type { Row } from './heartbeat.js';

/** u32 digest of a text; `seed` tells two digests of one text apart. */
export function hash32(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** 16 hex digits: identity of a view or of what is in force. */
export function checksum64(text: string): string {
  return hex32(hash32(text, 0)) + hex32(hash32(text, 0x9e3779b9));
}

/** First 32 bits of a checksum, as rows of a heartbeat carry it. */
export function checksumHead(checksum: string): number {
  return Number.parseInt(checksum.slice(0, 8), 16);
}

/** The row says that its host confirms that view. */
export function confirms(
  row: Pick<Row, 'confirmedNumber' | 'confirmedHead'>,
  view: { number: number; checksum: string },
): boolean {
  return row.confirmedNumber === view.number && row.confirmedHead === checksumHead(view.checksum);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
