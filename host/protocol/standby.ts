/**
 * `failback: never`: a host that comes, or comes back, takes no client that another host serves. It is on standby in that rule,
 * and says so in its row, until
 *
 * - a host that took part in the rule does so no more: then it takes its part (multiple hosts), or
 * - nobody takes part but hosts on standby (content.ts counts them as taking part at once), or
 * - the administrator gives it its part: `nlb start --now` in all rules, `nlb enable` in one.
 *
 * Only the host itself says that it is on standby, and no view gives it a part that it has not confirmed itself: so no history
 * of others is asked, and all decide alike. A cluster that comes up as a whole is no return: hosts that came together find
 * their places as without it, for ten minutes or until all are there.
 */
import { eighths } from './returning.js';
import { rulesOfRow, rulesOfSelf } from './rule-states.js';
import { notice, persist, type ProtocolState } from './state.js';
import { TODO } from './todo.js';
import type { HostName, Milliseconds, OwnSettings, PortRule, RulePart } from './types.js';

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
  const before = [...standby.keys()].join();
  const isUnbroken = comingBack.isFresh && goesOn(state);
  side.known.file.portRules.forEach((rule, index) => {
    if (rule.failback === 'never') {
      lookAtRule(state, nowMs, rule, index, isUnbroken);
      return;
    }
    standby.delete(rule.name);
    given.delete(rule.name);
  });
  comingBack.isFresh = false;
  comingBack.isReturned = false;
  gather(state, nowMs);
  if (hasPart(state, self)) given.delete(EVERY);
  if (eighths(state, nowMs) === 0) comingBack.sinceMs = null;
  if ([...standby.keys()].join() !== before) persist(state);
}

/** In `given`: all weights at once, for `failback: slowly`. No rule has that name. */
const EVERY = '*';

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
  const isWell = own === 'up' || own === 'standby';
  const isReady = state.settings.hostState === 'started' && isWell && isListed(rule, state.self);
  const takers = takersOf(state, rule, index);
  const part = partInForce(state, rule.name);
  if (part?.absence === null && !comingBack.isReturned) given.delete(rule.name);
  const isUp = takers.some((name) => !state.peers.get(name)!.row!.gathering);
  const isNew = comingBack.isReturned || (comingBack.isFresh && !(isUnbroken && isUp));
  if (!isReady) {
    // Its service may be up before what is in force says that it has been away.
    const isComing = isNew && isUp && state.settings.hostState === 'started' && !given.has(rule.name);
    if (isComing || standby.has(rule.name)) enter(state, nowMs, rule, takers);
    return;
  }
  if ((isNew || (!standby.has(rule.name) && isWithoutPart(state, part))) && !given.has(rule.name)) {
    if (isUp) enter(state, nowMs, rule, takers);
    else leave(state, nowMs, rule, null);
    return;
  }
  if (!standby.has(rule.name)) return;
  const gone = goneFrom(standby.get(rule.name) ?? takersInForce(state, rule.name), takers);
  if (takers.length === 0) leave(state, nowMs, rule, 'no other host takes part');
  else if (gone !== undefined && rule.filteringMode === 'multiple')
    leave(state, nowMs, rule, `${gone} takes part no more`);
  else standby.set(rule.name, part?.absence === 'standby' ? takersThatServe(state, rule, takers) : []);
}

/**
 * Those that serve by what is in force. A host that comes back says that it is up before it knows that it has to stand by: when
 * it then does, nobody has left.
 */
function takersThatServe(state: ProtocolState, rule: PortRule, takers: readonly HostName[]): readonly HostName[] {
  const serving = takersInForce(state, rule.name);
  return takers.filter((name) => serving.includes(name));
}

function goneFrom(before: readonly HostName[], takers: readonly HostName[]): HostName | undefined {
  return before.find((name) => !takers.includes(name));
}

