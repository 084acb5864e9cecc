/**
 * Rules that are a host's own to take under `failback` (returning.ts, `given`): what an administrator gives it with `nlb start` and
 * `nlb enable`, and until when.
 */
import { isOut } from './host-state.js';
import { seatsOfOthers } from './seats-now.js';
import { persist, type ProtocolState } from './state.js';
import type { Milliseconds, OwnSettings } from './types.js';

/** In `given`: all weights at once, for `failback: slowly`. No rule has that name. */
export const EVERY = '*';

export function giveUpSeat({ comingBack }: ProtocolState, rule: string): void {
  comingBack.standsIn?.rules.delete(rule);
  if (comingBack.standsIn?.rules.size === 0) comingBack.standsIn = null;
}

/** `nlb start --now`. Who stands in for another has a part: it takes its own where nobody else sits there. */
export function giveBack(state: ProtocolState): void {
  const { comingBack, known, self } = state;
  comingBack.sinceMs = null;
  comingBack.standby.clear();
  const names = known.file.portRules.map(({ name }) => name);
  comingBack.given = new Map([EVERY, ...names].map((name) => [name, 'asked']));
  known.file.portRules.forEach((rule, index) => {
    if (![...seatsOfOthers(state, rule, index, true).values()].includes(self)) giveUpSeat(state, rule.name);
  });
  persist(state);
}

/** `nlb enable`; where it is on standby in none of them, nothing changes. */
export function giveRules(state: ProtocolState, rules: readonly string[]): void {
  const { standby, given } = state.comingBack;
  for (const name of rules) if (standby.delete(name)) given.set(name, 'asked');
  persist(state);
}

/** A host that was off comes back; a rule that somebody enables here is given to it, on standby there before or not. */
export function noteStart(state: ProtocolState, nowMs: Milliseconds, settings: OwnSettings): void {
  const { comingBack, known } = state;
  if (isOut(state.settings.hostState) && settings.hostState === 'started' && !comingBack.given.has(EVERY))
    comingBack.sinceMs = nowMs;
  settings.rules.forEach(({ control }, index) => {
    const before = state.settings.rules[index]?.control ?? 'enabled';
    const name = known.file.portRules[index]?.name;
    if (name === undefined || before === 'enabled' || control !== 'enabled') return;
    comingBack.standby.delete(name);
    giveUpSeat(state, name);
    comingBack.given.set(name, 'asked');
  });
}
