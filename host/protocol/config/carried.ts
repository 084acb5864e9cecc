/**
 * How the ports of the rules are carried: by an Envoy listener each, or, where that would be too many, by a redirect in the
 * kernel to one listener. The widest rules are redirected first, so a file decides alone, the same on every host.
 *
 *     rule       ports          listeners on 2 virtual IPs
 *     passive    40000-49999    20,000   redirected
 *     web        8000-8399         800   listeners
 *     smtp       25                  2   listeners
 */
import { LISTENERS_MAX } from './defaults.js';
import { type PortRange, portsOf, without } from './ports.js';

/** What of a rule this depends on. */
export interface Reach {
  /** Null: all of them. */
  virtualIp: string | null;
  range: PortRange;
  /** False for a disabled rule: it has ports, but nothing listens there. */
  isServed: boolean;
}

/**
 * The ports that a rule has at an address: one for all virtual IPs leaves those to a rule for that one alone, be it a
 * disabled one.
 *
 * @param address  a virtual IP; null with listenOn dedicatedIp
 */
export function rangesAt(all: readonly Reach[], one: Reach, address: string | null): PortRange[] {
  if (one.virtualIp !== null) return one.virtualIp === address ? [one.range] : [];
  const particular = all.filter(({ virtualIp }) => virtualIp !== null && virtualIp === address);
  return without(
    [one.range],
    particular.map(({ range }) => range),
  );
}

/** The rules that are redirected: none where all ports on all addresses are at most 1,024 listeners. */
export function redirectedOf<R extends Reach>(all: readonly R[], addresses: readonly (string | null)[]): Set<R> {
  const count = (rule: R): number =>
    addresses.flatMap((address) => rangesAt(all, rule, address)).reduce((sum, range) => sum + portsOf(range), 0);
  const served = all.filter(({ isServed }) => isServed).map((rule) => ({ rule, listeners: count(rule) }));
  let total = served.reduce((sum, { listeners }) => sum + listeners, 0);
  const redirected = new Set<R>();
  for (const { rule, listeners } of served.sort((a, b) => b.listeners - a.listeners)) {
    if (total <= LISTENERS_MAX) break;
    redirected.add(rule);
    total -= listeners;
  }
  return redirected;
}
