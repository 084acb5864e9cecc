/** The TakingPart of a running sidecar: what it asks of the sidecar's parts, and what it does with them. */
import { bootId } from '../edge/boot-id.js';
import type { ClusterFile } from '../protocol/types.js';
import { RuleControls } from '../rule-controls.js';
import type { SavedState, StateKeeper } from '../saved-state.js';
import type { Sidecar } from '../sidecar.js';
import { type Kept, TakingPart } from '../taking-part.js';
import { drainEndText } from './drain-end.js';
import { ruleDrainEndText } from './rule-control.js';
import { stateAtStart } from './state-at-start.js';

/** @param file  in force, or on disk before the first view */
export async function ownPart(
  sidecar: Sidecar,
  { saved, isNew }: { saved: SavedState; isNew: boolean },
  file: ClusterFile,
  keeper: StateKeeper,
): Promise<TakingPart> {
  const { clock, host } = sidecar.options;
  const { ruleControls, ruleDrainsUntil } = saved;
  const own = file.hosts.find(({ name }) => name === host.name) ?? host;
  const now = bootId();
  const { state: hostState, cause, text } = stateAtStart(isNew ? null : saved, own, now);
  const drainUntil = hostState === 'draining' ? saved.drainUntil : null;
  sidecar.control.say(cause, text);
  await keeper.keep({ hostState, bootId: now, drainUntil });
  const leftMs = (until: string): number => Math.max(0, Date.parse(until) - Date.parse(clock.wallIso()));
  return new TakingPart({
    hostState,
    controls: new RuleControls(ruleControls),
    drainLeftMs: drainUntil === null ? null : leftMs(drainUntil),
    ruleDrainsLeftMs: Object.fromEntries(Object.entries(ruleDrainsUntil).map(([rule, until]) => [rule, leftMs(until)])),
    nowMs: () => clock.nowMs(),
    services: () => sidecar.services.states(),
    openSeen: () => sidecar.envoyWatch.openSeen(),
    isOut: (rule) => isOut(sidecar, rule),
    isKnownEverywhere: () => sidecar.protocol.takenEverywhere,
    isEnvoyUsable: () => sidecar.envoyWatch.isUsable(),
    gateSeen: (rule) => sidecar.envoyWatch.gateSeen(rule),
    post: (settings) => {
      sidecar.loop?.post({ kind: 'settings', settings });
      return sidecar.loop !== undefined;
    },
    keep: (kept) => void keep(sidecar, keeper, kept),
    endEnvoy: () => void sidecar.endEnvoy(),
    closeGates: (rules) => closeGates(sidecar, rules),
    drainEnded: (leftCount) => sidecar.control.say('drainEnded', drainEndText(leftCount)),
    ruleDrainEnded: (rule) => {
      const text = ruleDrainEndText(
        sidecar.file.portRules.find(({ name }) => name === rule),
        rule,
        sidecar.control.openCount(rule),
      );
      sidecar.control.say('ruleAdjusted', text);
    },
  });
}

/**
 * This host comes or comes back: its Envoy did not serve before. One that people run themselves is found running always; it
 * did not serve before either where the machine was started since.
 */
export function isFreshStart({ bootId: before }: SavedState, isAdopted: boolean): boolean {
  const now = bootId();
  return !isAdopted || (before !== null && now !== null && before !== now);
}

async function keep(sidecar: Sidecar, keeper: StateKeeper, kept: Kept): Promise<void> {
  const { hostState, ruleControls, drainLeftMs, ruleDrainsLeftMs } = kept;
  const nowWallMs = Date.parse(sidecar.options.clock.wallIso());
  const untilOf = (leftMs: number): string => new Date(nowWallMs + leftMs).toISOString();
  const drainUntil = drainLeftMs === null ? null : untilOf(drainLeftMs);
  const ruleDrainsUntil = Object.fromEntries(Object.entries(ruleDrainsLeftMs).map(([rule, ms]) => [rule, untilOf(ms)]));
  await keeper.keep({ hostState, ruleControls, drainUntil, ruleDrainsUntil });
}

function closeGates(sidecar: Sidecar, rules: ReadonlySet<string>): string[] {
  try {
    const opened = sidecar.envoy.closeGates(rules);
    sidecar.sayProblem('gates', null);
    return opened;
  } catch (error) {
    sidecar.sayProblem('gates', (error as Error).message);
    return [];
  }
}

export function isOut(sidecar: Sidecar, rule: string | null): boolean {
  const { inForce, taken } = sidecar.protocol;
  if (!inForce || !taken) return false;
  const own = inForce.view.hosts.find(({ name }) => name === sidecar.options.host.name);
  const asked = inForce.file.portRules.flatMap(({ name }, i) => (rule === null || rule === name ? [i] : []));
  return asked.every((i) => own?.rules[i]?.absence !== null);
}
