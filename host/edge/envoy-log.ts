/**
 * Envoy writes its log to a file of its own, because it outlives the sidecar. This follows that file, passes on what is
 * warning or worse, keeps the last lines for the message that says why an Envoy ended, and keeps the file small.
 */
import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import type { Log } from './log.js';

/** BOUNDED: beyond it the file is copied to `envoy.log.1` and emptied; Envoy appends, so it goes on at the start. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;
/** BOUNDED: read at a time; a burst beyond it is read in the next turn. */
const READ_BYTES_MAX = 256 * 1024;
/** BOUNDED: lines kept for messages. */
const LAST_LINES_MAX = 30;

/** `[2026-11-22 21:10:01.123][812][warning][config] [source/a.cc:12] text` */
const ENVOY_LINE = /^\[[^\]]+\]\[\d+\]\[(\w+)\]\[([^\]]+)\] (?:\[[^\]]+\] )?(.*)$/;

export interface EnvoyLog {
  /** Reads what is new. To be called now and then; never throws. */
  follow(): void;
  /** The last complaints, oldest first. */
  lastComplaints(): string[];
}

/** @param path  the log file; what is already in it belongs to earlier runs and is passed over */
export function followEnvoyLog(path: string, log: Log): EnvoyLog {
  let offset = sizeOf(path);
  let rest = '';
  const complaints: string[] = [];

  function take(line: string): void {
    const [, level, component, text] = ENVOY_LINE.exec(line) ?? [];
    if (line.trim() === '' || level === 'info' || level === 'debug' || level === 'trace') return;
    const message = text === undefined ? line.trim() : `${component}: ${text}`;
    complaints.push(message);
    if (complaints.length > LAST_LINES_MAX) complaints.shift();
    // Addresses and counts change from line to line; without them it is the same message.
    log.repeating(
      level === 'warning' ? 'warning' : 'error',
      `envoy ${message.replace(/\d+/g, '#')}`,
      `Envoy says: ${message}`,
    );
  }

  function follow(): void {
    const size = sizeOf(path);
    if (size < offset) offset = 0;
    if (size > offset) {
      const text = rest + read(path, offset, Math.min(size - offset, READ_BYTES_MAX));
      offset = Math.min(size, offset + READ_BYTES_MAX);
      const lines = text.split('\n');
      rest = (lines.pop() ?? '').slice(-READ_BYTES_MAX);
      for (const line of lines) take(line);
    }
    if (size > FILE_BYTES_MAX && offset >= size) offset = emptied(path, size);
  }

  return { follow, lastComplaints: () => [...complaints] };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

function read(path: string, from: number, length: number): string {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(Math.min(length, Math.max(0, fstatSync(file).size - from)));
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from)).toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}

/** @returns the offset to go on from */
function emptied(path: string, size: number): number {
  try {
    copyFileSync(path, `${path}.1`);
  } catch {
    // A full disk: the old lines are worth less than the space.
  }
  try {
    truncateSync(path, 0);
    return 0;
  } catch {
    return size;
  }
}
