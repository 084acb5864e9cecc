/**
 * `failback: never`: a host that comes, or comes back, takes no client that another host serves. It is on standby in that rule,
 * and says so in its row, until
 *
 * - a host that took part in the rule does so no more: then it stands in for that one (multiple hosts, seats.ts), or
 * - nobody takes part but hosts on standby (content.ts counts them as taking part at once), or
 * - the administrator gives it its part: `nlb start --now` in all rules, `nlb enable` in one.
 *
 * Only the host itself says that it is on standby, and no view gives it a part that it has not confirmed itself: so no history
 * of others is asked, and all decide alike. A cluster that comes up as a whole is no return: hosts that came together find
 * their places as without it, for ten minutes or until all are there.
 */
import { confirms } from './checksum.js';
import { EVERY, giveUpSeat } from './giving.js';
import { eighths } from './returning.js';
import { rulesOfSelf } from './rule-states.js';
import { hasSeat, knowSeats, seatFor } from './seats.js';
import { isListed, partInForce, seatsInForce, seatsOfOthers, sitterInForce, waitingIn } from './seats-now.js';
import { notice, persist, type ProtocolState } from './state.js';
import { TODO } from './todo.js';
import type { HostName, Milliseconds, PortRule, RulePart } from './types.js';

/** From the start of a host on; one that comes later than that comes to a cluster that is up. */
export const GATHERING_MAX_MS = 600_000;

/** Before each content that this host would confirm. */
export function comeBack(state: ProtocolState, nowMs: Milliseconds): void {
  const { comingBack, side, inForce, self } = state;
  const { given, standby } = comingBack;
  // Outside it owns nothing and follows; when it is inside again, what is in force has no part of it. But it may see there that
  // the cluster is up: were it alone soon after, who comes then is no part of a cold start.
  if (side.outside !== null) {
    gather(state, nowMs);
    return;
  }
  const isOut = inForce !== null && !inForce.view.hosts.some(({ name }) => name === self);
  if ((comingBack.isReturned || isOut) && !given.has(EVERY)) comingBack.sinceMs = nowMs;
  const before = memory(state);
  const isUnbroken = comingBack.isFresh && goesOn(state);
  side.known.file.portRules.forEach((rule, index) => {
    if (rule.failback === 'never') {
      lookAtRule(state, nowMs, rule, index, isUnbroken);
      return;
    }
    standby.delete(rule.name);
    given.delete(rule.name);
    giveUpSeat(state, rule.name);
  });
  const names = side.known.file.portRules.map(({ name }) => name);
  for (const rule of comingBack.standsIn?.rules.keys() ?? []) if (!names.includes(rule)) giveUpSeat(state, rule);
  comingBack.isFresh = false;
  comingBack.isReturned = false;
  gather(state, nowMs);
  if (hasPart(state, self)) given.delete(EVERY);
  if (eighths(state, nowMs) === 0) comingBack.sinceMs = null;
  if (memory(state) !== before) persist(state);
}

/** What of it is kept over a start of the sidecar. */
function memory({ comingBack: { standby, standsIn } }: ProtocolState): string {
  return [...standby.keys(), standsIn?.host ?? '', ...(standsIn?.rules.keys() ?? [])].join();
}

function lookAtRule(
  state: ProtocolState,
  nowMs: Milliseconds,
  rule: PortRule,
  index: number,
  isUnbroken: boolean,
): void {
  const { comingBack, side } = state;
  const { standby, given } = comingBack;
  const own = rulesOfSelf(state, nowMs, side.known)[index] ?? 'up';
  const isWell = own === 'up' || own === 'standby' || own === 'standingIn';
  const isReady = state.settings.hostState === 'started' && isWell && isListed(rule, state.self);
  const areKnown = knowSeats(side.versions.protocol, side.known.file);
  const seats = seatsOfOthers(state, rule, index, areKnown);
  const part = partInForce(state, rule.name);
  if (part?.absence === null && !comingBack.isReturned) given.delete(rule.name);
  const isUp = [...seats.keys()].some((name) => !state.peers.get(name)!.row!.gathering);
  if (given.get(rule.name) === 'unopposed' && isServedElsewhere(state, seats)) given.delete(rule.name);
  const isNew = comingBack.isReturned || (comingBack.isFresh && !(isUnbroken && isUp));
  if (!isReady) {
    // Its service may be up before what is in force says that it has been away.
    const isComing = isNew && isUp && state.settings.hostState === 'started' && !given.has(rule.name);
    if (isComing || standby.has(rule.name)) enter(state, nowMs, rule, seats);
    return;
  }
  if ((isNew || (!standby.has(rule.name) && isWithoutPart(state, part))) && !given.has(rule.name)) {
    if (isUp) enter(state, nowMs, rule, seats);
    else leave(state, nowMs, rule, null);
    return;
  }
  if (!standby.has(rule.name)) {
    lookAtSeat(state, nowMs, rule, seats);
    return;
  }
  const before = standby.get(rule.name) ?? seatsInForce(state, rule.name);
  // Beside a host that knows no seats, who sat in another one's says no more whose it was.
  const isTaken = (seat: HostName) =>
    [...seats.values()].includes(seat) || (!areKnown && seats.has(sitterInForce(state, rule.name, seat) ?? ''));
  const free = before.filter((seat) => !isTaken(seat));
  if (seats.size === 0) leave(state, nowMs, rule, 'no other host takes part');
  else if (free.length > 0 && rule.filteringMode === 'multiple') comeIn(state, nowMs, rule, index, seats, free);
  else standby.set(rule.name, knowsWhoServes(state, part) ? seatsThatServe(state, rule, seats) : []);
}

