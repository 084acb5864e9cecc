/** Puts together what the protocol, Envoy and the checks say into the one status that everybody reads. Pure. */
import type { ProtocolStatus } from '../protocol/events.js';
import type { ClusterFile, InForce, PortRule, RuleControl } from '../protocol/types.js';
import type { EnvoyState } from '../edge/envoy-minder.js';
import type { RuleTraffic, Traffic } from '../edge/traffic.js';
import { isRedirected, NO_RULE } from '../protocol/xds/index.js';
import type {
  ClusterStatus,
  HostStatus,
  OtherPortsStatus,
  ProblemStatus,
  RecentClientsStatus,
  RuleHostStatus,
  RuleStatus,
} from './status.js';

export interface StatusParts {
  self: string;
  /** The file in force, or the one on disk before the first view. */
  file: ClusterFile;
  filePath: string;
  protocol: ProtocolStatus;
  envoy: Omit<EnvoyState, 'state'> & { state: ClusterStatus['envoy']['state'] };
  traffic: Traffic;
  /** By rule, then by host name: part of the buckets, 0-1. Empty until they are counted. */
  shares: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** By rule; none where clients are not remembered. */
  recentClients: ReadonlyMap<string, RecentClientsStatus>;
  /** By rule: why the service of this host is down. */
  serviceFailures: ReadonlyMap<string, string>;
  virtualIp: ClusterStatus['virtualIp'];
  drain: ClusterStatus['drain'];
  /** Until when a rule of this host drains at most, monotonic. */
  ruleDrainEndMs?(rule: string): number | null;
  /** Of this sidecar, in the words of an administrator. */
  ownProblems: readonly { since: string; text: string }[];
  startedAt: string;
  /** Monotonic to ISO 8601, for people. */
  wallIsoOf(ms: number): string;
}

const PROBLEMS_MAX = 50;

export function buildStatus(parts: StatusParts): ClusterStatus {
  const { protocol, file, envoy, wallIsoOf } = parts;
  const problems = protocol.problems.map(({ sinceMs, text, cause, host, todo }) => {
    return { since: wallIsoOf(sinceMs), text, cause, host, todo };
  });
  return {
    clusterName: file.clusterName,
    mode: file.mode,
    thisHost: parts.self,
    state: protocol.state,
    view: viewStatus(parts),
    drain: parts.drain,
    lostSince: protocol.inForce?.lostSince ?? [],
    hosts: hostStatuses(parts),
    rules: file.portRules.map((rule, index) => ruleStatus(parts, rule, index)),
    ...(file.otherPorts === 'defaultHost' ? { otherPorts: otherPortsStatus(parts) } : {}),
    virtualIp: parts.virtualIp,
    envoy: { ...envoy, tookConfiguration: protocol.taken },
    file: fileStatus(parts),
    droppedPackets: Object.fromEntries(Object.entries(protocol.droppedPackets).filter(([, count]) => count > 0)),
    problems: [...ownProblems(parts), ...serviceProblems(parts), ...problems].slice(0, PROBLEMS_MAX),
    startedAt: parts.startedAt,
  };
}

function fileStatus({ filePath, protocol }: StatusParts): ClusterStatus['file'] {
  const { fingerprint, revision, offered, detail } = protocol.file;
  return { path: filePath, fingerprint, revision, offered, detail };
}

function viewStatus({ protocol, wallIsoOf }: StatusParts): ClusterStatus['view'] {
  if (!protocol.inForce) return null;
  const { number, checksum, fingerprint } = protocol.inForce.view;
  return { number, checksum, fingerprint, since: wallIsoOf(protocol.inForceSinceMs), cause: protocol.inForceCause };
}

function hostStatuses({ protocol, self, wallIsoOf }: StatusParts): HostStatus[] {
  const defaultHost = hostsInForce(protocol.inForce)[0]?.name ?? null;
  return protocol.hosts.map((host) => ({
    name: host.name,
    priority: host.priority,
    dedicatedIp: host.dedicatedIp,
    state: host.state,
    since: wallIsoOf(host.sinceMs),
    isDefaultHost: host.name === defaultHost,
    isThisHost: host.name === self,
    detail: host.detail,
  }));
}

