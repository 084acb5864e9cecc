/** The verbs that change one port rule on this host: enable, disable, drain. */
import type { VerbAnswer } from '../admin/api.js';
import { counted } from '../counted.js';
import type { ControlCause } from '../event-number.js';
import type { ClusterFile, HostState, InForce, Milliseconds, PortRule, RuleControl } from '../protocol/types.js';
import { stickTimeText } from '../protocol/config/stick-time.js';
import { hasGate } from '../protocol/xds/index.js';
import { described, rulesMeant } from './rules-meant.js';

/** What they need of the sidecar. */
export interface ControlledRules {
  name: string;
  file(): ClusterFile;
  inForce(): InForce | null;
  state(): HostState;
  controlOf(rule: string): RuleControl;
  /** @param drainForMs  of a drain: disabled after so long; null waits for ever */
  control(rules: readonly string[], control: RuleControl, drainForMs: Milliseconds | null): void;
  /** Whether that rule drains for so long at most. */
  isDrainLimited(rule: string): boolean;
  /** Takes its part in them, where it is on standby (`failback: never`). */
  give(rules: readonly string[]): void;
  /** Open connections to this host's service of that rule; null where Envoy does not say. */
  openCount(rule: string): number | null;
  say(cause: ControlCause, text: string): void;
}

export type RuleVerb = 'enable' | 'disable' | 'drain';

const CONTROLS: Readonly<Record<RuleVerb, RuleControl>> = { enable: 'enabled', disable: 'disabled', drain: 'draining' };
const CAUSES: Readonly<Record<RuleVerb, { one: ControlCause; all: ControlCause }>> = {
  enable: { one: 'ruleAdjusted', all: 'allRulesEnabled' },
  disable: { one: 'ruleAdjusted', all: 'allRulesDisabled' },
  drain: { one: 'ruleDraining', all: 'allRulesDraining' },
};

/** @param drainForMs  of drain: what is open after so long is ended, and the rule disabled; null waits for ever */
export function controlRules(
  host: ControlledRules,
  verb: RuleVerb,
  asked: URLSearchParams,
  drainForMs: Milliseconds | null = null,
): VerbAnswer {
  const port = asked.get('port') ?? '';
  const meant = rulesMeant(host.file(), port, asked.get('vip'));
  if (!meant.ok) {
    host.say('ruleNotFound', meant.text);
    return { ok: false, text: meant.text };
  }
  // What the file disables for all hosts, no host enables for itself.
  const rules = meant.rules.filter(({ filteringMode }) => filteringMode !== 'disabled');
  if (rules.length === 0) {
    const text = `port rule ${meant.rules.map(described).join(', ')} is disabled in the cluster file; nlb apply changes that`;
    return { ok: false, text };
  }
  const control = CONTROLS[verb];
  // A drain may be said again with another time: the last one counts.
  const isOtherTime = (name: string): boolean => verb === 'drain' && (drainForMs !== null || host.isDrainLimited(name));
  const changed = rules.filter(({ name }) => host.controlOf(name) !== control || isOtherTime(name));
  const named = `port rule${rules.length === 1 ? '' : 's'} ${rules.map(described).join(', ')}`;
  const are = rules.length === 1 ? 'is' : 'are';
  const back = verb === 'enable' ? onStandby(host, rules) : [];
  if (back.length > 0) host.give(back);
  if (changed.length === 0) {
    const text = `${named} ${are} ${control} on host ${host.name} already${backText(back)}`;
    if (back.length > 0) host.say('ruleAdjusted', text);
    return { ok: true, text };
  }
  const ended = changed.filter(hasGate);
  const open = openText(host, verb === 'disable' ? ended : changed);
  host.control(
    changed.map(({ name }) => name),
    control,
    verb === 'drain' ? drainForMs : null,
  );
  const text = `${named} ${are} ${control} on host ${host.name}${effectText(verb, open)}${limitText(drainForMs)}${backText(back)}${keptText(drainForMs === null ? verb : 'disable', changed)}${othersText(host, verb, changed)}`;
  const cause = CAUSES[verb];
  host.say(port.toLowerCase() === 'all' ? cause.all : cause.one, text);
  const off = offText(host);
  if (off !== '') host.say('ruleWhileStopped', `${named}: ${off.slice(2)}`);
  return { ok: true, text: text + off };
}

