/** Who owns which bucket of a rule by what is in force: the table of decision.wasm, or one host for all of it. */
import { type ScoredHost, scoredHost } from '../protocol/seats.js';
import type { HostName, InForce, PortRule } from '../protocol/types.js';

export const BUCKET_COUNT = 65_536;
const NOBODY = 255;
/** A place in `hosts` or NOBODY. */
export const PLACES = 256;

/** What a plan asks of decision.wasm; host/edge/decision.ts is it. */
export interface PlanDecision {
  readonly version: number;
  table(hosts: readonly ScoredHost[], hashSeed: number): Promise<Uint8Array>;
}

export interface RuleOwners {
  /** Those that take part. */
  hosts: readonly HostName[];
  /** By bucket: index into `hosts`, 255 for nobody. */
  table: Uint8Array;
}

export async function ownersOf(inForce: InForce, rule: PortRule, decision: PlanDecision): Promise<RuleOwners> {
  const index = inForce.file.portRules.indexOf(rule);
  const parts = inForce.view.hosts.flatMap((host) => {
    const part = host.rules[index];
    const takesPart = part !== undefined && part.absence === null && !inForce.lostSince.includes(host.name);
    return takesPart ? [{ name: host.name, ...part }] : [];
  });
  if (rule.filteringMode === 'disabled' || parts.length === 0) {
    return { hosts: [], table: new Uint8Array(BUCKET_COUNT).fill(NOBODY) };
  }
  if (rule.filteringMode === 'single') {
    const [first] = parts.sort((a, b) => a.handlingPriority - b.handlingPriority);
    return { hosts: [first!.name], table: new Uint8Array(BUCKET_COUNT) };
  }
  const hosts = parts.map(({ name, ...part }) => scoredHost(name, part));
  return { hosts: parts.map(({ name }) => name), table: await decision.table(hosts, inForce.file.hashSeed) };
}

/** The part of the buckets that each host owns, 0-1. */
export function sharesOf({ hosts, table }: RuleOwners): Map<HostName, number> {
  const counts = new Uint32Array(PLACES);
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) counts[table[bucket]!]! += 1;
  return new Map(hosts.map((name, index) => [name, counts[index]! / BUCKET_COUNT]));
}

/** Whose bucket it is, as index into `hosts`; 255 for nobody, also where the rule is not there. */
export function placeAt(owners: RuleOwners | null, bucket: number): number {
  return owners === null ? NOBODY : owners.table[bucket]!;
}
