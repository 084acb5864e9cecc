/** Which start of the machine this is: the kernel's own id, another one at each. In a container it is that of the machine. */
import { readFileSync } from 'node:fs';

/** @returns null where the kernel does not say */
export function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || null;
  } catch {
    return null;
  }
}
