/**
 * The listener that takes connections from the other hosts of the cluster, and from this host itself as its own fallback.
 * The PROXY header tells the client and the port; whether to believe it is decided by the real source address:
 *
 *     real source          port in the header      chain
 *     this host            of rule smtp            nlb.fallback.smtp    the own service; counted as fallback
 *     another host         of rule smtp            nlb.handoff.smtp     the own service
 *     any host             the handoff port        nlb.alive            echo (a check's LOCAL header names no port)
 *     anybody else         any                     none: closed without a byte
 *
 * No chain decides anew: what arrives here is served here, one hop at most. Hosts and rules are in the matcher and chains
 * have names, so both come and go in place: a chain whose own content is the same keeps its connections.
 */
import type { ClusterFile, HostConfig, PortRule } from '../types.js';
import {
  ALIVE_CHAIN,
  fallbackChain,
  fallbackStatPrefix,
  HANDOFF_LISTENER,
  handoffChain,
  handoffStatPrefix,
} from './names.js';
import { type HandoffIdentity, ownerSocket } from './handoff-tls.js';
import { portsOf, rulesServed } from './rules.js';
import {
  ACCEPTS_IN_A_ROW_MAX,
  BUFFER_BYTES_MAX,
  type EnvoyJson,
  socketAddress,
  TCP_KEEPALIVE,
  typed,
} from './sockets.js';
import { tcpProxy } from './tcp-proxy.js';

/** A host of the cluster sends its header at once; a stranger who sends nothing is not waited for longer. */
const HEADER_TIMEOUT = '5s';

const NETWORK_INPUTS = 'envoy.extensions.matching.common_inputs.network.v3';

export function handoffListener(file: ClusterFile, ownHost: HostConfig, identity: HandoffIdentity | null): EnvoyJson {
  const rules = rulesServed(file);
  const socket = identity === null ? {} : { transport_socket: ownerSocket(identity) };
  return typed('envoy.config.listener.v3.Listener', {
    name: HANDOFF_LISTENER,
    stat_prefix: 'nlb_handoff',
    address: socketAddress(ownHost.dedicatedIp, file.ports.handoff),
    per_connection_buffer_limit_bytes: BUFFER_BYTES_MAX,
    tcp_keepalive: TCP_KEEPALIVE,
    max_connections_to_accept_per_socket_event: ACCEPTS_IN_A_ROW_MAX,
    listener_filters_timeout: HEADER_TIMEOUT,
    listener_filters: [
      {
        name: 'envoy.filters.listener.proxy_protocol',
        typed_config: typed('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'),
      },
    ],
    filter_chain_matcher: sourceMatcher(file, ownHost, rules),
    filter_chains: [
      aliveFilterChain(),
      ...rules.flatMap((rule) => [
        { name: handoffChain(rule.name), filters: [tcpProxy(rule, handoffStatPrefix(rule.name))], ...socket },
        { name: fallbackChain(rule.name), filters: [tcpProxy(rule, fallbackStatPrefix(rule.name))] },
      ]),
    ],
  });
}

function aliveFilterChain(): EnvoyJson {
  const echo = {
    name: 'envoy.filters.network.echo',
    typed_config: typed('envoy.extensions.filters.network.echo.v3.Echo'),
  };
  return { name: ALIVE_CHAIN, filters: [echo] };
}

function sourceMatcher(file: ClusterFile, ownHost: HostConfig, rules: PortRule[]): EnvoyJson {
  const others = file.hosts.filter((host) => host.name !== ownHost.name);
  const sources = [
    { hosts: [ownHost], chainOf: fallbackChain },
    { hosts: others, chainOf: handoffChain },
  ].filter(({ hosts }) => hosts.length > 0);
  const matchers = sources.map(({ hosts, chainOf }) => ({
    predicate: anyOf(
      'DirectSourceIPInput',
      hosts.map((host) => host.dedicatedIp),
    ),
    on_match: { matcher: portMatcher(file, rules, chainOf) },
  }));
  return { matcher_list: { matchers } };
}

/** By the port in the PROXY header; where two rules share a port on different virtual IPs, by the address after that. */
function portMatcher(file: ClusterFile, rules: PortRule[], chainOf: (rule: string) => string): EnvoyJson {
  const rulesByPort = new Map<number, PortRule[]>();
  for (const rule of rules) {
    for (const port of portsOf(rule)) rulesByPort.set(port, [...(rulesByPort.get(port) ?? []), rule]);
  }
  const map: EnvoyJson = { [file.ports.handoff]: chainAction(ALIVE_CHAIN) };
  for (const [port, sharing] of rulesByPort) {
    const only = sharing.length === 1 ? sharing[0] : undefined;
    map[port] = only ? chainAction(chainOf(only.name)) : { matcher: addressMatcher(file, sharing, chainOf) };
  }
  return { matcher_tree: { input: input('DestinationPortInput'), exact_match_map: { map } } };
}

function addressMatcher(file: ClusterFile, rules: PortRule[], chainOf: (rule: string) => string): EnvoyJson {
  const virtualIpsOf = (rule: PortRule) => (rule.virtualIp === null ? file.virtualIps : [rule.virtualIp]);
  const matchers = rules.map((rule) => ({
    predicate: anyOf('DestinationIPInput', virtualIpsOf(rule)),
    on_match: chainAction(chainOf(rule.name)),
  }));
  return { matcher_list: { matchers } };
}

/** Compared as text: the cluster file's addresses are written as Envoy (inet_ntop) writes them, RFC 5952. */
function anyOf(inputName: string, addresses: string[]): EnvoyJson {
  const predicates = addresses.map((exact) => ({
    single_predicate: { input: input(inputName), value_match: { exact } },
  }));
  return predicates.length === 1 ? predicates[0]! : { or_matcher: { predicate: predicates } };
}

const input = (name: string): EnvoyJson => ({ name, typed_config: typed(`${NETWORK_INPUTS}.${name}`) });

const chainAction = (chain: string): EnvoyJson => ({
  action: { name: chain, typed_config: typed('google.protobuf.StringValue', { value: chain }) },
});
