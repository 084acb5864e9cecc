/** Files that differ: what the other hosts have said of theirs, and how it is told to people (R8). */
import { type Difference, DIFFERENCES_MAX, differencesIn, differenceText } from './file-items.js';
import { problem, solved } from './problems.js';
import { type ProtocolState, toleranceMs } from './state.js';
import { TODO } from './todo.js';
import type { HostName, Milliseconds } from './types.js';

const DIFFERENCE = 'difference of ';
const differenceKey = (host: HostName, item: string): string => `${DIFFERENCE}${host}: ${item}`;

/** Takes in one part of the file of another host. */
export function noteDifferences(state: ProtocolState, host: HostName, file: string, part: Uint8Array): void {
  if (state.differences.get(host)?.file !== file) forgetDifferences(state, host);
  const items = state.differences.get(host)?.items ?? new Map<string, Difference>();
  for (const difference of differencesIn(host, part, state.known.file)) {
    if (items.has(difference.item) || items.size < DIFFERENCES_MAX) items.set(difference.item, difference);
  }
  state.differences.set(host, { file, items });
}

/** Not before this host knows whether it or the other is the odd one: until then the words would be wrong. */
export function sayDifferences(state: ProtocolState, nowMs: Milliseconds, host: HostName): void {
  if (state.inForce === null || state.resumed) return;
  const isOdd = state.side.outside !== null;
  const items = state.differences.get(host)?.items ?? new Map<string, Difference>();
  const todo = TODO.difference(host, isOdd, [...items.keys()].some(isReadAtStart));
  for (const [item, difference] of items) {
    const text = differenceText(difference, isOdd);
    problem(state, nowMs, { cause: 'contradiction', host, text, todo, key: differenceKey(host, item) });
  }
}

/** What apply/fit.ts calls that: `mode`, `port of heartbeat`. */
function isReadAtStart(item: string): boolean {
  return item === 'mode' || item.startsWith('port of ');
}

/** With each tick: what had to wait, or has to be said the other way round. */
export function sayDifferencesAnew(state: ProtocolState, nowMs: Milliseconds): void {
  const isOdd = state.side.outside !== null;
  for (const [host, { file, items }] of state.differences) {
    const peer = state.peers.get(host);
    if (peer?.row?.file !== file) {
      forgetDifferences(state, host);
      continue;
    }
    if (peer.link !== 'heard') continue;
    const isSaid = [...items.values()].every((difference) => {
      const text = differenceText(difference, isOdd);
      return state.problems.some((each) => each.host === host && each.text === text);
    });
    if (!isSaid) sayDifferences(state, nowMs, host);
  }
}

/** A change of file passes from host to host: the one that is offered, or was in force a moment ago, contradicts nothing. */
export function isOnItsWay(state: ProtocolState, nowMs: Milliseconds, head: string): boolean {
  if (state.offer?.fingerprint.startsWith(head)) return true;
  return state.previous?.fingerprint.startsWith(head) === true && nowMs - state.inForceSinceMs < toleranceMs(state);
}

/** What was different is so no more, or it has yet another file now. */
export function forgetDifferences(state: ProtocolState, name: string): void {
  if (!state.differences.delete(name)) return;
  solved(state, differenceKey(name, ''));
}

/** Another file is in force here: what was said of the one before is void. */
export function forgetAllDifferences(state: ProtocolState): void {
  state.differences.clear();
  solved(state, DIFFERENCE);
}