/** By ascending priority, as the view lists them. */
function hostsInForce(inForce: InForce | null): InForce['view']['hosts'] {
  return inForce?.view.hosts.filter((host) => !inForce.lostSince.includes(host.name)) ?? [];
}

function ruleStatus(parts: StatusParts, rule: PortRule, index: number): RuleStatus {
  const traffic = parts.traffic.get(rule.name);
  const recentClients = parts.recentClients.get(rule.name);
  return {
    name: rule.name,
    virtualIp: rule.virtualIp,
    portFirst: rule.portFirst,
    portLast: rule.portLast,
    protocol: rule.protocol,
    filteringMode: rule.filteringMode,
    affinity: rule.affinity,
    control: controlAt(parts, parts.self, index) ?? 'enabled',
    ...drainEnd(parts, rule),
    hosts: ruleHosts(parts, rule, index, traffic),
    handedToUsCount: traffic?.handedToUsCount ?? 0,
    fallbackCount: traffic?.fallbackCount ?? 0,
    refusedCounts: traffic?.refusedCounts ?? {},
    openCount: traffic?.enteredOpenCount ?? 0,
    servedOpenCount: traffic?.servedOpenCount ?? 0,
    ...(isRedirected(parts.file, rule) ? { isRedirected: true } : {}),
    ...(recentClients ? { recentClients } : {}),
  };
}

function drainEnd({ ruleDrainEndMs, wallIsoOf }: StatusParts, { name }: PortRule): Pick<RuleStatus, 'drainEndsAt'> {
  const endMs = ruleDrainEndMs?.(name) ?? null;
  return endMs === null ? {} : { drainEndsAt: wallIsoOf(endMs) };
}

function otherPortsStatus({ traffic }: StatusParts): OtherPortsStatus {
  const counted = traffic.get(NO_RULE);
  const handedOff = [...(counted?.handedOffCounts.values() ?? [])];
  return {
    servedHereCount: counted?.servedHereCount ?? 0,
    handedOffCount: handedOff.reduce((sum, count) => sum + count, 0),
    refusedCounts: counted?.refusedCounts ?? {},
    openCount: counted?.enteredOpenCount ?? 0,
    servedOpenCount: counted?.servedOpenCount ?? 0,
  };
}

function ruleHosts(parts: StatusParts, rule: PortRule, index: number, traffic?: RuleTraffic): RuleHostStatus[] {
  const { inForce } = parts.protocol;
  const counts = new Map(parts.file.hosts.map(({ name }) => [name, connectionCount(name, parts.self, traffic)]));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return parts.file.hosts.map(({ name }) => {
    const part = inForce?.view.hosts.find((host) => host.name === name)?.rules[index];
    const isLost = inForce?.lostSince.includes(name) ?? false;
    const absence = part === undefined || isLost ? 'lost' : part.absence;
    const count = counts.get(name) ?? 0;
    return {
      host: name,
      control: controlAt(parts, name, index),
      takesPart: absence === null && rule.filteringMode !== 'disabled',
      absence,
      ...(part?.standsInFor === undefined || isLost ? {} : { standsInFor: part.standsInFor }),
      loadWeight: part?.loadWeight ?? 0,
      handlingPriority: part?.handlingPriority ?? 0,
      expectedShare: parts.shares.get(rule.name)?.get(name) ?? 0,
      connectionCount: count,
      measuredShare: total > 0 ? count / total : null,
    };
  });
}

function controlAt({ protocol }: StatusParts, host: string, index: number): RuleControl | null {
  return protocol.hosts.find(({ name }) => name === host)?.rules?.[index] ?? null;
}

function connectionCount(host: string, self: string, traffic?: RuleTraffic): number {
  if (!traffic) return 0;
  return host === self ? traffic.servedHereCount : (traffic.handedOffCounts.get(host) ?? 0);
}

function ownProblems(parts: StatusParts): ProblemStatus[] {
  return parts.ownProblems.map((each) => ({ ...each, cause: null, host: parts.self, todo: null }));
}

function serviceProblems({ serviceFailures, startedAt, self }: StatusParts): ProblemStatus[] {
  return [...serviceFailures].map(([rule, why]) => ({
    since: startedAt,
    text: `The service of port rule ${rule} does not answer as expected: ${why}`,
    cause: null,
    host: self,
    todo: null,
  }));
}
