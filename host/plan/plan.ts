/**
 * What a change would move: for each port rule the shares before and after, and how many clients go from whom to whom. Over
 * all 65,536 buckets with the decision itself, so it is what will happen and no estimate; only where the key or the seed of
 * the hash changes, and a client's bucket with it, shares are multiplied instead.
 */
import { setImmediate } from 'node:timers/promises';
import type { Affinity, FilteringMode, HostName, InForce, PortRule } from '../protocol/types.js';
import { type Damped, dampedOf } from './damped.js';
import { BUCKET_COUNT, ownersOf, PLACES, placeAt, type PlanDecision, type RuleOwners, sharesOf } from './owners.js';
import { CLIENT_COUNTS, type Spread, spreadOf } from './spread.js';

export interface PlannedHost {
  name: HostName;
  /** 0-1 of the clients; null where the rule is not there. */
  shareBefore: number | null;
  shareAfter: number | null;
}

export interface Flow {
  /** Null: nobody took them, or nobody will. */
  from: HostName | null;
  to: HostName | null;
  /** 0-1 of the rule's clients. */
  share: number;
}

export interface PlannedRule {
  name: string;
  change: 'kept' | 'added' | 'removed';
  filteringMode: FilteringMode;
  affinity: Affinity;
  /** True where another key or seed gives every client another bucket: then `flows` are what is to be expected. */
  isRehashed: boolean;
  /** 0-1: clients that get another host, or lose theirs, or find one. */
  movedShare: number;
  hosts: PlannedHost[];
  /** Largest first. */
  flows: Flow[];
  /** What lets fewer of them move, or later. */
  damped: Damped;
  /** Of 50, 500 and 5,000 clients, after the change. Empty unless several hosts share the rule, and where nobody asked for them. */
  spreads: Spread[];
}

export interface Plan {
  viewNumber: number | null;
  rules: PlannedRule[];
}

/**
 * @param isFromFile  `before` is a file alone and no view
 * @param hasSpreads  without them it takes half the time
 */
export async function planOf(
  before: InForce,
  after: InForce,
  decision: PlanDecision,
  { isFromFile = false, hasSpreads = true } = {},
): Promise<Plan> {
  const names = [...after.file.portRules, ...before.file.portRules].map(({ name }) => name);
  const spreads = new Map<string, Spread[]>();
  const remembering = withMemory(decision);
  const rules: PlannedRule[] = [];
  for (const name of new Set(names)) {
    rules.push(await planRule(before, after, name, remembering, hasSpreads ? spreads : null));
    // A sidecar has packets to answer meanwhile.
    await setImmediate();
  }
  return { viewNumber: isFromFile ? null : before.view.number, rules };
}

/** Rules with the same hosts and weights, and one that does not change, have one table. */
function withMemory(decision: PlanDecision): PlanDecision {
  const tables = new Map<string, Promise<Uint8Array>>();
  return {
    version: decision.version,
    table(hosts, hashSeed) {
      const key = JSON.stringify([hosts, hashSeed]);
      const table = tables.get(key) ?? decision.table(hosts, hashSeed);
      tables.set(key, table);
      return table;
    },
  };
}

async function planRule(
  before: InForce,
  after: InForce,
  name: string,
  decision: PlanDecision,
  spreads: Map<string, Spread[]> | null,
): Promise<PlannedRule> {
  const [was, is] = [ruleOf(before, name), ruleOf(after, name)];
  const rule = (is ?? was)!;
  const ownersBefore = was === null ? null : await ownersOf(before, was, decision);
  const ownersAfter = is === null ? null : await ownersOf(after, is, decision);
  const [sharesBefore, sharesAfter] = [ownersBefore && sharesOf(ownersBefore), ownersAfter && sharesOf(ownersAfter)];
  const isRehashed = was !== null && is !== null && isOtherHash(hashOf(before, was), hashOf(after, is));
  const flows = flowsOf(ownersBefore, ownersAfter, isRehashed);
  const everyHost = [...after.file.hosts, ...before.file.hosts].map((host) => host.name);
  return {
    name,
    change: was === null ? 'added' : is === null ? 'removed' : 'kept',
    filteringMode: rule.filteringMode,
    affinity: rule.affinity,
    isRehashed,
    movedShare: flows.reduce((sum, { share }) => sum + share, 0),
    hosts: [...new Set(everyHost)].map((host) => ({
      name: host,
      shareBefore: sharesBefore && (sharesBefore.get(host) ?? 0),
      shareAfter: sharesAfter && (sharesAfter.get(host) ?? 0),
    })),
    flows,
    damped: dampedOf(before, after, name, flows),
    spreads: spreads !== null && sharesAfter !== null && sharesAfter.size > 1 ? spreadsOf(sharesAfter, spreads) : [],
  };
}

function ruleOf({ file }: InForce, name: string): PortRule | null {
  return file.portRules.find((rule) => rule.name === name) ?? null;
}

/** What a client's bucket comes from, beside its address; null where one host has all of them. */
function hashOf({ file }: InForce, rule: PortRule): string | null {
  if (rule.filteringMode !== 'multiple') return null;
  const prefix = rule.affinity === 'classC' ? file.ipv6PrefixLength : 0;
  return JSON.stringify([file.hashSeed, rule.affinity, prefix]);
}

function isOtherHash(before: string | null, after: string | null): boolean {
  return before !== null && after !== null && before !== after;
}

function flowsOf(before: RuleOwners | null, after: RuleOwners | null, isRehashed: boolean): Flow[] {
  const flows = before !== null && after !== null && isRehashed ? expected(before, after) : counted(before, after);
  return flows.filter(({ from, to }) => from !== to).sort((a, b) => b.share - a.share);
}

function expected(before: RuleOwners, after: RuleOwners): Flow[] {
  const theirs = sharesWithNobody(after);
  return sharesWithNobody(before).flatMap(([from, part]) =>
    theirs.map(([to, other]) => ({ from, to, share: part * other })),
  );
}

/** Bucket by bucket. */
function counted(before: RuleOwners | null, after: RuleOwners | null): Flow[] {
  const counts = new Uint32Array(PLACES * PLACES);
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    counts[placeAt(before, bucket) * PLACES + placeAt(after, bucket)]! += 1;
  }
  const flows: Flow[] = [];
  counts.forEach((count, pair) => {
    if (count === 0) return;
    const [from, to] = [before?.hosts[Math.floor(pair / PLACES)], after?.hosts[pair % PLACES]];
    flows.push({ from: from ?? null, to: to ?? null, share: count / BUCKET_COUNT });
  });
  return flows;
}

function sharesWithNobody(owners: RuleOwners): [HostName | null, number][] {
  return owners.hosts.length === 0 ? [[null, 1]] : [...sharesOf(owners)];
}

/** Rules with equal shares have equal spreads: drawn once. */
function spreadsOf(shares: ReadonlyMap<HostName, number>, known: Map<string, Spread[]>): Spread[] {
  const key = JSON.stringify([...shares]);
  const spreads = known.get(key) ?? CLIENT_COUNTS.map((count) => spreadOf(shares, count));
  known.set(key, spreads);
  return spreads;
}
