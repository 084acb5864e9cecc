/** Whether a file is still the one that was read: changes with every edit, as editors and scp write anew or rename over. */
import { statSync } from 'node:fs';

/** In the place of a stamp where there is none. */
export const NO_FILE = 'missing';

export function fileStamp(path: string): string {
  try {
    const { ino, mtimeNs, size, mode, uid } = statSync(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size} ${mode} ${uid}`;
  } catch {
    return NO_FILE;
  }
}
