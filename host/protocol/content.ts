/**
 * What a view says: the part of each host in each rule, made from the file and from what each host says of itself; and
 * the identity of a view, (number, checksum), R3. Equal inputs give equal text on every host, bit for bit.
 */
import { checksum64 } from './checksum.js';
import type { RuleState } from './heartbeat.js';
import { isOut } from './host-state.js';
import { type Claim, knowSeats, partIn, seatsOf } from './seats.js';
import type {
  Absence,
  ClusterFile,
  Fingerprint,
  HostName,
  HostState,
  PortRule,
  RulePart,
  View,
  ViewHost,
} from './types.js';

/** A host as it goes into a view. */
export interface Participant {
  name: HostName;
  hostState: HostState;
  /** Eighths of its weights that a host which came back has again; 0 for all of them. @default 0 */
  returning?: number;
  rules: readonly RuleState[];
  /** In the rules in which it stands in for another one. @default null */
  standsInFor?: HostName | null;
}

/** A view before it has a number. `text` is everything the checksum covers but the number. */
export interface Content {
  file: ClusterFile;
  fingerprint: Fingerprint;
  decisionVersion: number;
  protocolVersion: number;
  hosts: ViewHost[];
  text: string;
}

export function buildContent(
  file: ClusterFile,
  fingerprint: Fingerprint,
  participants: readonly Participant[],
  versions: { protocol: number; decision: number },
): Content {
  const hosts: ViewHost[] = [];
  for (const config of [...file.hosts].sort((a, b) => a.priority - b.priority)) {
    const participant = participants.find((each) => each.name === config.name);
    if (participant === undefined) continue;
    const rules = file.portRules.map((rule, index) => rulePart(rule, participant, participant.rules[index] ?? 'up'));
    hosts.push({ name: config.name, priority: config.priority, rules });
  }
  for (const index of file.portRules.keys()) {
    takeSeats(file, index, hosts, participants, versions.protocol);
    returnSlowly(file, index, hosts, participants);
  }
  return contentOf(file, {
    fingerprint,
    decisionVersion: versions.decision,
    protocolVersion: versions.protocol,
    hosts,
  });
}

/** The content of a view that exists already, e.g. of an earlier life of this host. */
export function contentOf(file: ClusterFile, view: Omit<View, 'number' | 'checksum'>): Content {
  const { fingerprint, decisionVersion, protocolVersion, hosts } = view;
  const parts = hosts.map((host) => [host.name, host.priority, ...host.rules.map(partText)]);
  const text = JSON.stringify([fingerprint, protocolVersion, decisionVersion, parts]);
  return { file, fingerprint, decisionVersion, protocolVersion, hosts, text };
}

/** As checksums and the history have it; nothing more where nobody stands in, so that both stay what they were. */
export function partText({ loadWeight, handlingPriority, absence, standsInFor }: RulePart): string {
  const text = `${loadWeight}/${handlingPriority}/${absence ?? ''}`;
  return standsInFor === undefined ? text : `${text}/${standsInFor}`;
}

export function viewOf(content: Content, number: number): View {
  return {
    number,
    checksum: checksumOf(content, number),
    fingerprint: content.fingerprint,
    decisionVersion: content.decisionVersion,
    protocolVersion: content.protocolVersion,
    hosts: content.hosts,
  };
}

export function checksumOf(content: Content, number: number): string {
  return checksum64(`${number}|${content.text}`);
}

/** Identity of what is in force: the view and the hosts lost since (R4). */
export function inForceChecksum(view: View, lostSince: readonly HostName[]): string {
  return checksum64(`${view.number}|${view.checksum}|${[...lostSince].sort().join(',')}`);
}

function rulePart(rule: PortRule, host: Participant, state: RuleState): RulePart {
  const loadWeight = rule.loadWeights[host.name];
  const handlingPriority = rule.handlingPriorities[host.name];
  const absence = absenceOf(rule, host, state);
  if (absence !== null) return { loadWeight: 0, handlingPriority: 0, absence };
  return {
    loadWeight: rule.filteringMode === 'multiple' ? loadWeight! : 0,
    handlingPriority: rule.filteringMode === 'single' ? handlingPriority! : 0,
    absence: null,
  };
}

/**
 * A host that came back has part of its weight, where the rule says so and others have all of theirs: where all come at the
 * same time, as at a cold start, nobody is slowed down. Weighted rendezvous moves nobody between the others.
 */
function returnSlowly(file: ClusterFile, index: number, hosts: ViewHost[], participants: readonly Participant[]): void {
  const failbackMs = file.portRules[index]!.failbackMs;
  if (failbackMs === undefined) return;
  // Eighths are of the longest time in the file: a rule with a shorter one is done earlier.
  const longestMs = Math.max(...file.portRules.map((rule) => rule.failbackMs ?? 0));
  const takingPart = hosts.filter((host) => host.rules[index]!.absence === null);
  const eighthsOf = (host: ViewHost) => participants.find(({ name }) => name === host.name)?.returning ?? 0;
  if (takingPart.every((host) => eighthsOf(host) > 0)) return;
  for (const host of takingPart) {
    const eighths = eighthsOf(host);
    if (eighths === 0) continue;
    const part = Math.min(1, (eighths * longestMs) / (8 * failbackMs));
    const rule = host.rules[index]!;
    host.rules[index] = { ...rule, loadWeight: Math.max(1, Math.round(rule.loadWeight * part)) };
  }
}

/** `failback: never`: who is on standby has no part where another takes part that is not; who stands in has the other's (seats.ts). */
function takeSeats(
  file: ClusterFile,
  index: number,
  hosts: ViewHost[],
  participants: readonly Participant[],
  protocol: number,
): void {
  const rule = file.portRules[index]!;
  if (rule.failback !== 'never') return;
  const takingPart = hosts.filter((host) => host.rules[index]!.absence === null);
  const claims = takingPart.map(({ name }): Claim => {
    const { rules, standsInFor = null } = participants.find((each) => each.name === name)!;
    return { name, state: rules[index] ?? 'up', standsInFor };
  });
  const seats = seatsOf(rule, claims, knowSeats(protocol, file));
  if (seats.size === 0) return;
  for (const host of takingPart) host.rules[index] = partIn(rule, host.name, host.rules[index]!, seats.get(host.name));
}

/** Reasons in the order of weight: what the administrator did to the whole host comes first. */
function absenceOf(rule: PortRule, host: Participant, state: RuleState): Absence | null {
  if (isOut(host.hostState)) return 'stopped';
  if (host.hostState === 'draining') return 'draining';
  if (rule.filteringMode === 'disabled' || state === 'ruleDisabled') return 'ruleDisabled';
  if (state === 'ruleDraining') return 'draining';
  if (state === 'serviceDown') return 'serviceDown';
  if (rule.filteringMode === 'multiple') {
    const weight = rule.loadWeights[host.name];
    if (weight === undefined) return 'notListed';
    return weight === 0 ? 'weightZero' : null;
  }
  return rule.handlingPriorities[host.name] === undefined ? 'notListed' : null;
}
