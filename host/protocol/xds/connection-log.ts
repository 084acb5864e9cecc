/**
 * The connection log: one line for each connection that enters at this host, written by Envoy at its end. What only the filter
 * knows (rule, bucket, owner, outcome, view) it leaves in filter states, and only where there is such a log.
 *
 * It stands at the listener, so that connections are in it that the filter has refused. A change of it is a changed listener:
 * open connections are drained, and `nlb apply --dry-run` says whose.
 */
import { connectionLogPath } from '../config/connection-log.js';
import type { ClusterFile, HostName } from '../types.js';
import { type EnvoyJson, typed } from './sockets.js';

const FIELDS: readonly [name: string, value: string][] = [
  ['time', '%START_TIME%'],
  ['client', '%DOWNSTREAM_REMOTE_ADDRESS%'],
  ['to', '%DOWNSTREAM_LOCAL_ADDRESS%'],
  ['rule', '%FILTER_STATE(wasm.nlb.rule:PLAIN)%'],
  ['bucket', '%FILTER_STATE(wasm.nlb.bucket:PLAIN)%'],
  ['owner', '%FILTER_STATE(wasm.nlb.owner:PLAIN)%'],
  ['outcome', '%FILTER_STATE(wasm.nlb.outcome:PLAIN)%'],
  ['view', '%FILTER_STATE(wasm.nlb.view:PLAIN)%'],
  // Where it went in the end: this host's own handoff port is a fallback, the owner did not answer.
  ['upstream', '%UPSTREAM_HOST%'],
  ['bytesIn', '%BYTES_RECEIVED%'],
  ['bytesOut', '%BYTES_SENT%'],
  ['durationMs', '%DURATION%'],
  ['flags', '%RESPONSE_FLAGS%'],
];

/** @returns fields of a listener; none where no connection log is wanted */
export function connectionLog({ connectionLog: settings }: ClusterFile, self: HostName): EnvoyJson {
  if (settings === undefined) return {};
  const log_format =
    settings.format === 'json'
      ? { json_format: Object.fromEntries([...FIELDS, ['host', self]]) }
      : {
          text_format_source: {
            inline_string: `${FIELDS.map(([name, value]) => `${name}=${value}`).join(' ')} host=${self}\n`,
          },
        };
  const path = connectionLogPath(settings, self);
  const [kind, where] = path === null ? (['stream', 'StdoutAccessLog'] as const) : (['file', 'FileAccessLog'] as const);
  const fields = { ...(path === null ? {} : { path }), log_format };
  return {
    access_log: [
      {
        name: path === null ? 'envoy.access_loggers.stdout' : 'envoy.access_loggers.file',
        typed_config: typed(`envoy.extensions.access_loggers.${kind}.v3.${where}`, fields),
      },
    ],
  };
}
