/**
 * Every name that the generated configuration, the filter and the status agree on. Host names and rule names hold no dot,
 * so a name is taken apart again by its dots.
 */
import type { HostName, Milliseconds, PortRule } from '../types.js';

/** The one ECDS resource: the filter's configuration for all rules of this host. */
export const DECISION_RESOURCE = 'nlb.decision';
/** The root context of filter.wasm. */
export const FILTER_ROOT_ID = 'nlb';
/** The same, with what the connection log wants to know of each connection (assembly/connection-log.ts). */
export const LOGGED_ROOT_ID = 'nlb.log';

/** What the handoff listener says back to whoever of the cluster says it: "the Envoy of this host lives". */
export const ALIVE = 'alive';

/** What becomes of a handed-off connection whose owner does not answer. */
export type HandoffPolicy = 'fallback' | 'strict';

export const SERVICE_PREFIX = 'nlb.service.';

/** The Envoy cluster of a rule's own service: `nlb.service.smtp`. */
export function serviceEnvoyCluster(rule: string): string {
  return `${SERVICE_PREFIX}${rule}`;
}

/** The Envoy cluster that leads to another host: `nlb.handoff.mail2.p1000` with fallback, `.strict1000` without. */
export function handoffEnvoyCluster(host: HostName, policy: HandoffPolicy, ownerPatienceMs: Milliseconds): string {
  return `nlb.handoff.${host}.${policy === 'fallback' ? 'p' : 'strict'}${ownerPatienceMs}`;
}

/** One listener a port and address, so that a change of one never cuts the connections of another. */
export function ruleListener(rule: PortRule, address: string, port: number): string {
  return `nlb.rule.${rule.name}.${address}.${port}`;
}

export const HANDOFF_LISTENER = 'nlb.handoff';

/** What the kernel redirects to, one an address. */
export const redirectListenerName = (address: string): string => `nlb.redirect.${address}`;

/** In place of a rule's name, for what no rule covers; the filter's counters have it too. No rule can be called so. */
export const NO_RULE = '_none';

/** Filter chains of the handoff listener, by rule: what other hosts handed off, and what this host falls back to. */
export const handoffChain = (rule: string): string => `nlb.handoff.${rule}`;
export const fallbackChain = (rule: string): string => `nlb.fallback.${rule}`;
export const ALIVE_CHAIN = 'nlb.alive';

/** Stat prefixes: Envoy puts `tcp.` (tcp_proxy) or `listener.` before them. */
export const ruleStatPrefix = (rule: string): string => `nlb_rule.${rule}`;
export const handoffStatPrefix = (rule: string): string => `nlb_handoff.${rule}`;
/** An IPv6 address has colons, which Envoy would make `_` itself. */
export const redirectStatPrefix = (address: string): string => `nlb_redirect.${address.replaceAll(/[.:]/g, '_')}`;
export const fallbackStatPrefix = (rule: string): string => `nlb_fallback.${rule}.owner_silent`;
