/**
 * Mode arp: the steps of a take, so that one that was begun is in the kernel while its permit lasts, or never. A sidecar can be
 * stopped between any two of them and go on much later, and so can the programs that it runs. docs/decisions/0020 has the proof.
 *
 *     permit ─ claim, said to all ─ does another claim them too? has it been too long? ─ lease, while the permit lasts
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Clock } from '../edge/clock.js';
import type { Milliseconds } from '../protocol/types.js';

/** So long after the claim it is looked whether another claims them too: packets between hosts take a few milliseconds. */
const CROSS_MS = 20;
/** Of the event loop, in each of which 32 packets are read (libuv): those of all hosts in a period, and what is done with them. */
const TURNS = 8;
/** A claim may wait for the next tick, a tenth of a period. */
const SAID_EVERY_MS = 5;

export interface TakingOptions {
  clock: Clock;
  permitMs: Milliseconds;
  kernel: { permit(device: string): Promise<void>; take(device: string): Promise<boolean> };
  claim(): void;
  /** Of the last packet that all others can have heard. */
  saidMs(): Milliseconds;
  /** Nobody else claims them, by what was heard so far. */
  isStillRight(): boolean;
}

/** @returns false where another claims them too, or it took too long: nothing is in the kernel then */
export async function takeInTime(device: string, options: TakingOptions): Promise<boolean> {
  const { clock, kernel, saidMs, permitMs } = options;
  await kernel.permit(device);
  const permittedMs = clock.nowMs();
  const isOver = () => clock.nowMs() - permittedMs >= permitMs;
  options.claim();
  await setTimeout(CROSS_MS);
  // Who was stopped meanwhile is woken by the time before it has read what came: the other may have claimed them in between.
  for (let turn = 0; turn < TURNS; turn++) await setImmediate();
  // Others count from the last packet of this host, so that has to come after the permit.
  while (saidMs() < permittedMs && !isOver()) await setTimeout(SAID_EVERY_MS);
  return !isOver() && options.isStillRight() && kernel.take(device);
}
