/**
 * The demo's processes, found again by what they are and not by who started them: an Envoy is nobody's child, and an
 * earlier demo may have been killed. Only a process of this user that runs one of our programs with a directory of ours
 * as its argument is ever ended.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Layout, SIDECAR_PROGRAM, SMTP_PROGRAM } from './layout.js';

export type PartKind = 'sidecar' | 'smtp' | 'envoy';

export interface Part {
  kind: PartKind;
  host: string;
  pid: number;
}

/** A process asked to end is given this long before it is ended the hard way. */
const END_GRACE_MS = 3000;

/** What a command line is, or null where it is none of ours. */
export function partOf(command: string[], executable: string, layout: Layout): Omit<Part, 'pid'> | null {
  for (const { name, directory } of layout.hosts) {
    if (command[1] === SIDECAR_PROGRAM && command[2] === 'run' && command.includes(directory)) {
      return { kind: 'sidecar', host: name };
    }
    if (command[1] === SMTP_PROGRAM && command.includes(directory)) return { kind: 'smtp', host: name };
    const isEnvoy = basename(executable).startsWith('envoy');
    if (isEnvoy && command.some((word) => dirname(word) === `${directory}/envoy`)) return { kind: 'envoy', host: name };
  }
  return null;
}

/** All parts of the demo that are alive now. */
export function findParts(layout: Layout): Part[] {
  const found: Part[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (!command.some((word) => word.includes(layout.directory))) continue;
      // A program replaced on disk while it runs shows as `... (deleted)`.
      const part = partOf(command, readlinkSync(`/proc/${entry}/exe`).replace(/ \(deleted\)$/, ''), layout);
      if (part !== null) found.push({ ...part, pid: Number(entry) });
    } catch {
      // It ended while we looked, or belongs to somebody else.
    }
  }
  return found;
}

/** In clock ticks since boot: with the pid it names one process for ever. Null where there is none. */
export function startTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; the fields after it start with the 3rd, the start time is the 22nd.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return null;
  }
}

function signal(part: Part, name: NodeJS.Signals): void {
  try {
    process.kill(part.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ends the parts that `wanted` names at once, as a loss of power would. Sidecars first: they start Envoys anew. */
export async function killParts(layout: Layout, wanted: (part: Part) => boolean): Promise<Part[]> {
  const parts = findParts(layout).filter(wanted);
  const order: PartKind[] = ['sidecar', 'envoy', 'smtp'];
  for (const kind of order) for (const part of parts) if (part.kind === kind) signal(part, 'SIGKILL');
  await gone(layout, wanted, END_GRACE_MS);
  return parts;
}

/** Ends all parts, politely first. Resolves to those that would not end, which is none unless the kernel is stuck. */
export async function endParts(layout: Layout): Promise<Part[]> {
  // Sidecars first: one of them may be starting an Envoy at this moment.
  const kinds: ((part: Part) => boolean)[] = [(part) => part.kind === 'sidecar', () => true];
  for (const wanted of kinds) {
    for (const part of findParts(layout).filter(wanted)) signal(part, 'SIGTERM');
    if (await gone(layout, wanted, END_GRACE_MS)) continue;
    for (const part of findParts(layout).filter(wanted)) signal(part, 'SIGKILL');
    await gone(layout, wanted, END_GRACE_MS);
  }
  return findParts(layout);
}

async function gone(layout: Layout, wanted: (part: Part) => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (findParts(layout).some(wanted)) {
    if (performance.now() > deadline) return false;
    await sleep(30);
  }
  return true;
}
