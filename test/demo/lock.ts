/** One demo at a time: `.run/demo.json` names the one that runs, by pid and start time, so that a reused pid fools nobody. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { startTicks } from './processes.js';

export interface RunningDemo {
  pid: number;
  /** Clock ticks since boot at its start. */
  startTicks: number;
  portBase: number | null;
}

const fileOf = (directory: string) => join(directory, 'demo.json');

/** The demo that runs in this directory, or null. */
export function runningDemo(directory: string): RunningDemo | null {
  let text: string;
  try {
    text = readFileSync(fileOf(directory), 'utf8');
  } catch {
    return null;
  }
  try {
    const demo = JSON.parse(text) as RunningDemo;
    return startTicks(demo.pid) === demo.startTicks ? demo : null;
  } catch {
    return null; // half written by one that was killed
  }
}

/** @returns null once the lock is ours, or the demo that has it */
export function takeLock(directory: string, portBase: number | null): RunningDemo | null {
  const other = runningDemo(directory);
  if (other !== null) return other;
  mkdirSync(directory, { recursive: true });
  rmSync(fileOf(directory), { force: true });
  const own: RunningDemo = { pid: process.pid, startTicks: startTicks(process.pid) ?? 0, portBase };
  // `wx`: of two demos started at the same moment one fails here.
  const file = openSync(fileOf(directory), 'wx');
  writeSync(file, `${JSON.stringify(own)}\n`);
  closeSync(file);
  return null;
}

export function releaseLock(directory: string): void {
  if (runningDemo(directory)?.pid === process.pid) rmSync(fileOf(directory), { force: true });
}
