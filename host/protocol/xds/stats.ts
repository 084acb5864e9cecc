/**
 * The stats that status, page, metrics and tests read. Envoy makes no others: each one costs memory for every port, and
 * stats nobody reads cost 7 % of a connection's CPU.
 */
import {
  DECISION_RESOURCE,
  fallbackStatPrefix,
  handoffStatPrefix,
  ruleStatPrefix,
  serviceEnvoyCluster,
} from './names.js';

/** Names as Envoy's `/stats` shows them. */
export const STAT = {
  /** New connections of a rule that entered at this host. */
  entered: (rule: string) => `tcp.${ruleStatPrefix(rule)}.downstream_cx_total`,
  /** Connections other hosts handed to this one. */
  handedToUs: (rule: string) => `tcp.${handoffStatPrefix(rule)}.downstream_cx_total`,
  /** Connections served here because their owner did not answer. */
  fallbacks: (rule: string) => `tcp.${fallbackStatPrefix(rule)}.downstream_cx_total`,
  /** Open connections that entered here, over all ports of the rule. */
  enteredOpen: (rule: string) => `listener.${ruleStatPrefix(rule)}.downstream_cx_active`,
  /** The same of a rule that is redirected, whose listener is not its own. */
  redirectedOpen: (rule: string) => `connection_limit.${ruleStatPrefix(rule)}.active_connections`,
  /** Open connections to this host's service, wherever they entered: what a drainstop waits for. */
  servedOpen: (rule: string) => `cluster.${serviceEnvoyCluster(rule)}.upstream_cx_active`,
  /** 1 while the gate of the rule is open (gate.ts), 0 while Envoy does not use the service. */
  gateOpen: (rule: string) => `cluster.${serviceEnvoyCluster(rule)}.membership_healthy`,
  /** 1 while the host behind a handoff cluster answers (2 with the fallback, which always counts). */
  healthy: (envoyCluster: string) => `cluster.${envoyCluster}.membership_healthy`,
  /** Open connections of a handoff cluster. */
  handedOffOpen: (envoyCluster: string) => `cluster.${envoyCluster}.upstream_cx_active`,
  /** Connections refused by the rule's listeners because this Envoy has as many as its files allow. */
  refusedAtLimit: (rule: string) => `listener.${ruleStatPrefix(rule)}.downstream_global_cx_overflow`,
  ldsVersion: 'listener_manager.lds.version_text',
  ldsRejected: 'listener_manager.lds.update_rejected',
  cdsVersion: 'cluster_manager.cds.version_text',
  cdsRejected: 'cluster_manager.cds.update_rejected',
  secretVersion: (name: string) => `sds.${name}.version_text`,
  secretRejected: (name: string) => `sds.${name}.update_rejected`,
  ecdsVersion: `extension_config_discovery.network_filter.${DECISION_RESOURCE}.version_text`,
  ecdsRejected: `extension_config_discovery.network_filter.${DECISION_RESOURCE}.update_rejected`,
  /** Counters of the filter, e.g. `wasmcustom.nlb.smtp.handed_off.mail2`. */
  filterPrefix: 'wasmcustom.nlb.',
} as const;

/** RE2, whole name. Everything else of ours is not made; what somebody's own listeners make is theirs (existing.yaml). */
export const STATS_KEPT: readonly string[] = [
  'wasmcustom\\.nlb\\..*',
  'wasm\\..*',
  'tcp\\.nlb_(rule|handoff|fallback)\\..*\\.downstream_cx_(total|no_route)',
  'listener\\.nlb_.*\\.downstream_(cx_total|cx_active|cx_overflow|global_cx_overflow)',
  'connection_limit\\.nlb_rule\\..*\\.active_connections',
  'cluster\\.nlb\\..*\\.membership_(healthy|total)',
  'cluster\\.nlb\\..*\\.upstream_cx_(active|total|connect_fail|connect_timeout|overflow|none_healthy)',
  'cluster\\.nlb\\.service\\..*\\.upstream_cx_rx_bytes_total',
  'cluster\\.nlb\\.handoff\\..*\\.health_check\\.(attempt|success|failure|healthy)',
  'listener_manager\\.(lds\\..*|listener_create_(failure|success)|workers_started)',
  'listener_manager\\.total_listeners_(active|warming|draining)',
  'cluster_manager\\.(cds\\..*|active_clusters|warming_clusters)',
  'extension_config_discovery\\..*',
  'sds\\.nlb_handoff_.*',
  'overload\\..*',
  'server\\.(live|state|uptime|concurrency|memory_allocated|total_connections)',
];

/** Labels cut out of stat names, so that Prometheus shows `wasmcustom_nlb_handed_off{nlb_rule="smtp",nlb_host="mail2"}`. */
export const STAT_TAGS = [
  {
    tag_name: 'nlb_rule',
    regex: '^(?:wasmcustom\\.nlb|(?:tcp|listener|connection_limit)\\.nlb_(?:rule|handoff|fallback))(\\.([a-z0-9_-]+))',
  },
  {
    tag_name: 'nlb_host',
    regex: '^(?:cluster\\.nlb\\.handoff|wasmcustom\\.nlb\\.[a-z0-9_-]+\\.handed_off)(\\.([a-z0-9-]+))',
  },
  { tag_name: 'nlb_service', regex: '^cluster\\.nlb\\.service(\\.([a-z0-9_-]+))' },
] as const;
