/**
 * How many files may be open: Envoy is started with the hard limit, of which 2 make one connection; and what is said where this
 * process has none left. Node.js then takes what wants to come in and closes it without a word, so somebody has to look.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { systemCode } from './edge-error.js';

const LIMITS = '/proc/self/limits';
/** As many as a look at Envoy and a change of the view take for a moment. */
const ROOM_MIN = 8;

/** Source: proc(5), /proc/<pid>/limits: `Max open files  1024  20000  files`, the soft and the hard limit. */
const LINE = /^Max open files\s+(\S+)\s+(\S+)/m;
/** `unlimited` is in truth fs.nr_open; this where nobody changed it. */
const UNLIMITED = 1_048_576;

function readLimits(limits: string): { soft: number; hard: number } {
  const [, soft, hard] = LINE.exec(limits) ?? [];
  const numberOf = (text = 'unlimited') => (text === 'unlimited' ? UNLIMITED : Number(text));
  return { soft: numberOf(soft), hard: numberOf(hard) };
}

export function openFilesMax(limits = readFileSync(LIMITS, 'utf8')): number {
  return readLimits(limits).hard;
}

/** Not the fault of whoever was asked: this process, or the whole machine, has no file left to ask with. */
export function isOutOfFiles(code: string): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Why nothing could be opened, and what to do, as the second part of a sentence; null where files are not the cause. */
export function noFileReason(code: string): string | null {
  if (code === 'EMFILE') return 'this process may open no more files (EMFILE); raise LimitNOFILE= (ulimit -n)';
  if (code === 'ENFILE') return 'this machine may open no more files (ENFILE); raise fs.file-max (sysctl)';
  return null;
}

/** What an administrator has to mend, or null while this process has room. */
export function openFilesProblem(): string | null {
  try {
    const openCount = readdirSync('/proc/self/fd').length;
    const max = readLimits(readFileSync(LIMITS, 'utf8')).soft;
    return max - openCount >= ROOM_MIN ? null : outOfFilesText(`${openCount} of the ${max}`);
  } catch (error) {
    return isOutOfFiles(systemCode(error)) ? outOfFilesText('all of the') : null;
  }
}

function outOfFilesText(how: string): string {
  return `${how} files that this sidecar may have open are in use: whoever asks it anything may be turned away, Envoy serves on. Close what holds them (ss -tnp), or raise LimitNOFILE= (ulimit -n)`;
}
