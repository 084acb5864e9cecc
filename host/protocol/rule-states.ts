/**
 * What each host brings to each rule, by the rules of whichever file: rows and settings count the rules as their sender's file
 * has them, and a new file may have others, in another order. The state of a rule goes with its name.
 */
import type { Row, RuleState } from './heartbeat.js';
import { type KnownFile, ownRules, type ProtocolState } from './state.js';
import type { HostName, Milliseconds, RuleControl } from './types.js';

/** The rules of a row as `known` counts them; as they came where this host does not know its sender's file. */
export function rulesOfRow(state: ProtocolState, row: Row, known: KnownFile): readonly RuleState[] {
  if (known.fingerprint.startsWith(row.file)) return row.rules;
  const its = [state.known, state.offer, state.previous].find((each) => each?.fingerprint.startsWith(row.file));
  return its ? byName(row.rules, its, known) : row.rules;
}

/** Whom the host of a row stands in for, by the file that it has in force; null for nobody, or where that file is not known here. */
export function standsInForOf(state: ProtocolState, { file, standsInFor }: Row): HostName | null {
  if (standsInFor === 0) return null;
  const its = [state.known, state.offer, state.previous].find((each) => each?.fingerprint.startsWith(file));
  return its?.file.hosts.find(({ priority }) => priority === standsInFor)?.name ?? null;
}

export function rulesOfSelf(state: ProtocolState, nowMs: Milliseconds, known: KnownFile): readonly RuleState[] {
  const rules = ownRules(state, nowMs);
  return known === state.known ? rules : byName(rules, state.known, known);
}

/** Index-aligned with the rules of the file in force; null for a host that is not heard. */
export function controlsOf(state: ProtocolState, name: HostName): RuleControl[] | null {
  if (name === state.self) return state.settings.rules.map(({ control }) => control);
  const row = state.peers.get(name)?.row;
  if (row == null || !state.side.visible.includes(name)) return null;
  return rulesOfRow(state, row, state.known)
    .slice(0, state.known.file.portRules.length)
    .map((rule) => CONTROLS[rule]);
}

const CONTROLS: Readonly<Record<RuleState, RuleControl>> = {
  up: 'enabled',
  serviceDown: 'enabled',
  ruleDisabled: 'disabled',
  ruleDraining: 'draining',
  standby: 'enabled',
  standingIn: 'enabled',
};

function byName(rules: readonly RuleState[], from: KnownFile, to: KnownFile): readonly RuleState[] {
  const index = new Map(from.file.portRules.map(({ name }, i) => [name, i]));
  return to.file.portRules.map(({ name }) => rules[index.get(name) ?? -1] ?? 'up');
}
