/**
 * Which host owns each bucket, in the form the kernel is told. Pure: the scoring is done by decision.wasm (`ranking()` of
 * host/edge/decision.ts), here it is put together and compared.
 *
 * A bucket has a *ranking* of all hosts that have a weight under a rule, whether they take part just now or not. Its owner is
 * the first of the ranking that takes part (that is what rendezvous hashing means), so a host that dies, drains or comes
 * back changes no ranking: of 65,536 buckets none is written again, only what each pair (first, second) stands for.
 * Rules with the same hosts and weights share one map.
 */
import type { HostName, InForce, PortRule, RulePart } from '../protocol/types.js';

/** What decision.wasm writes where a bucket has no such host. */
export const NO_HOST = 255;

/** A host with its weight, as the decision scores it. */
export interface RankedHost {
  name: HostName;
  /** 1-100 */
  loadWeight: number;
}

/** First and second of every bucket, as index into `hosts`; NO_HOST where there is none. */
export interface Ranking {
  hosts: readonly RankedHost[];
  first: Uint8Array;
  second: Uint8Array;
}

/** Who takes the new connections of a port rule. */
export type RuleOwner =
  | { kind: 'disabled' }
  | { kind: 'nobody' }
  /** One host takes all: single host, or the only one that has a weight. */
  | { kind: 'host'; host: HostName }
  /**
   * By bucket: `ranked` seats (protocol/seats.ts) by their names ascending, `taking` those of them in which somebody takes part
   * now, one at least; `sitting`: who, where it is not the host of that name itself.
   */
  | { kind: 'buckets'; ranked: RankedHost[]; taking: HostName[]; sitting?: Record<HostName, HostName> };

interface Part {
  name: HostName;
  seat: HostName;
  part: RulePart;
}

/** Who takes what is owned by a seat. */
export function sitterOf({ sitting }: { sitting?: Record<HostName, HostName> }, seat: HostName): HostName {
  return sitting?.[seat] ?? seat;
}

/** The hosts of the view less those lost since, with what each brings to a rule. */
function partsOf({ view, lostSince }: InForce, index: number): Part[] {
  const there = view.hosts.filter(({ name }) => !lostSince.includes(name));
  return there.flatMap(({ name, rules }) => {
    const part = rules[index];
    return part && part.absence === null ? [{ name, seat: part.standsInFor ?? name, part }] : [];
  });
}

/**
 * The hosts that are ranked: those that take part with the weight they have in the view, and the others with the weight of
 * the file, which is theirs when they come back.
 */
function rankedHosts(rule: PortRule, parts: readonly Part[]): RankedHost[] {
  const weights = new Map(Object.entries(rule.loadWeights));
  for (const { seat, part } of parts) weights.set(seat, part.loadWeight);
  const ranked = [...weights].filter(([, weight]) => weight > 0).map(([name, loadWeight]) => ({ name, loadWeight }));
  return ranked.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function ownerOfRule(inForce: InForce, index: number): RuleOwner {
  const rule = inForce.file.portRules[index]!;
  if (rule.filteringMode === 'disabled') return { kind: 'disabled' };
  const parts = partsOf(inForce, index);
  if (rule.filteringMode === 'single') {
    const [first] = parts.sort((a, b) => a.part.handlingPriority - b.part.handlingPriority);
    return first ? { kind: 'host', host: first.name } : { kind: 'nobody' };
  }
  const taking = parts.filter(({ part }) => part.loadWeight > 0);
  if (taking.length === 0) return { kind: 'nobody' };
  const ranked = rankedHosts(rule, parts);
  if (ranked.length === 1) return { kind: 'host', host: taking[0]!.name };
  const others = taking.filter(({ name, seat }) => name !== seat);
  const sitting =
    others.length === 0 ? {} : { sitting: Object.fromEntries(others.map(({ name, seat }) => [seat, name])) };
  return { kind: 'buckets', ranked, taking: taking.map(({ seat }) => seat).sort(), ...sitting };
}

/** Who takes what no port rule covers: the host of the highest priority that is there. */
export function defaultHostOf({ view, lostSince }: InForce): HostName | null {
  const there = view.hosts.filter(({ name }) => !lostSince.includes(name));
  return there.sort((a, b) => a.priority - b.priority)[0]?.name ?? null;
}

/** Two rules with the same key share their ranking. */
export function rankingKey(hashSeed: number, ranked: readonly RankedHost[]): string {
  return JSON.stringify([hashSeed, ranked.map(({ name, loadWeight }) => [name, loadWeight])]);
}

/**
 * The owner of every bucket, as index into `ranking.hosts`; NO_HOST where neither the first nor the second of its ranking
 * takes part, and somebody has to ask decision.wasm for the rest.
 */
export function ownersByRanking({ hosts, first, second }: Ranking, taking: readonly HostName[]): Uint8Array {
  const takes = hosts.map(({ name }) => taking.includes(name));
  return first.map((one, bucket) => {
    if (takes[one]) return one;
    const next = second[bucket]!;
    return takes[next] ? next : NO_HOST;
  });
}

/** The buckets in which two tables of owners differ, ascending. */
export function changedBuckets(before: Uint8Array, after: Uint8Array): number[] {
  const changed: number[] = [];
  for (let bucket = 0; bucket < after.length; bucket++) if (before[bucket] !== after[bucket]) changed.push(bucket);
  return changed;
}

/** Buckets with one owner in a row, as nftables writes intervals; `owner` is the table's own number. */
export interface Interval {
  first: number;
  last: number;
  owner: number;
}

export function intervalsOf(owners: Uint8Array): Interval[] {
  const intervals: Interval[] = [];
  for (let bucket = 0; bucket < owners.length; bucket++) {
    const owner = owners[bucket]!;
    const last = intervals.at(-1);
    if (last && last.owner === owner) last.last = bucket;
    else intervals.push({ first: bucket, last: bucket, owner });
  }
  return intervals;
}

/** What has to be deleted from and added to a map so that it says `after`; one that stays is in neither. */
export interface MapChange<Key, Value> {
  removed: Key[];
  added: [Key, Value][];
}

/** The difference of two maps. A changed value is a removal and an addition: nftables changes no element in place. */
export function changeOf<Key, Value>(
  before: ReadonlyMap<Key, Value>,
  after: ReadonlyMap<Key, Value>,
): MapChange<Key, Value> {
  const removed = [...before].filter(([key, value]) => after.get(key) !== value).map(([key]) => key);
  const added = [...after].filter(([key, value]) => before.get(key) !== value);
  return { removed, added };
}
