/** Hosts on standby in a change that is planned: who leaves a rule with `failback: never` brings them in (protocol/standby.ts). */
import type { HostName, InForce, PortRule, RulePart } from '../protocol/types.js';

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