/** Names of those in which this host is on standby by what is in force. */
function onStandby(host: ControlledRules, rules: readonly PortRule[]): string[] {
  const inForce = host.inForce();
  const own = inForce?.view.hosts.find(({ name }) => name === host.name);
  return rules.flatMap(({ name }) => {
    const index = inForce?.file.portRules.findIndex((rule) => rule.name === name) ?? -1;
    return own?.rules[index]?.absence === 'standby' ? [name] : [];
  });
}

function backText(back: readonly string[]): string {
  return back.length === 0 ? '' : `; it was on standby in ${back.join(', ')} and takes its part with the next view`;
}

/** Empty where there are none to speak of. */
function openText(host: ControlledRules, rules: readonly PortRule[]): string {
  if (rules.length === 0) return '';
  const counts = rules.map(({ name }) => host.openCount(name));
  if (counts.some((count) => count === null)) return 'open connections';
  const sum = counts.reduce<number>((total, count) => total + count!, 0);
  return counted(sum, 'open connection');
}

function effectText(verb: RuleVerb, open: string): string {
  if (verb === 'enable') return ': it takes new connections with the next view';
  if (open === '') return ': no new connections';
  if (verb === 'disable') return `: no new connections, ${open} to its service here end`;
  return `: no new connections, ${open} to its service here finish`;
}

function limitText(drainForMs: Milliseconds | null): string {
  if (drainForMs === null) return '';
  const time = drainForMs % 1000 === 0 ? stickTimeText(drainForMs) : `${drainForMs} ms`;
  return ` within ${time}; what is open then ends, and the rule is disabled`;
}

/** What the log says when that time is up. @param rule  null where the file has it no more */
export function ruleDrainEndText(rule: PortRule | undefined, name: string, openCount: number | null): string {
  const open = openCount === null ? 'open connections' : counted(openCount, 'open connection');
  const end = rule !== undefined && !hasGate(rule) ? 'go on until they finish' : 'end';
  return `the drain of port rule ${rule === undefined ? name : described(rule)} took as long as it may: it is disabled here now, ${open} to its service ${end}`;
}

/** What has no gate cannot be ended (protocol/xds/gate.ts), and whoever disables it has to know. */
function keptText(verb: RuleVerb, rules: readonly PortRule[]): string {
  const kept = verb === 'disable' ? rules.filter((rule) => !hasGate(rule)).map(({ name }) => name) : [];
  if (kept.length === 0) return '';
  return `. Those of ${kept.join(', ')} go on until they finish: its service is on whichever port the client asked for`;
}

/** Who takes the last host out of a rule should know. */
function othersText(host: ControlledRules, verb: RuleVerb, rules: readonly PortRule[]): string {
  const inForce = host.inForce();
  if (verb === 'enable' || inForce === null) return '';
  const { file, view, lostSince } = inForce;
  const others = view.hosts.filter(({ name }) => name !== host.name && !lostSince.includes(name));
  const unserved = rules.filter(({ name }) => {
    const index = file.portRules.findIndex((rule) => rule.name === name);
    return others.every(({ rules: parts }) => parts[index]?.absence !== null);
  });
  if (unserved.length === 0) return '';
  return `. No other host takes part in ${unserved.map(({ name }) => name).join(', ')}: new connections are refused from now on`;
}

function offText(host: ControlledRules): string {
  return host.state() === 'stopped' ? `; the host is stopped, so this counts from nlb start on` : '';
}
