/** Hosts on standby in a change that is planned (`failback: never`, protocol/standby.ts): who comes is, who leaves brings them in. */
import type { HostName, InForce, PortRule, RulePart } from '../protocol/types.js';

/** A host that only the new file lists is on standby in rules that others serve already. Changes `after`. */
export function holdBack(before: InForce, after: InForce): void {
  for (const [index, rule] of after.file.portRules.entries()) {
    if (rule.failback !== 'never' || !before.file.portRules.some(({ name }) => name === rule.name)) continue;
    const isThere = ({ name }: { name: HostName }) => before.file.hosts.some((host) => host.name === name);
    if (!after.view.hosts.some((host) => isThere(host) && host.rules[index]?.absence === null)) continue;
    for (const host of after.view.hosts.filter((each) => !isThere(each) && each.rules[index]?.absence === null)) {
      host.rules[index] = { loadWeight: 0, handlingPriority: 0, absence: 'standby' };
    }
  }
}

/** Changes `after`. */
export function bringIn(before: InForce, after: InForce): void {
  for (const [index, rule] of after.file.portRules.entries()) {
    if (rule.failback !== 'never') continue;
    const was = takersOf(
      before,
      before.file.portRules.findIndex(({ name }) => name === rule.name),
    );
    const is = takersOf(after, index);
    const isLeft = rule.filteringMode === 'multiple' && was.some((name) => !is.includes(name));
    if (is.length > 0 && !isLeft) continue;
    for (const host of after.view.hosts) {
      if (host.rules[index]?.absence === 'standby') host.rules[index] = partOf(rule, host.name);
    }
  }
}

function takersOf({ view, lostSince }: InForce, index: number): HostName[] {
  const hosts = view.hosts.filter(({ name, rules }) => rules[index]?.absence === null && !lostSince.includes(name));
  return hosts.map(({ name }) => name);
}

function partOf({ loadWeights, handlingPriorities }: PortRule, name: HostName): RulePart {
  return { loadWeight: loadWeights[name] ?? 0, handlingPriority: handlingPriorities[name] ?? 0, absence: null };
}
