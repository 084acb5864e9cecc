/** SHA-256, shortened to what names a content: 16 hex digits. */
import { createHash } from 'node:crypto';

export function shortHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
