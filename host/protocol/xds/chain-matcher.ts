/**
 * Which filter chain a connection gets, by where its client connected to: the port, and where rules share one on different
 * virtual IPs, the address after that. Both as the PROXY header or the redirect tells them. A rule for one virtual IP goes
 * before one for all of them.
 */
import { covers } from '../config/ports.js';
import type { ClusterFile, PortRule } from '../types.js';
import { portRegex } from './port-regex.js';
import { isRedirected, portsIn, rangeOf, rangesAt } from './rules.js';
import { type EnvoyJson, typed } from './sockets.js';

/** Named by a matcher and never made: such a connection is closed. */
const NO_CHAIN = 'nlb.none';
const NETWORK_INPUTS = 'envoy.extensions.matching.common_inputs.network.v3';

/**
 * What to do by port, for an exact_match_map over DestinationPortInput. Only of rules with a listener for each port; what a
 * redirected rule has on one of these ports on another address stands here too.
 */
export function ruleChains(
  file: ClusterFile,
  rules: PortRule[],
  chainOf: (rule: string) => string,
  others: EnvoyJson,
): EnvoyJson {
  const map: EnvoyJson = {};
  const listening = rules.filter((rule) => !isRedirected(file, rule));
  for (const port of portsIn(listening.map(rangeOf))) map[port] ??= chainAt(file, rules, port, chainOf, others);
  return map;
}

/** The rules whose ports are too many to be listed, those for one virtual IP first; `others` where none covers the port. */
export function wideRules(rules: PortRule[], chainOf: (rule: string) => string, others: EnvoyJson): EnvoyJson {
  if (rules.length === 0) return others;
  const matchers = [...rules].sort(particularFirst).map((rule) => {
    const port = {
      single_predicate: { input: input('DestinationPortInput'), value_match: regex(portRegex(rangeOf(rule))) },
    };
    const predicates = rule.virtualIp === null ? [port] : [port, anyOf('DestinationIPInput', [rule.virtualIp])];
    const predicate = predicates.length === 1 ? port : { and_matcher: { predicate: predicates } };
    return { predicate, on_match: chainAction(chainOf(rule.name)) };
  });
  return { matcher: { matcher_list: { matchers }, on_no_match: others } };
}

const particularFirst = (a: PortRule, b: PortRule): number =>
  Number(a.virtualIp === null) - Number(b.virtualIp === null);

const regex = (text: string): EnvoyJson => ({ safe_regex: { google_re2: {}, regex: text } });

/** No chain is called so, and a connection without a chain is closed. */
export const closed = (): EnvoyJson => chainAction(NO_CHAIN);

function chainAt(
  file: ClusterFile,
  rules: PortRule[],
  port: number,
  chainOf: (rule: string) => string,
  others: EnvoyJson,
): EnvoyJson {
  const sharing = rules.filter((rule) => covers(rangeOf(rule), port));
  // With listenOn dedicatedIp the address is that of the entry host, which any of them is.
  if (file.listenOn === 'dedicatedIp') return chainAction(chainOf(sharing[0]!.name));
  const matchers = sharing
    .map((rule) => ({ rule, addresses: virtualIpsOf(file, rule, port) }))
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ rule, addresses }) => ({ addresses, name: chainOf(rule.name) }));
  const [only] = matchers;
  if (only && only.addresses.length === file.virtualIps.length) return chainAction(only.name);
  if (!only) return others;
  const list = matchers.map(({ addresses, name }) => ({
    predicate: anyOf('DestinationIPInput', addresses),
    on_match: chainAction(name),
  }));
  return { matcher: { matcher_list: { matchers: list }, on_no_match: others } };
}

function virtualIpsOf(file: ClusterFile, rule: PortRule, port: number): string[] {
  if (rule.virtualIp !== null) return [rule.virtualIp];
  return file.virtualIps.filter((address) => rangesAt(file, rule, address).some((range) => covers(range, port)));
}

/** Compared as text: the cluster file's addresses are written as Envoy (inet_ntop) writes them, RFC 5952. */
export function anyOf(inputName: string, addresses: string[]): EnvoyJson {
  const predicates = addresses.map((exact) => ({
    single_predicate: { input: input(inputName), value_match: { exact } },
  }));
  return predicates.length === 1 ? predicates[0]! : { or_matcher: { predicate: predicates } };
}

export const input = (name: string): EnvoyJson => ({ name, typed_config: typed(`${NETWORK_INPUTS}.${name}`) });

export const chainAction = (chain: string): EnvoyJson => ({
  action: { name: chain, typed_config: typed('google.protobuf.StringValue', { value: chain }) },
});
