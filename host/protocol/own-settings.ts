/** What this host's sidecar says of it: its state, and for each port rule what it brings (R11). */
import { forgive, isWaiting, noteReturn, waitLeftS } from './damping.js';
import { noteStart } from './giving.js';
import { isOut } from './host-state.js';
import { notice, type ProtocolState } from './state.js';
import type { Milliseconds, OwnSettings } from './types.js';

/**
 * A service that is up again is a return of this host to that rule (R11). One that comes up for the first time, at the start
 * of the machine or after `nlb start` of a host that was out on purpose, has not come and gone.
 */
export function takeSettings(state: ProtocolState, nowMs: Milliseconds, settings: OwnSettings): void {
  if (isOut(state.settings.hostState) && !isOut(settings.hostState)) {
    for (const damper of state.ruleDampers) {
      forgive(damper);
      damper.wasUp = false;
    }
  }
  settings.rules.forEach((rule, index) => {
    const before = state.settings.rules[index];
    const damper = state.ruleDampers[index];
    if (before === undefined || damper === undefined || !rule.serviceUp) return;
    const isReturn = damper.wasUp && !before.serviceUp;
    damper.wasUp = true;
    if (!isReturn) return;
    noteReturn(damper, nowMs);
    if (!isWaiting(damper, nowMs)) return;
    const name = state.known.file.portRules[index]!.name;
    const text = `port rule ${name}: its service comes and goes here, back in ${waitLeftS(damper, nowMs)} s`;
    notice(state, nowMs, 'damped', state.self, text);
  });
  noteStart(state, nowMs, settings);
  state.settings = settings;
}
