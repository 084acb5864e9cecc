/** What the verbs need of a sidecar, taken out of it. */
import { controlLine } from '../event-number.js';
import type { Sidecar } from '../sidecar.js';
import type { ControlledHost } from './host-control.js';
import type { ControlledRules } from './rule-control.js';

export type Controlled = ControlledHost & ControlledRules;

export function controlledBy(sidecar: Sidecar): Controlled {
  const { name } = sidecar.options.host;
  return {
    name,
    state: () => sidecar.takingPart.hostState,
    file: () => sidecar.file,
    inForce: () => sidecar.protocol.inForce,
    become: (state, drainForMs) => sidecar.takingPart.become(state, drainForMs),
    wantEnvoy: () => sidecar.envoy.want(),
    skipDelay: () => sidecar.loop.post({ kind: 'start' }),
    controlOf: (rule) => sidecar.takingPart.controlOf(rule),
    control: (rules, control, drainForMs) => sidecar.takingPart.control(rules, control, drainForMs),
    isDrainLimited: (rule) => sidecar.takingPart.ruleDrainEndMs(rule) !== null,
    give: (rules) => sidecar.loop.post({ kind: 'give', rules }),
    openCount: (rule) => sidecar.envoyWatch.traffic?.get(rule)?.servedOpenCount ?? null,
    say: (cause, text) => sidecar.options.log.repeating(...controlLine(cause, name, text)),
  };
}
