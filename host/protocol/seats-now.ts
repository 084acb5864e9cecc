/** Who has whose part in a rule (seats.ts) as this host knows it: by what the others say now, and by what is in force. */
import { ownPriority } from './groups.js';
import { rulesOfRow, standsInForOf } from './rule-states.js';
import { type Claim, seatsOf } from './seats.js';
import type { ProtocolState } from './state.js';
import type { HostName, PortRule, RulePart } from './types.js';

/** What the other hosts of the next view say of a rule that they could take part in, by ascending host priority. */
function claimsOf(state: ProtocolState, rule: PortRule, index: number): Claim[] {
  const { side, peers, self } = state;
  const claims = side.agreeing.flatMap((name): (Claim & { priority: number })[] => {
    const peer = name === self ? undefined : peers.get(name);
    if (peer?.row == null || peer.row.hostState !== 'started' || !isListed(rule, name)) return [];
    const said = rulesOfRow(state, peer.row, side.known)[index] ?? 'up';
    if (said !== 'up' && said !== 'standby' && said !== 'standingIn') return [];
    return [{ name, state: said, standsInFor: standsInForOf(state, peer.row), priority: peer.config.priority }];
  });
  return claims.sort((a, b) => a.priority - b.priority);
}

/** By host: others that take part and are not on standby. */
export function seatsOfOthers(
  state: ProtocolState,
  rule: PortRule,
  index: number,
  areKnown: boolean,
): Map<HostName, HostName> {
  return seatsOf(rule, claimsOf(state, rule, index), areKnown);
}

/** The hosts on standby in a rule, this one among them, by ascending host priority. */
export function waitingIn(state: ProtocolState, rule: PortRule, index: number): HostName[] {
  const own = ownPriority(state);
  const others = claimsOf(state, rule, index).filter((claim) => claim.state === 'standby');
  const isBefore = ({ name }: Claim) => state.peers.get(name)!.config.priority < own;
  const names = (claims: Claim[]) => claims.map(({ name }) => name);
  return [...names(others.filter(isBefore)), state.self, ...names(others.filter((each) => !isBefore(each)))];
}

export function isListed({ filteringMode, loadWeights, handlingPriorities }: PortRule, name: HostName): boolean {
  return filteringMode === 'multiple' ? (loadWeights[name] ?? 0) > 0 : handlingPriorities[name] !== undefined;
}

/** This host's own; undefined where nothing is in force, or that has no such rule or not this host. */
export function partInForce({ inForce, self }: ProtocolState, rule: string): RulePart | undefined {
  const index = inForce?.file.portRules.findIndex(({ name }) => name === rule) ?? -1;
  return inForce?.view.hosts.find(({ name }) => name === self)?.rules[index];
}

/** Of others that take part. */
export function seatsInForce(state: ProtocolState, rule: string): HostName[] {
  return [...seatingInForce(state, rule).values()];
}

/** Who sits in a seat by what is in force; undefined where it is this host, or nobody. */
export function sitterInForce(state: ProtocolState, rule: string, seat: HostName): HostName | undefined {
  return [...seatingInForce(state, rule)].find(([, each]) => each === seat)?.[0];
}

/** The seats of others that take part, by host. */
function seatingInForce({ inForce, self }: ProtocolState, rule: string): Map<HostName, HostName> {
  const index = inForce?.file.portRules.findIndex(({ name }) => name === rule) ?? -1;
  const seating = new Map<HostName, HostName>();
  for (const { name, rules } of inForce?.view.hosts ?? []) {
    const part = rules[index];
    if (name !== self && part?.absence === null) seating.set(name, part.standsInFor ?? name);
  }
  return seating;
}
