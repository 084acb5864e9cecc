/** Files that are nobody's business but their owner's. */
import { fstatSync } from 'node:fs';

/**
 * Why somebody else may have read an open file, as a sentence; null where nobody could. Judged on the open file, not on its
 * name: nobody can change it in between.
 *
 * @param what  `cluster key`
 */
export function modeFault(what: string, path: string, descriptor: number): string | null {
  const { mode, uid } = fstatSync(descriptor);
  const bits = mode & 0o777;
  if ((bits & 0o077) !== 0) {
    const shown = bits.toString(8).padStart(4, '0');
    return `The ${what} ${path} has mode ${shown}: others than its owner may use it, expected 0600 (chmod 600 ${path})`;
  }
  const own = process.getuid?.() ?? 0;
  if (uid === own || uid === 0) return null;
  return `The ${what} ${path} belongs to user ${uid}, expected root or user ${own}, who runs this (chown ${own} ${path})`;
}
