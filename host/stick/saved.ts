/**
 * What outlives a restart of the sidecar: the table, the open connections, and how far Envoy's log is read. Pure: ages go onto
 * the disk with the wall time of the writing, and come back older by what has passed since.
 */
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { OpenClients } from './open-clients.js';
import type { RecentClients } from './table.js';

export interface LogPlace {
  inode: number;
  offset: number;
}

export interface SavedClients {
  version: 1;
  self: HostName;
  /** ISO 8601. */
  at: string;
  hosts: HostName[];
  rules: { name: string; form: string; stickForMs: Milliseconds; clients: SavedRow[] }[];
  /** The Envoy whose connections these are. */
  envoyPid: number | null;
  open: [connection: number, rule: string, hash: number][];
  log: LogPlace | null;
}

/** Hash, index of its host, claim, age in ms, open (1) or not (0). */
type SavedRow = [hash: number, host: number, claim: number, ageMs: number, isOpen: number];

export function savedOf(
  table: RecentClients,
  open: OpenClients,
  more: { at: string; nowMs: Milliseconds; envoyPid: number | null; log: LogPlace | null },
): SavedClients {
  const hosts: HostName[] = [];
  const indexOf = new Map<HostName, number>();
  const rules = table.rules().map(({ name, form, stickForMs }) => {
    const clients: SavedRow[] = [];
    for (const [hash, client] of table.entries(name)) {
      if (!indexOf.has(client.host)) indexOf.set(client.host, hosts.push(client.host) - 1);
      const age = Math.round(table.ageOf(client, more.nowMs));
      clients.push([hash, indexOf.get(client.host)!, client.claim, age, client.isOpen ? 1 : 0]);
    }
    return { name, form, stickForMs, clients };
  });
  const { at, envoyPid, log } = more;
  return { version: 1, self: table.self, at, hosts, rules, envoyPid, open: open.list(), log };
}

/** Takes back what fits the rules of today. Connections are still open where the Envoy is the same. */
export function restore(
  table: RecentClients,
  open: OpenClients,
  saved: SavedClients,
  now: { nowMs: Milliseconds; wallMs: Milliseconds },
): void {
  const awayMs = Math.max(0, now.wallMs - Date.parse(saved.at)) || 0;
  for (const { name, form, clients } of saved.rules) {
    if (table.ruleOf(name)?.form !== form) continue;
    for (const [hash, index, claim, ageMs, isOpen] of clients) {
      const host = saved.hosts[index];
      if (host === undefined) continue;
      table.restore(name, hash, {
        host,
        claim,
        isOpen: isOpen === 1,
        seenMs: now.nowMs - ageMs - (isOpen ? 0 : awayMs),
      });
    }
  }
  open.restore(saved.open);
  open.settle(now.nowMs);
}

/** Null for what no sidecar of this host wrote. */
export function readSaved(value: unknown, self: HostName): SavedClients | null {
  const saved = value as SavedClients;
  if (saved === null || typeof saved !== 'object' || saved.version !== 1 || saved.self !== self) return null;
  const isWhole = [saved.hosts, saved.rules, saved.open].every(Array.isArray) && !Number.isNaN(Date.parse(saved.at));
  return isWhole ? saved : null;
}
