/** Where a packet goes whose connection this host does not know either: round all hosts of the view, in the order of priority. */
import type { HostName, InForce } from '../protocol/types.js';
import type { Ring } from './handoff-ruleset.js';

/** @param macs  of the other hosts; one without is left out */
export function ringOf({ view, lostSince }: InForce, self: HostName, macs: ReadonlyMap<HostName, string>): Ring {
  const there = view.hosts.filter(({ name }) => !lostSince.includes(name) && (name === self || macs.has(name)));
  const names = there.sort((a, b) => a.priority - b.priority).map(({ name }) => name);
  // A host outside the view gives what it does not know to those inside.
  if (!names.includes(self)) names.unshift(self);
  const next = names[(names.indexOf(self) + 1) % names.length]!;
  return { nextMac: next === self ? null : macs.get(next)!, hostCount: names.length };
}
