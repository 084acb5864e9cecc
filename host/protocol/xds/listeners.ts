/**
 * Envoy's listeners: one for each port and address of each rule, and the handoff listener. A listener that changes drains
 * its connections and finally resets them, so nothing stands here that changes with views, weights or states.
 */
import type { ClusterFile, HostName, PortRule } from '../types.js';
import { handoffListener } from './handoff-listener.js';
import type { HandoffSecrets } from './handoff-tls.js';
import { ruleListener, ruleStatPrefix } from './names.js';
import type { EnvoyPaths } from './paths.js';
import { addressesOf, hostNamed, portsIn, rangesAt, rulesServed } from './rules.js';
import {
  ACCEPTS_IN_A_ROW_MAX,
  BUFFER_BYTES_MAX,
  type EnvoyJson,
  socketAddress,
  TCP_KEEPALIVE,
  typed,
} from './sockets.js';
import { decisionFilter, tcpProxy } from './tcp-proxy.js';

export function listeners(
  file: ClusterFile,
  self: HostName,
  paths: EnvoyPaths,
  secrets: HandoffSecrets | null = null,
): EnvoyJson[] {
  const ownHost = hostNamed(file, self);
  const ofRules = rulesServed(file).flatMap((rule) =>
    addressesOf(file, rule, ownHost).flatMap((address) =>
      portsIn(rangesAt(file, rule, address)).map((port) => listenerOf(file, rule, address, port, paths)),
    ),
  );
  return [...ofRules, handoffListener(file, ownHost, secrets)];
}

function listenerOf(file: ClusterFile, rule: PortRule, address: string, port: number, paths: EnvoyPaths): EnvoyJson {
  return typed('envoy.config.listener.v3.Listener', {
    name: ruleListener(rule, address, port),
    stat_prefix: ruleStatPrefix(rule.name),
    address: socketAddress(address, port),
    // A virtual IP may come to the machine after Envoy does.
    ...(file.listenOn === 'virtualIp' ? { freebind: true } : {}),
    per_connection_buffer_limit_bytes: BUFFER_BYTES_MAX,
    tcp_keepalive: TCP_KEEPALIVE,
    max_connections_to_accept_per_socket_event: ACCEPTS_IN_A_ROW_MAX,
    filter_chains: [
      { name: ruleStatPrefix(rule.name), filters: [decisionFilter(paths), tcpProxy(rule, ruleStatPrefix(rule.name))] },
    ],
  });
}
