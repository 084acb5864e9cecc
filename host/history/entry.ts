/**
 * One line of a host's view history: what came into force, when, why, because of whom, and the whole view, so that a decision
 * of then can be made again. Pure.
 */
import { partText } from '../protocol/content.js';
import type { Absence, ClusterFile, Fingerprint, HostName, InForce, RulePart, ViewHost } from '../protocol/types.js';

export interface HistoryEntry {
  /** ISO 8601, when this host began to decide by it. */
  at: string;
  viewNumber: number;
  checksum: string;
  /** Of the cluster file; the file itself is kept beside. */
  fingerprint: Fingerprint;
  cause: string;
  /** Whose change it was: who came, went, or brought other settings. Empty for a changed file and a first view. */
  initiators: HostName[];
  came: HostName[];
  went: HostName[];
  /** In words, at most 10: `mail2: smtp serviceDown`. */
  changes: string[];
  /** From the first word of it to being in force; 0 where a lost host is just left out. */
  convergingMs: number;
  /** Hosts in force: of the view, less those lost since. */
  hosts: HostName[];
  lostSince: HostName[];
}

/** As it stands on disk. */
export interface StoredEntry extends HistoryEntry {
  view: StoredView;
}

/** A view in few bytes: `[name, priority, '50/0/', '0/0/draining', ...]` for each host. */
interface StoredView {
  decisionVersion: number;
  protocolVersion: number;
  hosts: [HostName, number, ...string[]][];
}

const CHANGES_MAX = 10;

export function entryOf(
  before: InForce | null,
  after: InForce,
  { at, cause, convergingMs }: Pick<HistoryEntry, 'at' | 'cause' | 'convergingMs'>,
): StoredEntry {
  const [had, has] = [namesIn(before), namesIn(after)];
  const came = has.filter((name) => !had.includes(name));
  const went = had.filter((name) => !has.includes(name));
  const others = changedHosts(before, after);
  const { number, checksum, fingerprint, decisionVersion, protocolVersion, hosts } = after.view;
  return {
    at,
    viewNumber: number,
    checksum,
    fingerprint,
    cause,
    initiators: before === null ? [] : [...new Set([...went, ...came, ...others.keys()])],
    came: before === null && cause === 'resumed' ? [] : came,
    went,
    changes: [...others.values()].flat().slice(0, CHANGES_MAX),
    convergingMs,
    hosts: has,
    lostSince: [...after.lostSince],
    view: { decisionVersion, protocolVersion, hosts: hosts.map(storedHost) },
  };
}

/** What this host decided by then. */
export function inForceOf(entry: StoredEntry, file: ClusterFile): InForce {
  const { viewNumber: number, checksum, fingerprint, lostSince } = entry;
  const hosts = entry.view.hosts.map(([name, priority, ...parts]): ViewHost => {
    return { name, priority, rules: parts.map((part) => partOf(part as string)) };
  });
  const { decisionVersion, protocolVersion } = entry.view;
  return { file, lostSince, view: { number, checksum, fingerprint, decisionVersion, protocolVersion, hosts } };
}

export function withoutView(entry: StoredEntry): HistoryEntry {
  const { view: _view, ...rest } = entry;
  return rest;
}

function namesIn(inForce: InForce | null): HostName[] {
  return inForce?.view.hosts.map(({ name }) => name).filter((name) => !inForce.lostSince.includes(name)) ?? [];
}

/** Hosts in both whose part in some rule is another, with what it became. */
function changedHosts(before: InForce | null, after: InForce): Map<HostName, string[]> {
  const changes = new Map<HostName, string[]>();
  if (before === null || before.view.fingerprint !== after.view.fingerprint) return changes;
  for (const host of after.view.hosts) {
    const was = before.view.hosts.find(({ name }) => name === host.name);
    if (was === undefined) continue;
    const words = after.file.portRules.flatMap((rule, index) => {
      const [old, now] = [was.rules[index], host.rules[index]];
      if (old === undefined || now === undefined || partText(old) === partText(now)) return [];
      const takesPart = now.standsInFor === undefined ? 'takes part' : `stands in for ${now.standsInFor}`;
      return [`${host.name}: ${rule.name} ${now.absence ?? takesPart}`];
    });
    if (words.length > 0) changes.set(host.name, words);
  }
  return changes;
}

function storedHost({ name, priority, rules }: ViewHost): StoredView['hosts'][number] {
  return [name, priority, ...rules.map(partText)];
}

function partOf(text: string): RulePart {
  const [loadWeight, handlingPriority, absence, standsInFor] = text.split('/');
  return {
    loadWeight: Number(loadWeight),
    handlingPriority: Number(handlingPriority),
    absence: absence === '' || absence === undefined ? null : (absence as Absence),
    ...(standsInFor === undefined ? {} : { standsInFor }),
  };
}
