/**
 * Who is kept: recent clients whose host takes part in the rule and is not the owner by their bucket. Worked out of what is in
 * force and the table, and of nothing else: hosts that have both alike keep the same clients.
 */
import { type ScoredHost, scoredHost } from '../protocol/seats.js';
import type { InForce, Milliseconds } from '../protocol/types.js';
import { KEPT_MAX, type KeptClient, type KeptClients } from '../protocol/view-kept.js';
import type { RecentClients, StickRule } from './table.js';

/** The owner of each bucket as index into `hosts`; of host/edge/decision.ts. */
export type OwnersOf = (
  buckets: readonly number[],
  hosts: readonly ScoredHost[],
  hashSeed: number,
) => Promise<Uint8Array>;

/** The rules of a file whose clients are remembered. */
export function stickRulesOf({ portRules, hashSeed, ipv6PrefixLength }: InForce['file']): StickRule[] {
  return portRules.flatMap(({ name, stickForMs, affinity }) => {
    if (stickForMs === undefined) return [];
    const form = `${affinity} ${hashSeed} ${affinity === 'classC' ? ipv6PrefixLength : ''}`.trim();
    return [{ name, stickForMs, form }];
  });
}

/** The hosts that take part in a rule by what is in force. */
export function hostsTakingPart({ view, lostSince }: InForce, ruleIndex: number): ScoredHost[] {
  return view.hosts.flatMap(({ name, rules }) => {
    const part = rules[ruleIndex];
    return part && part.absence === null && !lostSince.includes(name) ? [scoredHost(name, part)] : [];
  });
}

interface Candidate extends KeptClient {
  rule: number;
  ageMs: Milliseconds;
}

export async function keptClients(
  table: RecentClients,
  inForce: InForce,
  ownersOf: OwnersOf,
  nowMs: Milliseconds,
): Promise<KeptClients> {
  const all: Candidate[] = [];
  for (const [rule, { name }] of inForce.file.portRules.entries()) {
    const hosts = hostsTakingPart(inForce, rule);
    const recent = recentOf(table, name, rule, hosts, nowMs);
    if (recent.length === 0) continue;
    const buckets = recent.map(({ hash }) => hash >>> 16);
    const owners = await ownersOf(buckets, hosts, inForce.file.hashSeed);
    recent.forEach((client, i) => {
      if (hosts[owners[i]!]?.name !== client.host) all.push(client);
    });
  }
  const seenLast = all.length > KEPT_MAX ? all.sort((a, b) => a.ageMs - b.ageMs).slice(0, KEPT_MAX) : all;
  const kept = new Map<number, KeptClient[]>();
  for (const { rule, hash, host } of seenLast) {
    const ofRule = kept.get(rule);
    if (ofRule) ofRule.push({ hash, host });
    else kept.set(rule, [{ hash, host }]);
  }
  return kept;
}

function recentOf(
  table: RecentClients,
  name: string,
  rule: number,
  hosts: readonly ScoredHost[],
  nowMs: Milliseconds,
): Candidate[] {
  const taking = new Set(hosts.map((host) => host.name));
  const recent: Candidate[] = [];
  for (const [hash, client] of table.entries(name)) {
    if (!taking.has(client.host) || !table.isRecent(name, client, nowMs)) continue;
    recent.push({ rule, hash, host: client.host, ageMs: table.ageOf(client, nowMs) });
  }
  return recent;
}

export function keptCount(kept: KeptClients): number {
  return [...kept.values()].reduce((sum, clients) => sum + clients.length, 0);
}

/** Does `more` keep all whom `fewer` does, at the same hosts? */
export function includesKept(more: KeptClients, fewer: KeptClients): boolean {
  for (const [rule, clients] of fewer) {
    const hostOf = new Map((more.get(rule) ?? []).map(({ hash, host }) => [hash, host]));
    if (clients.some(({ hash, host }) => hostOf.get(hash) !== host)) return false;
  }
  return true;
}
