/**
 * Loaded into a sidecar with `--import` before its own code: tells how long its event loop was held up, and by what. Asked over the
 * process channel: 'reset' begins anew, 'read' answers with the longest delay since, and the longest turn.
 *
 * A timer of 1 ms looks how late it is and what the kernel's scheduler says of this thread since it last was: how long it ran, and
 * how long it was ready to and waited for a CPU, because others had them all.
 */
import { openSync, readSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';

const EVERY_MS = 1;
const NS_PER_MS = 1e6;
/** BOUNDED: pauses since the last 'reset', a few a second. */
const PAUSES_MAX = 10_000;

export interface LoopDelay {
  delayMs: number;
  /** Of it: this thread ran, whatever it did. */
  ranMs: number;
  /** Of it: this thread could have run and had no CPU. */
  waitedMs: number;
  /** Of it: V8 collected garbage, mostly a part of the first. */
  gcMs: number;
}

export interface DelayAnswer {
  /** The latest timer. */
  longest: LoopDelay;
  /** Where the thread itself ran for longest between two timers, without what it waited for. */
  turn: LoopDelay;
}

interface Pause {
  startMs: number;
  endMs: number;
}

const NONE: LoopDelay = { delayMs: 0, ranMs: 0, waitedMs: 0, gcMs: 0 };
/** `ns on a CPU, ns waiting for one, times it got one`; the first thread of a process has its id. */
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const bytes = Buffer.alloc(128);
let pauses: Pause[] = [];
let answer: DelayAnswer = { longest: NONE, turn: NONE };
let places = { longest: { startMs: 0, endMs: 0 }, turn: { startMs: 0, endMs: 0 } };

function look(): { atMs: number; ranMs: number; waitedMs: number } {
  const [ran = 0, waited = 0] = bytes
    .toString('latin1', 0, readSync(schedstat, bytes, 0, bytes.length, 0))
    .split(' ')
    .map(Number);
  return { atMs: performance.now(), ranMs: ran / NS_PER_MS, waitedMs: waited / NS_PER_MS };
}

let last = look();
const timer = setInterval(() => {
  const now = look();
  const place = { startMs: last.atMs, endMs: now.atMs };
  const delay = {
    delayMs: Math.max(0, now.atMs - last.atMs - EVERY_MS),
    ranMs: now.ranMs - last.ranMs,
    waitedMs: now.waitedMs - last.waitedMs,
    gcMs: 0,
  };
  if (delay.delayMs > answer.longest.delayMs) {
    answer = { ...answer, longest: delay };
    places = { ...places, longest: place };
  }
  if (delay.ranMs > answer.turn.ranMs) {
    answer = { ...answer, turn: delay };
    places = { ...places, turn: place };
  }
  last = now;
}, EVERY_MS);
// Neither this timer nor the channel must keep the sidecar from ending.
timer.unref();

const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

function note(entries: readonly { startTime: number; duration: number }[]): void {
  for (const { startTime, duration } of entries) pauses.push({ startMs: startTime, endMs: startTime + duration });
  if (pauses.length > PAUSES_MAX) pauses = pauses.slice(-PAUSES_MAX);
}

function gcMsWithin({ startMs, endMs }: Pause): number {
  const within = pauses.map((pause) => Math.min(endMs, pause.endMs) - Math.max(startMs, pause.startMs));
  return within.reduce((sum, ms) => sum + Math.max(0, ms), 0);
}

process.on('message', (message) => {
  if (message === 'reset') {
    answer = { longest: NONE, turn: NONE };
    pauses = [];
    last = look();
  }
  if (message === 'read') {
    note(observer.takeRecords());
    const { longest, turn } = answer;
    process.send?.({
      longest: { ...longest, gcMs: gcMsWithin(places.longest) },
      turn: { ...turn, gcMs: gcMsWithin(places.turn) },
    } satisfies DelayAnswer);
  }
});
process.channel?.unref();
