/**
 * Envoy's clusters: one for each rule's own service, one for each other host and way of waiting for it.
 *
 *     nlb.service.smtp            this host's mail server
 *     nlb.handoff.mail2.p1000     mail2; where it does not answer within about 1 s, this host itself
 *     nlb.handoff.mail2.strict1000   mail2 or nobody
 */
import { followsPort, isOnHost, serviceOf } from '../config/service-address.js';
import type { ClusterFile, HostConfig, HostName, Milliseconds, PortRule, Service } from '../types.js';
import { gateEndpoint, gateFields, hasGate } from './gate.js';
import { entrySockets, type HandoffSecrets, PLAIN_CHECK, PLAIN_ENDPOINT } from './handoff-tls.js';
import { ALIVE, type HandoffPolicy, handoffEnvoyCluster, NO_RULE, serviceEnvoyCluster } from './names.js';
import { NO_RULE_PATIENCE_MS, patienceOf } from './patience.js';
import type { EnvoyPaths } from './paths.js';
import { hostNamed, rulesServed } from './rules.js';
import { BUFFER_BYTES_MAX, duration, type EnvoyJson, proxyProtocolSocket, serviceAddress } from './sockets.js';
import { socketAddress, TCP_KEEPALIVE, typed } from './sockets.js';

/** Envoy's default of 1,024 open connections a cluster would refuse the 1,025th; the open-files limit is the real one. */
const CONNECTIONS_MAX = 4_294_967_295;

const KEPT_ALIVE: EnvoyJson = { upstream_connection_options: { tcp_keepalive: TCP_KEEPALIVE } };

/** @param paths  of the sidecar that opens and closes the services' gates; null where nobody does, e.g. to see what changes */
export function envoyClusters(
  file: ClusterFile,
  self: HostName,
  secrets: HandoffSecrets | null = null,
  paths: EnvoyPaths | null = null,
): EnvoyJson[] {
  const ownHost = hostNamed(file, self);
  const others = file.hosts.filter((host) => host.name !== self);
  return [
    ...rulesServed(file).map((rule) => serviceCluster(rule, ownHost, paths)),
    ...(file.otherPorts === 'defaultHost' ? [otherPortsCluster()] : []),
    ...handoffWaysOf(file).flatMap(([policy, patienceMs]) =>
      others.map((owner) => handoffCluster(file, ownHost, owner, policy, patienceMs, secrets)),
    ),
  ];
}

/** The distinct (policy, patience) pairs that the filter may name, so that no host is checked for nothing. */
function handoffWaysOf(file: ClusterFile): [HandoffPolicy, Milliseconds][] {
  const ways = new Map<string, [HandoffPolicy, Milliseconds]>();
  const add = (policy: HandoffPolicy, ms: Milliseconds) => void ways.set(`${policy}${ms}`, [policy, ms]);
  const rules = rulesServed(file);
  for (const rule of rules) {
    if (rule.filteringMode === 'multiple') add('fallback', rule.ownerPatienceMs);
    add('strict', rule.ownerPatienceMs);
  }
  // A listener may be open whose rule the view in force does not have (yet, or any more): its connections are the default host's.
  if (rules.length > 0 || file.otherPorts === 'defaultHost') add('strict', NO_RULE_PATIENCE_MS);
  return [...ways.values()];
}

function serviceCluster(rule: PortRule, ownHost: HostConfig, paths: EnvoyPaths | null): EnvoyJson {
  const service = serviceOf(rule, ownHost);
  if (service === null) throw new Error(`Cannot serve port rule ${rule.name}: it has no service, expected one`);
  const plain = service.proxyProtocol === 'none';
  const isGated = paths !== null && hasGate(rule);
  return {
    ...envoyCluster(serviceEnvoyCluster(rule.name), rule.ownerPatienceMs),
    ...(isGated ? gateFields() : {}),
    // Of a process the kernel here tells when it ends; only a machine vanishes. Four system calls a connection fewer.
    ...(isOnHost(service.address, ownHost) ? {} : KEPT_ALIVE),
    ...(followsPort(service.address)
      ? AS_ASKED_FOR
      : endpointOf(serviceEnvoyCluster(rule.name), service, isGated ? gateEndpoint(paths, rule.name) : {})),
    ...(plain ? {} : { transport_socket: proxyProtocolSocket(service.proxyProtocol as 'v1' | 'v2') }),
  };
}

