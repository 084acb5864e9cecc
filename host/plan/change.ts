/**
 * What would be in force after a change that nobody has made yet: another file, a weight, a drained host, a lost one. Pure.
 * Where something is unknown (a new host, a new rule), it counts as there and well.
 */
import { inForceOfFile } from '../admin/explain.js';
import type { Absence, ClusterFile, HostName, InForce, PortRule, RulePart, ViewHost } from '../protocol/types.js';
import { hasSeat, partIn } from '../protocol/seats.js';
import { bringIn, holdBack } from './standby.js';

export interface Weight {
  rule: string;
  host: HostName;
  /** 0-100 */
  loadWeight: number;
}

export interface Change {
  /** The whole file, where another one is planned. */
  file: ClusterFile | null;
  weights: readonly Weight[];
  drained: readonly HostName[];
  lost: readonly HostName[];
}

/** A change that cannot be: its sentence is for the person. */
export class ChangeError extends Error {}

/** @throws ChangeError where the change names what is not there */
export function changed(before: InForce, change: Change): InForce {
  const withFile = change.file === null ? copyOf(before) : withOtherFile(before, change.file);
  for (const weight of change.weights) setWeight(withFile, weight);
  for (const name of change.drained) drain(withFile, name);
  const lost = change.lost.map((name) => inView(withFile, name).name);
  holdBack(before, withFile);
  const after = { ...withFile, lostSince: [...new Set([...withFile.lostSince, ...lost])] };
  bringIn(before, after);
  return after;
}

/** What an administrator or a dead service did stays; what the file said is asked anew. */
const STAYS: ReadonlySet<Absence> = new Set(['draining', 'stopped', 'serviceDown']);

function withOtherFile(before: InForce, file: ClusterFile): InForce {
  const fresh = inForceOfFile(file, before.view.decisionVersion);
  const hosts = fresh.view.hosts.filter(({ name }) => wasIn(before, name) || isNew(before, name));
  for (const host of hosts) {
    const old = before.view.hosts.find(({ name }) => name === host.name);
    for (const [index, rule] of file.portRules.entries()) {
      const absence = stayingAbsence(before, old, rule);
      if (absence !== null) host.rules[index] = { loadWeight: 0, handlingPriority: 0, absence };
      else host.rules[index] = seated(rule, host, index, seatIn(before, old, rule));
    }
  }
  const lostSince = before.lostSince.filter((name) => hosts.some((host) => host.name === name));
  return {
    file,
    view: { ...fresh.view, protocolVersion: before.view.protocolVersion, number: before.view.number, hosts },
    lostSince,
  };
}

function wasIn(before: InForce, name: HostName): boolean {
  return before.view.hosts.some((host) => host.name === name);
}

function isNew(before: InForce, name: HostName): boolean {
  return !before.file.hosts.some((host) => host.name === name);
}

function stayingAbsence(before: InForce, old: ViewHost | undefined, rule: PortRule): Absence | null {
  if (old === undefined) return null;
  const index = before.file.portRules.findIndex(({ name }) => name === rule.name);
  const absence = old.rules[index]?.absence ?? null;
  if (absence === 'standby') return rule.failback === 'never' ? absence : null;
  if (absence !== null && STAYS.has(absence)) return absence;
  // A rule that is new: a host that is out of every other one is out of this one.
  const whole = old.rules.length > 0 && old.rules.every((part) => part.absence === 'draining') ? 'draining' : null;
  return index === -1 ? whole : null;
}

function setWeight({ file, view }: InForce, { rule, host, loadWeight }: Weight): void {
  const index = file.portRules.findIndex(({ name }) => name === rule);
  const found = file.portRules[index];
  if (found === undefined) throw new ChangeError(`There is no port rule ${rule}, expected ${namesOf(file.portRules)}`);
  if (found.filteringMode !== 'multiple') {
    throw new ChangeError(`Port rule ${rule} has no load weights: its filtering mode is ${found.filteringMode}`);
  }
  if (!file.hosts.some(({ name }) => name === host)) {
    throw new ChangeError(`There is no host ${host}, expected ${namesOf(file.hosts)}`);
  }
  found.loadWeights[host] = loadWeight;
  const viewHost = view.hosts.find(({ name }) => name === host);
  const part = viewHost?.rules[index];
  if (viewHost === undefined || part === undefined) return;
  if (part.absence === null || part.absence === 'weightZero' || part.absence === 'notListed') {
    const absence = loadWeight > 0 ? null : 'weightZero';
    viewHost.rules[index] = { ...part, loadWeight, absence };
  }
  // Who stands in for that host has no more than it.
  for (const each of view.hosts) each.rules[index] = seated(found, each, index, each.rules[index]!.standsInFor);
}

/** Whom a host stands in for by what is in force; it goes on with that where the new file lets it. */
function seatIn(before: InForce, old: ViewHost | undefined, { name }: PortRule): HostName | undefined {
  return old?.rules[before.file.portRules.findIndex((rule) => rule.name === name)]?.standsInFor;
}

function seated(rule: PortRule, { name, rules }: ViewHost, index: number, seat: HostName | undefined): RulePart {
  const own = rules[index]!;
  if (seat === undefined || own.absence !== null || rule.failback !== 'never' || !hasSeat(rule, seat)) return own;
  return partIn(rule, name, own, seat);
}

function drain(inForce: InForce, name: HostName): void {
  const host = inView(inForce, name);
  const part: RulePart = { loadWeight: 0, handlingPriority: 0, absence: 'draining' };
  host.rules = host.rules.map((was) => (was.absence === 'stopped' ? was : { ...part }));
}

function inView({ file, view }: InForce, name: HostName): ViewHost {
  const host = view.hosts.find((each) => each.name === name);
  if (host !== undefined) return host;
  const isListed = file.hosts.some((each) => each.name === name);
  const why = isListed ? `Host ${name} is not in the view` : `There is no host ${name}`;
  throw new ChangeError(`${why}, expected ${namesOf(view.hosts)}`);
}

function namesOf(named: readonly { name: string }[]): string {
  return named.map(({ name }) => name).join(', ') || 'none';
}

function copyOf(inForce: InForce): InForce {
  return structuredClone(inForce);
}
