/** The body of a request or an answer: bounded, whole, JSON. */
import type { Readable } from 'node:stream';

/** A cluster file has at most 1,000,000 characters; as JSON text, with its record around it, it stays below this. */
export const BODY_BYTES_MAX = 4_000_000;

/**
 * @returns the value; null for no bytes at all
 * @throws Error with a sentence where it is too long, cut off or no JSON
 */
export async function readJsonBody(stream: Readable, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > bytesMax) throw new Error(`the body has more than ${bytesMax} bytes`);
    parts.push(part);
  }
  if (length === 0) return null;
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch {
    throw new Error('the body is not JSON');
  }
}