/** Who serves is known with the first view in which it stands by; not with one that it had before the others went on without it. */
function knowsWhoServes({ inForce, comingBack }: ProtocolState, part: RulePart | undefined): boolean {
  return part?.absence === 'standby' && inForce!.view.number > comingBack.metFrom;
}

/** By somebody who is up, and who was not there when this host confirmed that it takes part. */
function isServedElsewhere({ peers, confirmed }: ProtocolState, seats: ReadonlyMap<HostName, HostName>): boolean {
  const isKnown = (name: HostName) => confirmed?.content.hosts.some((host) => host.name === name) ?? false;
  return [...seats.keys()].some((name) => !isKnown(name) && !peers.get(name)!.row!.gathering);
}

/**
 * Those that are taken by what is in force as well. A host that comes back says that it is up before it knows that it has to
 * stand by: when it then does, nobody has left.
 */
function seatsThatServe(state: ProtocolState, rule: PortRule, seats: ReadonlyMap<HostName, HostName>): HostName[] {
  const serving = seatsInForce(state, rule.name);
  return [...seats.values()].filter((seat) => serving.includes(seat));
}

/** Others left: of the hosts on standby each takes the part of one of them. Where that cannot be said, all of its own. */
function comeIn(
  state: ProtocolState,
  nowMs: Milliseconds,
  rule: PortRule,
  index: number,
  seats: ReadonlyMap<HostName, HostName>,
  free: readonly HostName[],
): void {
  const { comingBack, side, self } = state;
  const lawful = free.filter((seat) => hasSeat(rule, seat));
  if (!knowSeats(side.versions.protocol, side.known.file) || lawful.length === 0) {
    leave(state, nowMs, rule, `${free[0]} takes part no more`);
    return;
  }
  const seat = seatFor(self, lawful, waitingIn(state, rule, index));
  if (seat === undefined) {
    comingBack.standby.set(rule.name, seatsThatServe(state, rule, seats));
    return;
  }
  const isElsewhere = comingBack.standsIn !== null && comingBack.standsIn.host !== seat;
  // One host at a time: two would not fit into its row.
  if (seat === self || isElsewhere) {
    leave(state, nowMs, rule, `${seat} takes part no more`);
    return;
  }
  leave(state, nowMs, rule, `it stands in for ${seat}`);
  sitDown(state, rule, seat);
}

/**
 * Who stands in does so until that seat has another one in a view since. Whom the administrator gave its part takes its own seat;
 * where another one sits there, one that nobody has: so all others keep their clients.
 */
function lookAtSeat(
  state: ProtocolState,
  nowMs: Milliseconds,
  rule: PortRule,
  seats: ReadonlyMap<HostName, HostName>,
): void {
  const { comingBack, self, side } = state;
  const areKnown = knowSeats(side.versions.protocol, side.known.file);
  const isAsked = comingBack.given.get(rule.name) === 'asked' && areKnown;
  const since = comingBack.standsIn?.rules.get(rule.name);
  if (since === undefined) {
    if (isAsked && [...seats.values()].includes(self)) sitDown(state, rule, emptySeat(state, rule, seats));
    return;
  }
  const seat = comingBack.standsIn!.host;
  const isOver = (state.inForce?.view.number ?? 0) > since && seatsInForce(state, rule.name).includes(seat);
  // Beside a host that knows no seats it says that it is up, and has its own part.
  if (!areKnown || !hasSeat(rule, seat)) giveUpSeat(state, rule.name);
  else if (isOver && isAsked) sitDown(state, rule, emptySeat(state, rule, seats));
  else if (isOver) enter(state, nowMs, rule, seats);
}

