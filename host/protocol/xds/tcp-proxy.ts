/** The two network filters of a chain that leads somewhere: the decision, and the proxying itself. */
import { followsPort, serviceOf } from '../config/service-address.js';
import type { HostConfig, Milliseconds, PortRule, Service } from '../types.js';
import { DECISION_RESOURCE, NO_RULE, serviceEnvoyCluster } from './names.js';
import type { EnvoyPaths } from './paths.js';
import { NO_RULE_PATIENCE_MS, patienceOf } from './patience.js';
import { duration, type EnvoyJson, pathConfig, typed } from './sockets.js';

/** filter.wasm with its view, found by ECDS. The listener does not open before the first one is there. */
export function decisionFilter(paths: EnvoyPaths): EnvoyJson {
  return {
    name: DECISION_RESOURCE,
    config_discovery: {
      config_source: pathConfig(paths.ecds),
      type_urls: [typed('envoy.extensions.filters.network.wasm.v3.Wasm')['@type']],
    },
  };
}

const OTHER_PORTS_ATTEMPTS_MAX = 3;

/**
 * Leads to the rule's own service, unless the decision filter named another Envoy cluster before.
 *
 * @param log  what is logged of its connections, see client-log.ts
 */
export function ruleProxy(rule: PortRule, ownHost: HostConfig, statPrefix: string, log: EnvoyJson = {}): EnvoyJson[] {
  const proxy = tcpProxy(serviceEnvoyCluster(rule.name), rule.ownerPatienceMs, statPrefix, log);
  const service = serviceOf(rule, ownHost);
  return service && followsPort(service.address) ? [portOfClient(service), proxy] : [proxy];
}

/**
 * What no rule covers: to the very address and port that the client asked for, as it is reached on this host itself. Nothing
 * listening there is no accident, so it is not tried as long as a service is.
 */
export function otherPortsProxy(statPrefix: string): EnvoyJson {
  return tcpProxy(serviceEnvoyCluster(NO_RULE), NO_RULE_PATIENCE_MS, statPrefix, {}, OTHER_PORTS_ATTEMPTS_MAX);
}

/** Attempts and back-off hold for an owner that is being given up, and for an own service that is just restarting. */
function tcpProxy(
  envoyCluster: string,
  ownerPatienceMs: Milliseconds,
  statPrefix: string,
  log: EnvoyJson,
  attemptsMax = patienceOf(ownerPatienceMs).connectAttemptsMax,
): EnvoyJson {
  const patience = patienceOf(ownerPatienceMs);
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      stat_prefix: statPrefix,
      cluster: envoyCluster,
      // Idle for days is lawful (IMAP IDLE); a peer that vanished is what keepalive is for.
      idle_timeout: '0s',
      max_connect_attempts: attemptsMax,
      backoff_options: {
        base_interval: duration(patience.backOffBaseMs),
        max_interval: duration(patience.backOffMaxMs),
      },
      ...log,
    }),
  };
}

/** Tells the service's cluster, which is an original-destination one then, where to: `127.0.0.1` and the client's port. */
function portOfClient({ address }: Service): EnvoyJson {
  const text = address.replace('{port}', '%DOWNSTREAM_LOCAL_PORT%');
  return {
    name: 'envoy.filters.network.set_filter_state',
    typed_config: typed('envoy.extensions.filters.network.set_filter_state.v3.Config', {
      on_new_connection: [
        {
          object_key: 'envoy.network.transport_socket.original_dst_address',
          format_string: { text_format_source: { inline_string: text } },
        },
      ],
    }),
  };
}
