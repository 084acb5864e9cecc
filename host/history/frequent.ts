/**
 * Views that change too often: NLB's "converging frequently", which meant a bad card, cable or switch port. What an
 * administrator asked for (a file, a drain, a stop, hosts that start one after another) is none of it. Pure.
 */
import type { HistoryEntry } from './entry.js';

export const WINDOW_MS = 10 * 60_000;
/** As many in the window are borne; one more is said. */
export const TROUBLES_MAX = 5;

/** @returns what to say to the administrator, or null */
export function frequentText(entries: readonly HistoryEntry[], nowMs: number): string | null {
  const recent = entries.filter(({ at }) => nowMs - Date.parse(at) < WINDOW_MS);
  const went = new Set<string>();
  const troubles = recent.filter((entry) => {
    const isBack = entry.came.some((name) => went.has(name));
    for (const name of entry.went) went.add(name);
    return isBack || isTrouble(entry);
  });
  // A loss is in force twice: at once, and by the view after it.
  const numbers = new Set(troubles.map(({ viewNumber, lostSince }) => `${viewNumber} ${lostSince.join(' ')}`));
  if (numbers.size <= TROUBLES_MAX) return null;
  const names = [...new Set(troubles.flatMap(({ initiators }) => initiators))].sort();
  const who = names.length === 0 ? '' : `, by ${names.join(', ')}`;
  return `${numbers.size} changes of the view in 10 minutes that nobody asked for${who}: look at the network card, cable and switch port there, and at the load (nlb history --since 10m)`;
}

function isTrouble({ cause, went, changes, lostSince }: HistoryEntry): boolean {
  if (cause === 'resumed' || cause === 'first view' || cause === 'changed file') return false;
  if (lostSince.length > 0) return true;
  if (went.length > 0) return !cause.endsWith(' left');
  return changes.some((change) => change.endsWith(' serviceDown'));
}