/** Undefined where there is none, or none of the one host that this one can stand in for. */
function emptySeat(state: ProtocolState, rule: PortRule, seats: ReadonlyMap<HostName, HostName>): HostName | undefined {
  const { comingBack, side, self } = state;
  const taken = new Set([self, ...seats.values(), ...seatsInForce(state, rule.name)]);
  giveUpSeat(state, rule.name);
  const only = comingBack.standsIn?.host;
  const names = side.known.file.hosts.map(({ name }) => name);
  return names.find((name) => !taken.has(name) && hasSeat(rule, name) && (only ?? name) === name);
}

/** @param seat  undefined: its own, and who stands in for it is on standby */
function sitDown(state: ProtocolState, rule: PortRule, seat: HostName | undefined): void {
  const { comingBack, highest } = state;
  giveUpSeat(state, rule.name);
  if (seat === undefined) return;
  comingBack.standsIn ??= { host: seat, rules: new Map() };
  comingBack.standsIn.rules.set(rule.name, highest.number);
}

function enter(
  state: ProtocolState,
  nowMs: Milliseconds,
  rule: PortRule,
  seats: ReadonlyMap<HostName, HostName>,
): void {
  const isNew = !state.comingBack.standby.has(rule.name);
  giveUpSeat(state, rule.name);
  state.comingBack.given.delete(rule.name);
  state.comingBack.standby.set(rule.name, []);
  if (!isNew) return;
  const takers = [...seats.keys()].sort();
  const serve = takers.length === 1 ? 'serves' : 'serve';
  const text = `port rule ${rule.name}: this host is on standby, ${takers.join(', ')} ${serve} its clients (failback never)`;
  notice(state, nowMs, 'standby', state.self, text, TODO.standby(rule.portFirst));
}

function leave(state: ProtocolState, nowMs: Milliseconds, rule: PortRule, why: string | null): void {
  const { standby, given } = state.comingBack;
  giveUpSeat(state, rule.name);
  given.set(rule.name, why === null ? 'unopposed' : 'left');
  if (!standby.delete(rule.name) || why === null) return;
  const text = `port rule ${rule.name}: this host is on standby no more, ${why}`;
  notice(state, nowMs, 'standby', state.self, text);
}

/** By what is in force others serve its clients. A rule that is new, or newly names this host, has none yet. */
function isWithoutPart({ inForce, self }: ProtocolState, part: RulePart | undefined): boolean {
  if (inForce === null || !inForce.view.hosts.some(({ name }) => name === self)) return true;
  if (part === undefined || part.absence === null) return false;
  return part.absence !== 'weightZero' && part.absence !== 'notListed';
}

/** A start so short that all others still confirm the view it goes on with: nobody took its clients. */
function goesOn({ confirmed, side, peers, self }: ProtocolState): boolean {
  if (confirmed === null) return false;
  const rows = side.agreeing.filter((name) => name !== self).map((name) => peers.get(name)!.row!);
  return rows.every((row) => confirms(row, confirmed));
}

/** The cluster is up where all hosts take part in something, or one says so that did not come with this one, or in time. */
function gather(state: ProtocolState, nowMs: Milliseconds): void {
  const { comingBack, side, peers, inForce, forgotten, known } = state;
  if (comingBack.gatheringSinceMs === null) return;
  const isOver = nowMs - comingBack.gatheringSinceMs >= GATHERING_MAX_MS;
  const isUpElsewhere = side.agreeing.some((name) => peers.get(name)?.row?.gathering === false);
  // What is in force may be of an earlier life.
  const isThere = (name: HostName) => forgotten.has(name) || (side.agreeing.includes(name) && hasPart(state, name));
  const areAllThere = inForce?.lostSince.length === 0 && known.file.hosts.every(({ name }) => isThere(name));
  if (isOver || isUpElsewhere || areAllThere) comingBack.gatheringSinceMs = null;
}

/** Takes part in some rule, by what is in force. */
function hasPart({ inForce }: ProtocolState, name: HostName): boolean {
  const host = inForce?.view.hosts.find((each) => each.name === name);
  return host?.rules.some(({ absence }) => absence === null) ?? false;
}
