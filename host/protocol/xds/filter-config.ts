/**
 * What goes to Envoy by ECDS: the filter and its view. The only one of the generated resources that changes with views,
 * weights and states; a change here touches no open connection.
 */
import { DECISION_RESOURCE, FILTER_ROOT_ID, LOGGED_ROOT_ID } from './names.js';
import { type EnvoyJson, typed } from './sockets.js';

/**
 * @param viewBytesBase64  the view as encodeView() lays it out
 * @param wasmPath         absolute path of filter.wasm. Another path is another VM: name the file by its content when it
 *                         is replaced by another build
 * @param isLogged         there is a connection log
 */
export function filterConfig(viewBytesBase64: string, wasmPath: string, isLogged = false): EnvoyJson {
  return typed('envoy.config.core.v3.TypedExtensionConfig', {
    name: DECISION_RESOURCE,
    typed_config: typed('envoy.extensions.filters.network.wasm.v3.Wasm', {
      config: {
        // Stands in stat names, which are kept for ever: never with a number of the view in it.
        name: DECISION_RESOURCE,
        root_id: isLogged ? LOGGED_ROOT_ID : FILTER_ROOT_ID,
        // A VM that trapped refuses connections and comes back by itself: serving without a decision could give a
        // single-host rule two active services.
        failure_policy: 'FAIL_RELOAD',
        reload_config: { backoff: { base_interval: '1s' } },
        vm_config: {
          vm_id: 'nlb',
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: wasmPath } },
        },
        configuration: typed('google.protobuf.BytesValue', { value: viewBytesBase64 }),
      },
    }),
  });
}
