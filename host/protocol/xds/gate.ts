/**
 * The gate of a rule's own service: while it is open Envoy uses the service, when it closes Envoy ends the connections to it.
 * Envoy has no order to end some connections and leave others, but it ends those to an endpoint whose check fails. So the
 * service is given a check of this host's own making: connect to `<stateDir>/envoy/gates/RULE`, a symbolic link to Envoy's own
 * admin socket. It costs one connect a second inside Envoy, holds while no sidecar runs, and closes with the link. Decision 0015.
 */
import { followsPort } from '../config/service-address.js';
import type { PortRule } from '../types.js';
import type { EnvoyPaths } from './paths.js';
import { type EnvoyJson, PLAIN_MATCH, RAW_BUFFER } from './sockets.js';

/**
 * A service that is on whichever port the client wanted has no endpoint that could be checked: it has no gate, and a rule that
 * leads there takes no new connections when it is disabled, and keeps those it has.
 */
export function hasGate({ service, portFirst, portLast }: PortRule): boolean {
  return service !== null && !(portFirst < portLast && followsPort(service.address));
}

/** Where the link of a rule is. Its name is the rule's: `[a-z0-9-]`, hence no path of its own. */
export function gatePath(paths: EnvoyPaths, rule: PortRule['name']): string {
  return `${paths.gates}/${rule}`;
}

/**
 * Three failures within half a second close it, so that no single failed connect cuts anybody. Only a refusal fails at once; a
 * stopped Envoy, which cannot check, is no failure: after 8 s of SIGSTOP its open connections went on.
 */
const GATE_CHECK: EnvoyJson = {
  interval: '1s',
  no_traffic_interval: '1s',
  unhealthy_edge_interval: '0.2s',
  unhealthy_interval: '0.1s',
  timeout: '5s',
  unhealthy_threshold: 3,
  healthy_threshold: 1,
  reuse_connection: false,
  // No PROXY header: the admin socket speaks HTTP.
  transport_socket_match_criteria: PLAIN_MATCH,
  tcp_health_check: {},
};

/** Fields of the service's Envoy cluster. */
export function gateFields(): EnvoyJson {
  return {
    health_checks: [GATE_CHECK],
    close_connections_on_host_health_failure: true,
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
    transport_socket_matches: [{ name: 'plain', match: PLAIN_MATCH, transport_socket: RAW_BUFFER }],
  };
}

/** And of its one endpoint. */
export function gateEndpoint(paths: EnvoyPaths, rule: PortRule['name']): EnvoyJson {
  return { health_check_config: { address: { pipe: { path: gatePath(paths, rule) } } } };
}
