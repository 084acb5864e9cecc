/**
 * Where the kernel redirects to (redirects.ts): one listener an address, whose chains are chosen by the port and address that
 * the client asked for. Chains have names and stand in a matcher, so rules come and go without touching other connections.
 *
 *     asked for                     chain
 *     port of a redirected rule     nlb_rule.passive    the decision, then the service
 *     any other port                nlb_rule._none      with otherPorts defaultHost: the decision, then the program there
 *     ports.redirect itself         none: closed        nobody was redirected
 */
import type { ClusterFile, HostConfig, PortRule } from '../types.js';
import { chainAction, closed, input, wideRules } from './chain-matcher.js';
import { NO_RULE, redirectListenerName, redirectStatPrefix, ruleStatPrefix } from './names.js';
import type { EnvoyPaths } from './paths.js';
import { redirects, rulesRedirectedAt } from './redirects.js';
import { type EnvoyJson, listenerOn, typed } from './sockets.js';
import { clientLog } from './client-log.js';
import { connectionLog } from './connection-log.js';
import { decisionFilter, otherPortsProxy, ruleProxy } from './tcp-proxy.js';

export function redirectListeners(file: ClusterFile, ownHost: HostConfig, paths: EnvoyPaths): EnvoyJson[] {
  return redirects(file, ownHost.name).map(({ address, toPort }) => {
    const rules = rulesRedirectedAt(file, ownHost, address);
    const name = redirectListenerName(address);
    return typed('envoy.config.listener.v3.Listener', {
      ...listenerOn(name, redirectStatPrefix(address), address, toPort, file.listenOn === 'virtualIp'),
      ...connectionLog(file, ownHost.name),
      listener_filters: [
        {
          name: 'envoy.filters.listener.original_dst',
          typed_config: typed('envoy.extensions.filters.listener.original_dst.v3.OriginalDst'),
        },
      ],
      filter_chain_matcher: askedFor(file, rules, toPort),
      filter_chains: [
        ...rules.map((rule) => ruleChain(rule, ownHost, paths)),
        ...(file.otherPorts === 'defaultHost' ? [otherPortsChain(paths)] : []),
      ],
    });
  });
}

function askedFor(file: ClusterFile, rules: PortRule[], toPort: number): EnvoyJson {
  const others = file.otherPorts === 'defaultHost' ? chainAction(ruleStatPrefix(NO_RULE)) : closed();
  return {
    matcher_tree: { input: input('DestinationPortInput'), exact_match_map: { map: { [toPort]: closed() } } },
    on_no_match: wideRules(rules, ruleStatPrefix, others),
  };
}

function ruleChain(rule: PortRule, ownHost: HostConfig, paths: EnvoyPaths): EnvoyJson {
  const name = ruleStatPrefix(rule.name);
  const proxy = ruleProxy(rule, ownHost, name, clientLog(rule, paths, 'served'));
  return { name, filters: [openCounter(name), decisionFilter(paths), ...proxy] };
}

function otherPortsChain(paths: EnvoyPaths): EnvoyJson {
  const name = ruleStatPrefix(NO_RULE);
  return { name, filters: [openCounter(name), decisionFilter(paths), otherPortsProxy(name)] };
}

/** Rules share the listener, so its gauge of open connections is not enough; this one is the chain's own, and limits nothing. */
function openCounter(name: string): EnvoyJson {
  return {
    name: 'envoy.filters.network.connection_limit',
    typed_config: typed('envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit', {
      stat_prefix: name,
      max_connections: 4_294_967_295,
    }),
  };
}
