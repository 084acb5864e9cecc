/** A draft without mistakes, made into the ClusterFile that everything else reads. */
import type { ClusterFile, HostConfig, PersistedState, PortRule, Service } from '../types.js';
import { DEFAULTS, defaultPatienceMs } from './defaults.js';
import type { Draft, HostDraft, RuleDraft, ServiceDraft, Sound } from './draft.js';
import { linkOf } from './link.js';
import { connectionLogOf } from './connection-log.js';
import { remoteControlOf } from './remote-control.js';

/** Asserts rather than checks: whoever calls this has found no mistake in the file. */
export function clusterFileOf(draft: Draft, sound: Sound): ClusterFile {
  const hosts: HostConfig[] = draft.hosts.map(hostFrom).sort((a, b) => a.priority - b.priority);
  const link = linkOf(draft);
  const remoteControl = remoteControlOf(draft);
  const connectionLog = connectionLogOf(sound);
  return {
    clusterName: sure(sound.get<string>('cluster')),
    mode: sure(draft.link.mode),
    listenOn: sure(draft.listenOn),
    virtualIps: draft.virtualIps.map(({ address }) => address),
    hashSeed: sure(sound.get<number>('hashSeed')),
    ipv6PrefixLength: sound.or<number>(DEFAULTS.ipv6PrefixLength, 'ipv6PrefixLength'),
    heartbeat: draft.heartbeat,
    ports: draft.ports,
    // The default says nothing, so that files of before keep their fingerprint.
    ...(draft.otherPorts === 'defaultHost' ? { otherPorts: 'defaultHost' as const } : {}),
    keyFile: sound.or<string>(DEFAULTS.keyFile, 'keyFile'),
    hosts,
    portRules: draft.rules.map((rule) => portRuleOf(rule, hosts)),
    // Left out where it says nothing, so that the fingerprint of a file in mode routed stays what it was.
    ...(link === undefined ? {} : { link }),
    ...(remoteControl === undefined ? {} : { remoteControl }),
    ...(connectionLog === undefined ? {} : { connectionLog }),
  };
}

/** In the order of the states, so that the order in the file makes no other fingerprint. */
const STATES: readonly PersistedState[] = ['started', 'stopped', 'suspended'];

function hostFrom({ name, priority, dedicatedIp, initialState = 'started', persistedStates }: HostDraft): HostConfig {
  const kept = STATES.filter((state) => persistedStates?.includes(state) ?? true);
  return {
    name: sure(name),
    priority: sure(priority),
    dedicatedIp: sure(dedicatedIp),
    ...(initialState === 'started' ? {} : { initialState }),
    ...(kept.length === STATES.length ? {} : { persistedStates: kept }),
  };
}

function portRuleOf(rule: RuleDraft, hosts: readonly HostConfig[]): PortRule {
  const range = sure(rule.range);
  const filteringMode = sure(rule.filteringMode);
  // Affinity chooses among several hosts; the other modes have one value, so that equal rules have equal fingerprints.
  const affinity = filteringMode === 'multiple' ? sure(rule.affinity) : 'none';
  const byHost = (of: (host: HostConfig) => number): Record<string, number> =>
    Object.fromEntries(hosts.map((host) => [host.name, of(host)]));
  const equal = (): Record<string, number> => byHost(() => DEFAULTS.equalWeight);
  const priorities = (): Record<string, number> => byHost((host) => host.priority);
  return {
    name: sure(rule.name),
    virtualIp: rule.virtualIp,
    portFirst: range.first,
    portLast: range.last,
    protocol: DEFAULTS.protocol,
    filteringMode,
    affinity,
    loadWeights: filteringMode === 'multiple' ? (rule.loadWeights ?? equal()) : {},
    handlingPriorities: filteringMode === 'single' ? (rule.handlingPriorities ?? priorities()) : {},
    // A single-host rule has no fallback before the next view; its owner is waited for as under affinity.
    ownerPatienceMs: rule.ownerPatienceMs ?? defaultPatienceMs(filteringMode === 'multiple' ? affinity : 'single'),
    ...(filteringMode === 'multiple' && rule.stickForMs !== undefined ? { stickForMs: rule.stickForMs } : {}),
    ...(filteringMode === 'multiple' && rule.failback && rule.failback !== 'never'
      ? { failbackMs: rule.failback }
      : {}),
    ...(filteringMode !== 'disabled' && rule.failback === 'never' ? { failback: rule.failback } : {}),
    service: filteringMode === 'disabled' ? null : serviceFrom(sure(rule.service)),
  };
}

function serviceFrom(draft: ServiceDraft): Service {
  return {
    address: sure(draft.address),
    proxyProtocol: sure(draft.proxyProtocol),
    trustsNobodyByAddress: draft.trustsNobodyByAddress,
    check: { ...draft.check, expect: draft.checkExpect ?? '' },
  };
}

function sure<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a cluster file was filled in before its mistakes were told');
  return value;
}
