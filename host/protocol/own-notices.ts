/** What a change means for this host itself, for the log: it is alone, and in which rules it takes part from now on. */
import { stateOf } from './report.js';
import { notice, type ProtocolState } from './state.js';
import { TODO } from './todo.js';
import type { Absence, InForce, Milliseconds } from './types.js';

/** Once each time that it comes to be alone. */
export function noteAlone(state: ProtocolState, nowMs: Milliseconds): void {
  const isAlone = stateOf(state) === 'alone';
  if (isAlone && !state.saidAlone) {
    const others = [...state.peers.keys()].filter((name) => !state.forgotten.has(name)).join(', ');
    notice(state, nowMs, 'alone', state.self, `this host is alone: it agrees with none of ${others}`, TODO.alone);
  }
  state.saidAlone = isAlone;
}

const WHY: Readonly<Record<Absence, string>> = {
  draining: 'draining',
  stopped: 'stopped',
  ruleDisabled: 'rule disabled here',
  serviceDown: 'service down',
  weightZero: 'weight 0',
  lost: 'outside the view',
  notListed: 'outside the view',
  standby: 'on standby',
};
const NO_RULE = 'no such rule any more';

/** One line for all rules of a change, for each reason. @param was  in force before */
export function noteOwnRules(state: ProtocolState, nowMs: Milliseconds, was: InForce | null): void {
  const before = whyNotIn(was, state.self);
  const after = whyNotIn(state.inForce, state.self);
  const taken = [...after].flatMap(([rule, why]) => (why === null && before.get(rule) !== null ? [rule] : []));
  if (taken.length > 0) {
    notice(state, nowMs, 'takesPart', state.self, `this host takes part in ${rulesText(taken)}`);
  }
  const left = new Map<string, string[]>();
  for (const [rule, why] of before) {
    const whyNow = after.has(rule) ? after.get(rule)! : NO_RULE;
    if (why === null && whyNow !== null) left.set(whyNow, [...(left.get(whyNow) ?? []), rule]);
  }
  for (const [why, rules] of left) {
    notice(state, nowMs, 'takesNoPart', state.self, `this host takes no part in ${rulesText(rules)} any more: ${why}`);
  }
}

/** By rule that hosts take part in: why this one does not, null where it does. */
function whyNotIn(inForce: InForce | null, self: string): Map<string, string | null> {
  const own = inForce?.view.hosts.find(({ name }) => name === self);
  const why = new Map<string, string | null>();
  for (const [index, { name, filteringMode }] of inForce?.file.portRules.entries() ?? []) {
    if (filteringMode === 'disabled') continue;
    const part = own?.rules[index];
    const absence = part === undefined ? 'notListed' : part.absence;
    why.set(name, absence === null ? null : WHY[absence]);
  }
  return why;
}

function rulesText(rules: readonly string[]): string {
  return `port rule${rules.length === 1 ? '' : 's'} ${rules.join(', ')}`;
}
