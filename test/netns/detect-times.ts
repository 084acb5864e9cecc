/**
 * When each of the others came to decide without a host that died or was stopped, from what their sidecars write down anyway:
 * the log, and the view history. Asking them for their status would take the CPU that is measured.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredEntry } from '../../host/history/entry.js';
import type { Cluster, ClusterHost } from './cluster.js';

/** Milliseconds after the death. */
export interface OutTimes {
  /** Called lost by this host; null where it left on purpose. */
  lost: number | null;
  /** The first view in which it has no part is in force; its Envoy is told. */
  inForce: number;
  /** And its Envoy decides by it. */
  taken: number;
}

const TOOK = /^(\S+) Envoy decides by view (\d+)(?: less ([^,]+(?:, [^,]+)*))?, \d+ ms after it came in force$/;

/** @returns null where its Envoy has no such view yet */
export function outTimes(cluster: Cluster, at: ClusterHost, name: string, diedMs: number): OutTimes | null {
  const lines = cluster.logOf(at);
  const views = historyOf(at).filter((entry) => Date.parse(entry.at) >= diedMs && hasNoPart(entry, name));
  const taken = lines.map((line) => TOOK.exec(line)).find((took) => took !== null && views.some(isOf(took)));
  const [first] = views;
  if (!taken || first === undefined) return null;
  const lost = lines.find((line) => line.includes(`host ${name} is lost: `) && timeOf(line) >= diedMs);
  return {
    lost: lost === undefined ? null : timeOf(lost) - diedMs,
    inForce: Date.parse(first.at) - diedMs,
    taken: timeOf(taken[0]) - diedMs,
  };
}

function timeOf(line: string): number {
  return Date.parse(line.slice(0, line.indexOf(' ')));
}

function historyOf({ stateDir }: ClusterHost): StoredEntry[] {
  const lines = readFileSync(join(stateDir, 'history/views.jsonl'), 'utf8').split('\n');
  // The last one may be half written.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as StoredEntry);
}

function hasNoPart({ hosts, view }: StoredEntry, name: string): boolean {
  if (!hosts.includes(name)) return true;
  const [, , ...parts] = view.hosts.find(([each]) => each === name)!;
  return parts.every((part) => !String(part).endsWith('/'));
}

function isOf([, , number, less]: RegExpExecArray): (entry: StoredEntry) => boolean {
  return ({ viewNumber, lostSince }) => viewNumber === Number(number) && lostSince.join(', ') === (less ?? '');
}
