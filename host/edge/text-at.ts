import { readFileSync } from 'node:fs';

/** Null where there is no such file, or none that may be read. */
export function textAt(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
