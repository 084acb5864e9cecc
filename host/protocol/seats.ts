/**
 * Who has whose part in a rule with `failback: never` (standby.ts). Each host that takes part sits in one *seat*, named after a host:
 * its own, or that of one that takes part no more, for which it stands in. It is scored by the name of its seat, so exactly
 * the clients of the one that left come to it, and nobody else's move.
 *
 *     mail3 came back, is on standby      mail2 dies: mail3 stands in      mail2 comes back, is on standby
 *     seats  mail1: mail1                 seats  mail1: mail1              seats  mail1: mail1
 *            mail2: mail2                        mail2: mail3                     mail2: mail3
 *
 * As with standby, only a host itself says that it stands in, and for whom; from what all say follows who sits where.
 */
import { type RuleState, STANDING_IN_RULES_MAX } from './rule-code.js';
import type { ClusterFile, HostName, PortRule, RulePart } from './types.js';

/** From this protocol version on hosts know of seats. */
const SEATS_PROTOCOL = 2;

/** What a host that takes part, or could if it were not on standby, says of one rule. */
export interface Claim {
  name: HostName;
  state: RuleState;
  standsInFor: HostName | null;
}

/** A host as the decision scores it; `loadWeight` 0 takes no part. The order in a list plays no part. */
export interface ScoredHost {
  name: HostName;
  loadWeight: number;
  /** Name of its seat. @default its own name */
  scoredAs?: HostName;
}

/** A row says of so many rules for whom its host stands in; and all have to know of it. */
export function knowSeats(protocol: number, { portRules }: Pick<ClusterFile, 'portRules'>): boolean {
  return protocol >= SEATS_PROTOCOL && portRules.length <= STANDING_IN_RULES_MAX;
}

/** May somebody stand in for that host here? A host without a weight has no clients to take over. */
export function hasSeat({ filteringMode, loadWeights }: PortRule, host: HostName): boolean {
  return filteringMode === 'multiple' && (loadWeights[host] ?? 0) > 0;
}

/**
 * The seat of each host that sits in one; the others are on standby. A host's own seat is its own; of two that stand in for one
 * host, the first has the seat.
 *
 * @param claims  by ascending host priority
 */
export function seatsOf(rule: PortRule, claims: readonly Claim[], areKnown: boolean): Map<HostName, HostName> {
  const seats = new Map<HostName, HostName>();
  const wanted = ({ name, state, standsInFor }: Claim): HostName => {
    const isElsewhere = areKnown && state === 'standingIn' && standsInFor !== null && hasSeat(rule, standsInFor);
    return isElsewhere ? standsInFor : name;
  };
  const present = claims.filter(({ state }) => state !== 'standby');
  for (const claim of present) if (wanted(claim) === claim.name) seats.set(claim.name, claim.name);
  const taken = new Set(seats.values());
  for (const claim of present) {
    const seat = wanted(claim);
    if (seat === claim.name || taken.has(seat)) continue;
    taken.add(seat);
    seats.set(claim.name, seat);
  }
  return seats;
}

/**
 * Which of the seats that became free each host on standby is to sit in: one each.
 *
 * @param waiting  by ascending host priority
 */
export function seatFor(host: HostName, free: readonly HostName[], waiting: readonly HostName[]): HostName | undefined {
  return [...free].sort()[waiting.indexOf(host)];
}

/** @param seat  undefined for none: on standby */
export function partIn(rule: PortRule, host: HostName, own: RulePart, seat: HostName | undefined): RulePart {
  if (seat === undefined) return { loadWeight: 0, handlingPriority: 0, absence: 'standby' };
  if (seat === host) return own;
  // No more than the other one had, and no more than this one shall have.
  const loadWeight = Math.min(rule.loadWeights[host]!, rule.loadWeights[seat]!);
  return { loadWeight, handlingPriority: 0, absence: null, standsInFor: seat };
}

export function scoredHost(
  name: HostName,
  { loadWeight, standsInFor }: Pick<RulePart, 'loadWeight' | 'standsInFor'>,
): ScoredHost {
  return standsInFor === undefined ? { name, loadWeight } : { name, loadWeight, scoredAs: standsInFor };
}
