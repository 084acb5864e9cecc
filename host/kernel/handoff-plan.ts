/**
 * From what is in force to what the kernel's table holds: which maps there are, who shares them, what they say. The numbers
 * of hosts and the names of maps outlive a view, so that a new one is a small difference.
 */
import type { Affinity, HostName, InForce, PortRule } from '../protocol/types.js';
import { PAIRS_TYPE, RANKS_TYPE } from './handoff-ruleset.js';
import { HOST_NUMBER_MAX, type HostNumber, hostLabel, NO_NUMBER, pairLabel } from './labels.js';
import type { BucketLabels, TableMap } from './kernel-state.js';
import {
  defaultHostOf,
  NO_HOST,
  ownerOfRule,
  type RankedHost,
  rankingKey,
  type RuleOwner,
  sitterOf,
} from './owner-map.js';

export type PlannedOwner =
  | { kind: 'disabled' }
  | { kind: 'nobody' }
  | { kind: 'host'; host: HostNumber }
  /** Names of the maps: bucket to ranking, ranking to host, and bucket to host where neither of the ranking takes part. */
  | { kind: 'buckets'; ranks: string; pairs: string; rest: string };

export interface RulePlan extends Pick<PortRule, 'virtualIp' | 'portFirst' | 'portLast'> {
  affinity: Affinity;
  hashSeed: number;
  ipv6PrefixLength: number;
  owner: PlannedOwner;
}

export interface HandoffPlan {
  /** Rules of one virtual IP before those of all. */
  rules: RulePlan[];
  /** Who takes what no rule covers. */
  rest: HostNumber;
  maps: Map<string, TableMap>;
}

/** As much of decision.wasm as is asked here. */
export interface Ranker {
  ranking(hosts: readonly RankedHost[], hashSeed: number): Promise<{ first: Uint8Array; second: Uint8Array }>;
  table(hosts: readonly RankedHost[], hashSeed: number): Promise<Uint8Array>;
}

type BucketsOwner = Extract<RuleOwner, { kind: 'buckets' }>;

export class HandoffPlanner {
  /** BOUNDED: hosts of the file, now and before; 254 in the life of a table. */
  private readonly numbers = new Map<HostName, HostNumber>();
  /** BOUNDED: the maps of the last plan, by what they say. */
  private ranks = new MapNames('ranks');
  private pairs = new MapNames('pairs');
  /** BOUNDED: those of the last plan. */
  private rankings = new Map<string, BucketLabels>();
  private rests = new Map<string, BucketLabels>();

  constructor(
    private readonly ranker: Ranker,
    private readonly self: HostName,
  ) {
    this.numberOf(self);
  }

  /** Numbers that the kernel's table knows already. */
  adopt(known: ReadonlyMap<HostName, HostNumber>): void {
    this.numbers.clear();
    for (const [name, number] of known) this.numbers.set(name, number);
    this.numberOf(this.self);
  }

  get hosts(): ReadonlyMap<HostName, HostNumber> {
    return this.numbers;
  }

  numberOf(host: HostName): HostNumber {
    const known = this.numbers.get(host);
    if (known !== undefined) return known;
    const used = new Set(this.numbers.values());
    const highest = Math.max(0, ...used);
    let number = highest + 1;
    // One that was given away long ago: no flow remembers it any more.
    if (number > HOST_NUMBER_MAX) for (number = 1; used.has(number); number++);
    this.numbers.set(host, number);
    return number;
  }

  /** @param reachable  hosts that packets can be passed on to; what belongs to another one is for our own Envoy to hand off */
  async plan(inForce: InForce, reachable: ReadonlySet<HostName>): Promise<HandoffPlan> {
    const { file } = inForce;
    for (const { name } of file.hosts) this.numberOf(name);
    const owners = file.portRules.map((_, index) => ownerOfRule(inForce, index));
    const target = (host: HostName | null): HostNumber =>
      this.numberOf(host !== null && reachable.has(host) ? host : this.self);
    const shared = owners.flatMap((owner) => (owner.kind === 'buckets' ? [owner] : []));
    const maps = await this.mapsOf(shared, file.hashSeed, target);
    const rules = file.portRules.flatMap((rule, index): RulePlan[] => {
      if (rule.protocol === 'udp') return [];
      const { virtualIp, portFirst, portLast, affinity } = rule;
      const owner = this.plannedOwner(owners[index]!, file.hashSeed, target);
      const { hashSeed, ipv6PrefixLength } = file;
      return [{ virtualIp, portFirst, portLast, affinity, hashSeed, ipv6PrefixLength, owner }];
    });
    rules.sort((a, b) => Number(a.virtualIp === null) - Number(b.virtualIp === null));
    return { rules, rest: target(defaultHostOf(inForce)), maps };
  }

  private plannedOwner(owner: RuleOwner, seed: number, target: (host: HostName) => HostNumber): PlannedOwner {
    if (owner.kind === 'host') return { kind: 'host', host: target(owner.host) };
    if (owner.kind !== 'buckets') return owner;
    const ranks = this.ranks.of(rankingKey(seed, owner.ranked));
    const pairs = this.pairs.of(pairsKey(owner, seed));
    return { kind: 'buckets', ranks, pairs, rest: restOf(pairs) };
  }

