/**
 * The listener that takes connections from the other hosts of the cluster, and from this host itself as its own fallback.
 * The PROXY header tells the client and the port; whether to believe it is decided by the real source address:
 *
 *     real source          port in the header      chain
 *     this host            of rule smtp            nlb.fallback.smtp    the own service; counted as fallback
 *     another host         of rule smtp            nlb.handoff.smtp     the own service
 *     another host         of no rule              nlb.handoff._none    with otherPorts defaultHost: the program there
 *     any host             the handoff port        nlb.alive            echo (a check's LOCAL header names no port)
 *     anybody else         any                     none: closed without a byte
 *
 * No chain decides anew: what arrives here is served here, one hop at most. Hosts and rules are in the matcher and chains
 * have names, so both come and go in place: a chain whose own content is the same keeps its connections.
 */
import type { ClusterFile, HostConfig, PortRule } from '../types.js';
import { clientLog } from './client-log.js';
import {
  ALIVE_CHAIN,
  fallbackChain,
  fallbackStatPrefix,
  HANDOFF_LISTENER,
  handoffChain,
  handoffStatPrefix,
  NO_RULE,
} from './names.js';
import { anyOf, chainAction, closed, input, ruleChains, wideRules } from './chain-matcher.js';
import { type HandoffSecrets, ownerSocket } from './handoff-tls.js';
import type { EnvoyPaths } from './paths.js';
import { isRedirecting, redirectPortOf } from './redirects.js';
import { isRedirected, rulesServed } from './rules.js';
import { type EnvoyJson, listenerOn, typed } from './sockets.js';
import { otherPortsProxy, ruleProxy } from './tcp-proxy.js';

/** A host of the cluster sends its header at once; a stranger who sends nothing is not waited for longer. */
const HEADER_TIMEOUT = '5s';

export function handoffListener(
  file: ClusterFile,
  ownHost: HostConfig,
  paths: EnvoyPaths,
  secrets: HandoffSecrets | null,
): EnvoyJson {
  const rules = rulesServed(file);
  const socket = secrets === null ? {} : { transport_socket: ownerSocket(secrets) };
  return typed('envoy.config.listener.v3.Listener', {
    ...listenerOn(HANDOFF_LISTENER, 'nlb_handoff', ownHost.dedicatedIp, file.ports.handoff),
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
        {
          name: handoffChain(rule.name),
          filters: ruleProxy(rule, ownHost, handoffStatPrefix(rule.name), clientLog(rule, paths, 'served')),
          ...socket,
        },
        {
          name: fallbackChain(rule.name),
          filters: ruleProxy(rule, ownHost, fallbackStatPrefix(rule.name), clientLog(rule, paths, 'fallback')),
        },
      ]),
      ...(file.otherPorts === 'defaultHost' ? [{ ...otherPortsChain(), ...socket }] : []),
    ],
  });
}

function otherPortsChain(): EnvoyJson {
  return { name: handoffChain(NO_RULE), filters: [otherPortsProxy(handoffStatPrefix(NO_RULE))] };
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

function portMatcher(file: ClusterFile, rules: PortRule[], chainOf: (rule: string) => string): EnvoyJson {
  // What no rule covers has no fallback: it comes from other hosts alone.
  const takesOthers = file.otherPorts === 'defaultHost' && chainOf === handoffChain;
  const others = takesOthers ? chainAction(handoffChain(NO_RULE)) : closed();
  const map: EnvoyJson = {
    ...ruleChains(file, rules, chainOf, others),
    ...(isRedirecting(file) ? { [redirectPortOf(file)]: closed() } : {}),
    [file.ports.handoff]: chainAction(ALIVE_CHAIN),
  };
  const wide = rules.filter((rule) => isRedirected(file, rule));
  return {
    matcher_tree: { input: input('DestinationPortInput'), exact_match_map: { map } },
    ...(wide.length > 0 || takesOthers ? { on_no_match: wideRules(wide, chainOf, others) } : {}),
  };
}
