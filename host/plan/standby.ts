/** Hosts on standby in a change that is planned (`failback: never`, protocol/standby.ts): who comes is, who leaves brings them in. */
import { hasSeat, knowSeats, partIn, seatFor } from '../protocol/seats.js';
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
    const was = seatsIn(
      before,
      before.file.portRules.findIndex(({ name }) => name === rule.name),
    );
    const is = seatsIn(after, index);
    const free = rule.filteringMode === 'multiple' ? was.filter((seat) => !is.includes(seat)) : [];
    if (is.length > 0 && free.length === 0) continue;
    const waiting = [...after.view.hosts]
      .filter(({ name, rules }) => rules[index]?.absence === 'standby' && !after.lostSince.includes(name))
      .sort((a, b) => a.priority - b.priority);
    const lawful = knowSeats(after.view.protocolVersion, after.file) ? free.filter((seat) => hasSeat(rule, seat)) : [];
    const names = waiting.map(({ name }) => name);
    for (const host of waiting) {
      const own = partOf(rule, host.name);
      const seat = seatFor(host.name, lawful, names);
      if (is.length === 0 || lawful.length === 0) host.rules[index] = own;
      else if (seat !== undefined) host.rules[index] = partIn(rule, host.name, own, seat);
    }
  }
}

/** The seats in which somebody takes part (protocol/seats.ts). */
function seatsIn({ view, lostSince }: InForce, index: number): HostName[] {
  return view.hosts.flatMap(({ name, rules }) => {
    const part = rules[index];
    return part?.absence === null && !lostSince.includes(name) ? [part.standsInFor ?? name] : [];
  });
}

function partOf({ loadWeights, handlingPriorities }: PortRule, name: HostName): RulePart {
  return { loadWeight: loadWeights[name] ?? 0, handlingPriority: handlingPriorities[name] ?? 0, absence: null };
}
