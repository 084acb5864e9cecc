/** The hard limit of open files, which Envoy is started with: 2 of them make one connection. */
import { readFileSync } from 'node:fs';

/** Source: proc(5), /proc/<pid>/limits: `Max open files  1024  20000  files`. */
export function openFilesMax(limits = readFileSync('/proc/self/limits', 'utf8')): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  // `unlimited` is in truth fs.nr_open, 1,048,576 where nobody changed it.
  if (hard === 'unlimited' || hard === undefined) return 1_048_576;
  return Number(hard);
}