function enter(state: ProtocolState, nowMs: Milliseconds, rule: PortRule, takers: readonly HostName[]): void {
  const isNew = !state.comingBack.standby.has(rule.name);
  // Who serves beside it is known with the first view in which it stands by.
  state.comingBack.standby.set(rule.name, []);
  if (!isNew) return;
  const serve = takers.length === 1 ? 'serves' : 'serve';
  const text = `port rule ${rule.name}: this host is on standby, ${takers.join(', ')} ${serve} its clients (failback never)`;
  notice(state, nowMs, 'standby', state.self, text, TODO.standby(rule.portFirst));
}

function leave(state: ProtocolState, nowMs: Milliseconds, rule: PortRule, why: string | null): void {
  const { standby, given } = state.comingBack;
  given.add(rule.name);
  if (!standby.delete(rule.name) || why === null) return;
  const text = `port rule ${rule.name}: this host is on standby no more, ${why}`;
  notice(state, nowMs, 'standby', state.self, text);
}

/** Other hosts of the next view that take part and are not on standby. */
function takersOf(state: ProtocolState, rule: PortRule, index: number): HostName[] {
  const { side, peers, self } = state;
  return side.agreeing.filter((name) => {
    const row = name === self ? null : peers.get(name)?.row;
    if (row == null || row.hostState !== 'started' || !isListed(rule, name)) return false;
    return (rulesOfRow(state, row, side.known)[index] ?? 'up') === 'up';
  });
}

function isListed({ filteringMode, loadWeights, handlingPriorities }: PortRule, name: HostName): boolean {
  return filteringMode === 'multiple' ? (loadWeights[name] ?? 0) > 0 : handlingPriorities[name] !== undefined;
}

/** Undefined where nothing is in force, or that has no such rule or not this host. */
function partInForce(state: ProtocolState, rule: string): RulePart | undefined {
  const { inForce, self } = state;
  const index = inForce?.file.portRules.findIndex(({ name }) => name === rule) ?? -1;
  return inForce?.view.hosts.find(({ name }) => name === self)?.rules[index];
}

function takersInForce({ inForce, self }: ProtocolState, rule: string): HostName[] {
  const index = inForce?.file.portRules.findIndex(({ name }) => name === rule) ?? -1;
  const hosts = inForce?.view.hosts ?? [];
  return hosts.filter(({ name, rules }) => name !== self && rules[index]?.absence === null).map(({ name }) => name);
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
  const head = Number.parseInt(confirmed.checksum.slice(0, 8), 16);
  return rows.every((row) => row.confirmedNumber === confirmed.number && row.confirmedHead === head);
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

/** `nlb start --now`. */
export function giveBack(state: ProtocolState): void {
  const { comingBack, known } = state;
  comingBack.sinceMs = null;
  comingBack.standby.clear();
  comingBack.given = new Set([EVERY, ...known.file.portRules.map(({ name }) => name)]);
  persist(state);
}

/** `nlb enable`; where it is on standby in none of them, nothing changes. */
export function giveRules(state: ProtocolState, rules: readonly string[]): void {
  const { standby, given } = state.comingBack;
  for (const name of rules) if (standby.delete(name)) given.add(name);
  persist(state);
}

/** A host that was off comes back; a rule that somebody enables here is given to it, on standby there before or not. */
export function noteStart(state: ProtocolState, nowMs: Milliseconds, settings: OwnSettings): void {
  const { comingBack, known } = state;
  const { hostState } = state.settings;
  const wasOff = hostState === 'stopped' || hostState === 'suspended';
  if (wasOff && settings.hostState === 'started' && !comingBack.given.has(EVERY)) comingBack.sinceMs = nowMs;
  settings.rules.forEach(({ control }, index) => {
    const before = state.settings.rules[index]?.control ?? 'enabled';
    const name = known.file.portRules[index]?.name;
    if (name === undefined || before === 'enabled' || control !== 'enabled') return;
    comingBack.standby.delete(name);
    comingBack.given.add(name);
  });
}