/** The programs that listen on this host by themselves; they have no rule that could say how they learn the client. */
function otherPortsCluster(): EnvoyJson {
  return { ...envoyCluster(serviceEnvoyCluster(NO_RULE), NO_RULE_PATIENCE_MS), ...AS_ASKED_FOR };
}

/** Each connection has an address of its own: where the client wanted to, or what ruleProxy() made of it. */
const AS_ASKED_FOR: EnvoyJson = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };

function endpointOf(envoyCluster: string, service: Service, more: EnvoyJson): EnvoyJson {
  const endpoint = { address: serviceAddress(service), ...more };
  return { load_assignment: { cluster_name: envoyCluster, endpoints: [{ lb_endpoints: [{ endpoint }] }] } };
}

function handoffCluster(
  file: ClusterFile,
  ownHost: HostConfig,
  owner: HostConfig,
  policy: HandoffPolicy,
  patienceMs: Milliseconds,
  secrets: HandoffSecrets | null,
): EnvoyJson {
  const name = handoffEnvoyCluster(owner.name, policy, patienceMs);
  const ownerEndpoint = { endpoint: { address: socketAddress(owner.dedicatedIp, file.ports.handoff) } };
  return {
    ...envoyCluster(name, patienceMs),
    ...KEPT_ALIVE,
    // The owner's listener knows us by our dedicated address.
    upstream_bind_config: { source_address: { address: ownHost.dedicatedIp, port_value: 0 } },
    ...entrySockets(secrets),
    ...ownerCheck(patienceMs),
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { priority: 0, lb_endpoints: [ownerEndpoint] },
        ...(policy === 'fallback' ? [fallbackEndpoints(file, ownHost)] : []),
      ],
    },
  };
}

/**
 * This host's own handoff listener, used while the owner is marked as gone. Unchecked: with a check of its own, everything
 * failed in the moment the owner was marked (measured: 4,638 of 18,463 connections).
 */
function fallbackEndpoints(file: ClusterFile, ownHost: HostConfig): EnvoyJson {
  const address = socketAddress(ownHost.dedicatedIp, file.ports.handoff);
  const endpoint = { address, health_check_config: { disable_active_health_check: true } };
  return { priority: 1, lb_endpoints: [{ endpoint, ...PLAIN_ENDPOINT }] };
}

/** The check of an owner's Envoy, and what follows from it. Why these fields: docs/decisions/0004. */
function ownerCheck(patienceMs: Milliseconds): EnvoyJson {
  const patience = patienceOf(patienceMs);
  const interval = duration(patience.checkIntervalMs);
  const text = { text: hexOf(ALIVE) };
  return {
    health_checks: [
      {
        interval,
        no_traffic_interval: interval,
        timeout: duration(patience.checkTimeoutMs),
        unhealthy_threshold: patience.checkFailuresMax,
        healthy_threshold: 1,
        // One connection that stays: 31 hosts would otherwise open 155 a second, and a host that is full would refuse
        // the checks, look dead, and lose all it serves.
        reuse_connection: true,
        ...PLAIN_CHECK,
        tcp_health_check: { send: text, receive: [text] },
      },
    ],
    close_connections_on_host_health_failure: true,
    common_lb_config: {
      // Panic would send connections to an owner that is known to be gone.
      healthy_panic_threshold: { value: 0 },
      // By default the workers learn up to 1 s later that an owner is gone, or back, where it changed a second ago too.
      update_merge_window: '0s',
    },
  };
}

function envoyCluster(name: string, patienceMs: Milliseconds): EnvoyJson {
  return {
    '@type': typed('envoy.config.cluster.v3.Cluster')['@type'],
    name,
    type: 'STATIC',
    connect_timeout: duration(patienceOf(patienceMs).connectTimeoutMs),
    per_connection_buffer_limit_bytes: BUFFER_BYTES_MAX,
    circuit_breakers: {
      thresholds: [{ max_connections: CONNECTIONS_MAX, max_pending_requests: CONNECTIONS_MAX }],
    },
  };
}

/** ASCII as the hexadecimal that a check's payload is written in. */
function hexOf(text: string): string {
  return [...text].map((character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('');
}
