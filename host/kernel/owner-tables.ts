/**
 * Tables of owners, made off the event loop and kept: a ranking takes some 100 ms of work and changes only with hosts and
 * weights of the file, so the loss of a host finds its table's makings ready.
 */
import type { Decision } from '../edge/decision.js';
import type { HostName } from '../protocol/types.js';
import { NO_HOST, ownersByRanking, type RankedHost, type Ranking, rankingKey } from './owner-map.js';

/** BOUNDED: rankings of the last views; a file has at most 32 rules. */
const KEPT_MAX = 64;

export class OwnerTables {
  private readonly rankings = new Map<string, Ranking>();
  private readonly tables = new Map<string, Uint8Array>();

  constructor(
    private readonly decision: Decision,
    private readonly hashSeed: () => number,
  ) {}

  /** The owner of every bucket, as index into `ranked`. */
  async ownersOf(ranked: readonly RankedHost[], taking: readonly HostName[]): Promise<Uint8Array> {
    const seed = this.hashSeed();
    const key = rankingKey(seed, ranked);
    const id = `${key} ${taking.join(' ')}`;
    const known = this.tables.get(id);
    if (known !== undefined) return known;
    const ranking = this.rankings.get(key) ?? { hosts: ranked, ...(await this.decision.ranking(ranked, seed)) };
    keep(this.rankings, key, ranking);
    const owners = await this.complete(ownersByRanking(ranking, taking), ranked, taking, seed);
    keep(this.tables, id, owners);
    return owners;
  }

  /** Where neither the first nor the second of a ranking takes part, the decision is asked for the rest. */
  private async complete(
    owners: Uint8Array,
    ranked: readonly RankedHost[],
    taking: readonly HostName[],
    seed: number,
  ): Promise<Uint8Array> {
    if (!owners.includes(NO_HOST)) return owners;
    const hosts = ranked.filter(({ name }) => taking.includes(name));
    const table = await this.decision.table(hosts, seed);
    return owners.map((owner, bucket) =>
      owner === NO_HOST ? ranked.findIndex(({ name }) => name === hosts[table[bucket]!]?.name) : owner,
    );
  }
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > KEPT_MAX) map.delete(map.keys().next().value!);
}
