/** The two network filters of a chain that leads somewhere: the decision, and the proxying itself. */
import type { PortRule } from '../types.js';
import { DECISION_RESOURCE, serviceEnvoyCluster } from './names.js';
import type { EnvoyPaths } from './paths.js';
import { patienceOf } from './patience.js';
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

/**
 * Leads to the rule's own service, unless the decision filter named another Envoy cluster before. Attempts and back-off hold
 * for both: an owner that is being given up, and an own service that is just restarting.
 */
export function tcpProxy(rule: PortRule, statPrefix: string): EnvoyJson {
  const patience = patienceOf(rule.ownerPatienceMs);
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      stat_prefix: statPrefix,
      cluster: serviceEnvoyCluster(rule.name),
      // Idle for days is lawful (IMAP IDLE); a peer that vanished is what keepalive is for.
      idle_timeout: '0s',
      max_connect_attempts: patience.connectAttemptsMax,
      backoff_options: {
        base_interval: duration(patience.backOffBaseMs),
        max_interval: duration(patience.backOffMaxMs),
      },
    }),
  };
}
