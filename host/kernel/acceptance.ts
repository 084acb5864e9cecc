/**
 * Which new connections this host takes, by rule and bucket, in the mode in which every host receives every packet. Pure: who
 * owns a bucket is said by decision.wasm and comes in as a table.
 */
import type { Affinity, HostName, InForce } from '../protocol/types.js';
import { defaultHostOf, ownerOfRule, type RankedHost, sitterOf } from './owner-map.js';

/** By bucket: 1 where this host takes it. */
export type OwnBuckets = Uint8Array;
/** `disabled` is dropped by every host, and counted. */
export type Takes = 'none' | 'all' | 'disabled' | OwnBuckets;

export interface RuleAcceptance {
  name: string;
  virtualIp: string | null;
  portFirst: number;
  portLast: number;
  affinity: Affinity;
  takes: Takes;
}

export interface Acceptance {
  hashSeed: number;
  ipv6PrefixLength: number;
  /** The rule that covers a connection is the first that matches: those for one virtual IP stand before those for all. */
  rules: RuleAcceptance[];
  /** What no rule covers: the default host takes it. */
  rest: boolean;
}

/** The owner of every bucket as index into `ranked`; the same array for the same hosts. */
export type OwnersOf = (ranked: readonly RankedHost[], taking: readonly HostName[]) => Promise<Uint8Array>;

export async function acceptanceOf(inForce: InForce, self: HostName, ownersOf: OwnersOf): Promise<Acceptance> {
  const { file, view } = inForce;
  const isIn = view.hosts.some(({ name }) => name === self);
  const rest = isIn && defaultHostOf(inForce) === self;
  const shared = new Map<Uint8Array, Map<number, OwnBuckets>>();
  const takesOf = async (index: number): Promise<Takes> => {
    const owner = ownerOfRule(inForce, index);
    if (owner.kind === 'disabled') return 'disabled';
    // One host has to take it all the same, so that its Envoy refuses it: silence would keep the client waiting.
    if (owner.kind === 'nobody') return rest ? 'all' : 'none';
    if (owner.kind === 'host') return owner.host === self ? 'all' : 'none';
    const seat = owner.taking.find((each) => sitterOf(owner, each) === self);
    if (seat === undefined) return 'none';
    if (owner.taking.length === 1) return 'all';
    const owners = await ownersOf(owner.ranked, owner.taking);
    const own = owner.ranked.findIndex(({ name }) => name === seat);
    const ofSeat = shared.get(owners) ?? new Map<number, OwnBuckets>();
    const bits = ofSeat.get(own) ?? owners.map((each) => (each === own ? 1 : 0));
    shared.set(owners, ofSeat.set(own, bits));
    return bits;
  };
  const rules: RuleAcceptance[] = [];
  for (const [index, rule] of file.portRules.entries()) {
    if (rule.protocol === 'udp') continue;
    const { name, virtualIp, portFirst, portLast, affinity } = rule;
    rules.push({ name, virtualIp, portFirst, portLast, affinity, takes: await takesOf(index) });
  }
  rules.sort((a, b) => Number(a.virtualIp === null) - Number(b.virtualIp === null));
  return { hashSeed: file.hashSeed, ipv6PrefixLength: file.ipv6PrefixLength, rules, rest };
}

/** What may be accepted while others have not let go yet: what this host accepts already and still owns. */
export function inBoth(now: Acceptance | null, wanted: Acceptance): Acceptance {
  const isSameHash = now?.hashSeed === wanted.hashSeed && now.ipv6PrefixLength === wanted.ipv6PrefixLength;
  const known = new Map<OwnBuckets, Map<OwnBuckets, OwnBuckets>>();
  const rules = wanted.rules.map((rule) => {
    const before = now?.rules.find((each) => isSameHash && covers(each) === covers(rule))?.takes ?? 'none';
    return { ...rule, takes: commonOf(before, rule.takes, known) };
  });
  return { ...wanted, rules, rest: wanted.rest && now?.rest === true };
}

function covers({ name, virtualIp, portFirst, portLast, affinity }: RuleAcceptance): string {
  return `${name} ${virtualIp} ${portFirst}-${portLast} ${affinity}`;
}

function commonOf(a: Takes, b: Takes, known: Map<OwnBuckets, Map<OwnBuckets, OwnBuckets>>): Takes {
  if (b === 'disabled') return b;
  if (a === 'disabled' || a === 'none' || b === 'none') return 'none';
  if (a === 'all') return b;
  if (b === 'all') return a;
  const ofA = known.get(a) ?? new Map<OwnBuckets, OwnBuckets>();
  known.set(a, ofA);
  const bits = ofA.get(b) ?? a.map((each, bucket) => each & b[bucket]!);
  ofA.set(b, bits);
  return bits;
}
