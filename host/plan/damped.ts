/**
 * What keeps the clients of a rule from moving as the shares say: `stickFor` keeps those seen lately where their host still takes
 * part, `failback` lets a host that comes have its part by and by, or not at all. Pure.
 */
import type { HostName, InForce, PortRule } from '../protocol/types.js';
import type { Flow } from './plan.js';

export interface Damped {
  /** 0-1 of the rule's clients: those that move from a host that still takes part, and stay there if they were seen lately. */
  stickyShare: number;
  /** Null where there is none, or none yet: then nobody is known to have been seen lately. */
  stickForMs: number | null;
  /** Hosts that come by `failback: slowly`, which have their share in the end. */
  slowly: { hosts: HostName[]; failbackMs: number } | null;
  /** Hosts on standby after the change (`failback: never`). */
  standby: HostName[];
}

export function dampedOf(before: InForce, after: InForce, name: string, flows: readonly Flow[]): Damped {
  const [was, is] = [partsOf(before, name), partsOf(after, name)];
  const stickForMs =
    (was?.rule.stickForMs !== undefined && isSameKey(before, was.rule, after, is?.rule) && is?.rule.stickForMs) || null;
  const sticky = flows.filter(({ from, to }) => from !== null && to !== null && (is?.taking.has(from) ?? false));
  return {
    stickyShare: stickForMs === null ? 0 : sticky.reduce((sum, { share }) => sum + share, 0),
    stickForMs,
    slowly: slowlyOf(before, was, is),
    standby: is?.standby ?? [],
  };
}

interface Parts {
  rule: PortRule;
  /** Load weights in force of those that take part. */
  taking: ReadonlyMap<HostName, number>;
  standby: HostName[];
}

function partsOf({ file, view, lostSince }: InForce, name: string): Parts | null {
  const index = file.portRules.findIndex((rule) => rule.name === name);
  const rule = file.portRules[index];
  if (rule === undefined) return null;
  const there = view.hosts.filter((host) => !lostSince.includes(host.name));
  const taking = there.filter(({ rules }) => rules[index]?.absence === null);
  const standby = there.filter(({ rules }) => rules[index]?.absence === 'standby');
  return {
    rule,
    taking: new Map(taking.map((host) => [host.name, host.rules[index]!.loadWeight])),
    standby: standby.map((host) => host.name),
  };
}

/** Clients are remembered by the hash of their key: with another one they are strangers. */
function isSameKey(before: InForce, was: PortRule, after: InForce, is: PortRule | undefined): boolean {
  const keyOf = ({ file }: InForce, rule: PortRule): string =>
    JSON.stringify([file.hashSeed, file.ipv6PrefixLength, rule.affinity]);
  return is !== undefined && keyOf(before, was) === keyOf(after, is);
}

/** Who is new in the file, or has not all of its weight yet. */
function slowlyOf(before: InForce, was: Parts | null, is: Parts | null): Damped['slowly'] {
  const failbackMs = is?.rule.failbackMs ?? 0;
  if (was === null || is === null || failbackMs === 0) return null;
  const comes = (name: HostName, weight: number): boolean => {
    if (!before.file.hosts.some((host) => host.name === name)) return true;
    const had = was.taking.get(name);
    return had !== undefined && had < weight && had < (was.rule.loadWeights[name] ?? 0);
  };
  const hosts = [...is.taking].filter(([name, weight]) => comes(name, weight)).map(([name]) => name);
  return hosts.length === 0 ? null : { hosts, failbackMs };
}
