/** Something whose configuration changes while clients are connected through it. */
import type { Place } from '../load-process.js';

export interface Contender {
  /** Where clients connect to. */
  places: readonly Place[];
  /** Makes change number `change` (from 1), another one each time. Resolves when it is in force everywhere, with how long that took. */
  change(change: number): Promise<{ ms: number; what: string }>;
  /** Resolves when what the changes put aside has come to its end: a cut that is still to come has come. */
  settled(): Promise<void>;
  /** What else is to be told of it, at the end. */
  more?(): Record<string, number | string>;
  stop(): Promise<void>;
}

/** Of every Envoy here; with its default of 600 s no session would be seen to be cut within a run. */
export const DRAIN_S = 1;
