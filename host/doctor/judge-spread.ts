/**
 * Where connections go, as each host counted them since its Envoy started: all to one host, all in at one host, or all past the
 * port rules to the default host. Few connections say nothing, so little is judged of them. Pure.
 */
import type { RuleHostStatus } from '../admin/status.js';
import type { Absence, ClusterFile, HostName } from '../protocol/types.js';
import { type DoctorFinding, type Examined, listText } from './facts.js';

/** Below this, chance and one busy client look alike. */
const CONNECTIONS_MIN = 100;
/** Of them at one host. */
const PART_MIN = 0.9;
/** A host that is to have more than this may have nearly all. */
const SHARE_MAX = 0.7;

/** Out of the rule by a setting, a verb or its service; who is lost is found elsewhere. */
const REASONS: Partial<Record<Absence, string>> = {
  draining: 'is draining',
  stopped: 'is stopped',
  ruleDisabled: 'has the rule disabled',
  serviceDown: 'has its service down',
  weightZero: 'has load weight 0',
  standby: 'is on standby',
};

export function judgeSpread(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  const rules = file.portRules.filter(({ filteringMode }) => filteringMode === 'multiple').map(({ name }) => name);
  return [
    ...rules.flatMap((rule) => [...oneTakesPart(rule, examined), ...oneGetsAll(file, rule, examined)]),
    ...(file.mode === 'routed' ? oneEntry(examined) : []),
    ...pastRules(examined),
  ];
}

function hostsOf(rule: string, { facts }: Examined): RuleHostStatus[] {
  return facts.status.rules.find(({ name }) => name === rule)?.hosts ?? [];
}

function oneTakesPart(rule: string, examined: readonly Examined[]): DoctorFinding[] {
  const seen = examined.find(({ facts }) => facts.status.state === 'converged');
  const hosts = seen === undefined ? [] : hostsOf(rule, seen);
  const taking = hosts.filter(({ takesPart }) => takesPart);
  const out = hosts.flatMap(({ host, takesPart, absence }) => {
    const reason = takesPart || absence === null ? undefined : REASONS[absence];
    return reason === undefined ? [] : [`${host} ${reason}`];
  });
  if (taking.length !== 1 || out.length === 0) return [];
  const text = `rule ${rule} leads every client to ${taking[0]!.host}: ${listText(out)}`;
  return [finding(text, 'nlb display has the load weights and states of the rule; where it is meant so, all is well')];
}

function oneGetsAll(file: ClusterFile, rule: string, examined: readonly Examined[]): DoctorFinding[] {
  const counts = new Map<HostName, number>();
  for (const { host, connectionCount } of examined.flatMap((each) => hostsOf(rule, each))) {
    counts.set(host, (counts.get(host) ?? 0) + connectionCount);
  }
  const { name, count, total } = largest(counts);
  const share = examined.map((each) => hostsOf(rule, each).find(({ host }) => host === name)?.expectedShare ?? 1);
  if (total < CONNECTIONS_MIN || count < total * PART_MIN || Math.max(...share) > SHARE_MAX) return [];
  const { affinity } = file.portRules.find((each) => each.name === rule)!;
  const expected = `${Math.round(Math.max(...share) * 100)} %`;
  const why = affinity === 'none' ? '' : `; with affinity ${affinity} all clients behind one address are one client`;
  const text = `rule ${rule}: ${count} of ${total} connections went to ${name}, expected ${expected}${why}`;
  const todo =
    affinity === 'none'
      ? `nlb explain CLIENT says why they go there; the counts are since the Envoys started, and hosts may have been away`
      : `look for a NAT or a proxy in front (connectionLog has the clients); affinity none spreads them`;
  return [finding(text, todo)];
}

/** Mode routed: DNS or a router is to spread the entries; the owners are the same either way. */
function oneEntry(examined: readonly Examined[]): DoctorFinding[] {
  const counts = new Map<HostName, number>();
  for (const { facts } of examined) {
    const entered = facts.status.rules.flatMap(({ hosts }) => hosts.map(({ connectionCount }) => connectionCount));
    counts.set(
      facts.host,
      entered.reduce((sum, one) => sum + one, 0),
    );
  }
  const { name, count, total } = largest(counts);
  if (counts.size < 2 || total < CONNECTIONS_MIN || count < total * PART_MIN) return [];
  const text = `${count} of ${total} connections entered at ${name}: those that are open depend on that one machine`;
  return [finding(text, 'let DNS give the addresses of all hosts in turn, or the router spread over all of them')];
}

function pastRules(examined: readonly Examined[]): DoctorFinding[] {
  let [past, byRule] = [0, 0];
  for (const { facts } of examined) {
    const { otherPorts, rules } = facts.status;
    past += (otherPorts?.servedHereCount ?? 0) + (otherPorts?.handedOffCount ?? 0);
    for (const { hosts } of rules) byRule += hosts.reduce((sum, { connectionCount }) => sum + connectionCount, 0);
  }
  if (past < CONNECTIONS_MIN || past < (past + byRule) * PART_MIN) return [];
  const text = `${past} of ${past + byRule} connections came to ports that no port rule covers: the default host gets them all`;
  return [finding(text, 'write a port rule for these ports; nlb display has the rules')];
}

function largest(counts: ReadonlyMap<HostName, number>): { name: HostName; count: number; total: number } {
  const [[name, count] = ['', 0]] = [...counts].sort(([, a], [, b]) => b - a);
  return { name, count, total: [...counts.values()].reduce((sum, one) => sum + one, 0) };
}

function finding(text: string, todo: string): DoctorFinding {
  return { check: 'spread', host: null, text, todo };
}
