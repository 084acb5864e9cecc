/**
 * Envoy's log of who is served here, for the sidecar alone and for sticky rules alone: one line when a connection has reached
 * its upstream, one at its end. host/stick/log-line.ts reads it. A rule that becomes sticky changes its chains, so its open
 * connections are drained once; the time in stickFor is not in here.
 */
import type { PortRule } from '../types.js';
import type { EnvoyPaths } from './paths.js';
import { type EnvoyJson, typed } from './sockets.js';

/** @returns fields of a tcp_proxy; none where the rule is not sticky */
export function clientLog(rule: PortRule, paths: EnvoyPaths, how: 'served' | 'fallback'): EnvoyJson {
  if (rule.stickForMs === undefined) return {};
  const client = '%CONNECTION_ID% %UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%';
  const log = {
    path: paths.clientLog,
    log_format: { text_format_source: { inline_string: `${how} %ACCESS_LOG_TYPE% ${client}\n` } },
  };
  return {
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', log),
      },
    ],
    access_log_options: { flush_access_log_on_connected: true },
  };
}
