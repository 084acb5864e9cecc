/** Recent clients for people: who is remembered, where, since when, and who is kept. Pure. */
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { RecentClients } from './table.js';

/** BOUNDED: clients of one answer; those seen last. */
export const LISTED_MAX = 1000;

export interface ListedRule {
  rule: string;
  stickForMs: Milliseconds;
  /** All that are recent, also those beyond the ones listed. */
  count: number;
  keptCount: number;
  /** At most 1,000 of all rules, those seen last first. */
  clients: ListedClient[];
}

export interface ListedClient {
  /** jhash of the client's key, as nlb explain shows it; addresses do not travel between hosts. */
  hash: number;
  /** Who serves it. */
  host: HostName;
  /** Since its last connection ended; 0 while one is open. */
  ageMs: Milliseconds;
  isOpen: boolean;
  /** It stays at a host that is not the owner of its bucket. */
  isKept: boolean;
}

export interface ListQuestion {
  /** Null for all. */
  rule: string | null;
  /** Only those who are kept. */
  isKeptOnly: boolean;
}

export function listedClients(
  table: RecentClients,
  keptBy: (rule: string) => ReadonlySet<number>,
  question: ListQuestion,
  nowMs: Milliseconds,
): ListedRule[] {
  let room = LISTED_MAX;
  const rules = table.rules().filter(({ name }) => question.rule === null || question.rule === name);
  return rules.map(({ name, stickForMs }) => {
    const kept = keptBy(name);
    const clients: ListedClient[] = [];
    for (const [hash, client] of table.entries(name)) {
      if (!table.isRecent(name, client, nowMs)) continue;
      const ageMs = Math.round(table.ageOf(client, nowMs));
      clients.push({ hash, host: client.host, ageMs, isOpen: client.isOpen, isKept: kept.has(hash) });
    }
    clients.sort((a, b) => a.ageMs - b.ageMs || a.hash - b.hash);
    const listed = clients.filter(({ isKept }) => isKept || !question.isKeptOnly).slice(0, room);
    room -= listed.length;
    return { rule: name, stickForMs, count: clients.length, keptCount: kept.size, clients: listed };
  });
}