  private async mapsOf(
    shared: readonly BucketsOwner[],
    seed: number,
    target: (host: HostName) => HostNumber,
  ): Promise<Map<string, TableMap>> {
    this.ranks.use(shared.map(({ ranked }) => rankingKey(seed, ranked)));
    this.pairs.use(shared.map((owner) => pairsKey(owner, seed)));
    const maps = new Map<string, TableMap>();
    const [rankings, rests] = [new Map<string, BucketLabels>(), new Map<string, BucketLabels>()];
    for (const owner of shared) {
      const key = rankingKey(seed, owner.ranked);
      const ranking = rankings.get(key) ?? this.rankings.get(key) ?? (await this.rankingOf(owner.ranked, seed));
      rankings.set(key, ranking);
      maps.set(this.ranks.of(key), { type: RANKS_TYPE, elements: ranking });
      const pairs = this.pairs.of(pairsKey(owner, seed));
      maps.set(pairs, { type: PAIRS_TYPE, elements: this.pairElements(owner, target) });
      const left = pairsKey(owner, seed);
      const rest = rests.get(left) ?? this.rests.get(left) ?? (await this.restOf(owner, ranking, seed));
      rests.set(left, rest);
      const reached = (seat: HostNumber) => this.reached(seat, (name) => target(sitterOf(owner, name)));
      maps.set(restOf(pairs), { type: RANKS_TYPE, elements: rest.map(reached) });
    }
    this.rankings = rankings;
    this.rests = rests;
    return maps;
  }

  private reached(number: HostNumber, target: (host: HostName) => HostNumber): HostNumber {
    if (number === 0) return 0;
    const [name] = [...this.numbers].find(([, one]) => one === number)!;
    return target(name);
  }

  private async rankingOf(hosts: readonly RankedHost[], seed: number): Promise<BucketLabels> {
    const { first, second } = await this.ranker.ranking(hosts, seed);
    const numbers = hosts.map(({ name }) => this.numberOf(name));
    return Uint16Array.from(first, (one, bucket) => (numbers[one]! << 8) | (numbers[second[bucket]!] ?? NO_NUMBER));
  }

  /** What each ranking stands for, as long as one of its two hosts takes part; where one host alone does, it is that one. */
  private pairElements(bucketsOwner: BucketsOwner, target: (host: HostName) => HostNumber): Map<string, string> {
    const { ranked, taking } = bucketsOwner;
    const takes = new Set(taking);
    const only = taking.length === 1 ? taking[0]! : null;
    const elements = new Map<string, string>();
    for (const { name: first } of ranked) {
      for (const { name: second } of ranked) {
        if (first === second) continue;
        const owner = takes.has(first) ? first : takes.has(second) ? second : only;
        if (owner === null) continue;
        elements.set(
          pairLabel(this.numberOf(first), this.numberOf(second)),
          hostLabel(target(sitterOf(bucketsOwner, owner))),
        );
      }
    }
    return elements;
  }

  /** Owners of the buckets of which neither first nor second takes part. */
  private async restOf({ ranked, taking }: BucketsOwner, ranking: BucketLabels, seed: number): Promise<BucketLabels> {
    const rest = new Uint16Array(ranking.length);
    const outCount = ranked.length - taking.length;
    if (outCount < 2 || taking.length === 1) return rest;
    const takes = new Set(taking.map((name) => this.numberOf(name)));
    const hosts = ranked.filter(({ name }) => taking.includes(name));
    const owners = await this.ranker.table(hosts, seed);
    const numbers = hosts.map(({ name }) => this.numberOf(name));
    for (let bucket = 0; bucket < rest.length; bucket++) {
      const pair = ranking[bucket]!;
      if (takes.has(pair >> 8) || takes.has(pair & 0xff) || owners[bucket] === NO_HOST) continue;
      rest[bucket] = numbers[owners[bucket]!]!;
    }
    return rest;
  }
}

function pairsKey({ ranked, taking, sitting }: BucketsOwner, seed: number): string {
  return JSON.stringify([rankingKey(seed, ranked), taking, sitting]);
}

const restOf = (pairs: string): string => pairs.replace('pairs', 'rest');

/** Names for maps by what they say. One that nobody needs any more gets the name over to one that is new: so it is changed, not made. */
class MapNames {
  private names = new Map<string, string>();
  private made = 0;

  constructor(private readonly prefix: string) {}

  use(keys: readonly string[]): void {
    const wanted = [...new Set(keys)];
    const free = [...this.names].filter(([key]) => !wanted.includes(key)).map(([, name]) => name);
    const names = new Map<string, string>();
    for (const key of wanted) {
      const known = this.names.get(key);
      if (known !== undefined) names.set(key, known);
    }
    for (const key of wanted) {
      if (!names.has(key)) names.set(key, free.shift() ?? `${this.prefix}_${this.made++}`);
    }
    this.names = names;
  }

  of(key: string): string {
    return this.names.get(key)!;
  }
}
