/**
 * Build 1, filter.wasm: what Envoy calls (proxy-wasm ABI 0.2.1). No data callbacks: bytes of connections never enter
 * wasm.
 */

import { onConnection, refuseWithoutView } from './connection';
import { VIEW_SIZE_MAX } from './decision/limits';
import { log, LOG_ERROR, LOG_INFO, readConfiguration, releaseConfiguration } from './envoy';
import { addPlugin, configure, pluginOf, removePlugin } from './plugin';
import { Refusal } from './reasons';
import { writeFault, writeInForce, writeUnreadable } from './texts';

export { malloc } from './envoy';

/** The connection that Envoy announced last, and its root context: it is opened right after (no map is needed). */
let announcedConnection: u32 = 0;
let announcedRoot: u32 = 0;

/** Its being there says which version of the ABI is spoken. */
export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_vm_start(_rootId: u32, _configurationSize: u32): u32 {
  return 1;
}

/** `parent` is 0 for a root context: a plugin configuration. */
export function proxy_on_context_create(id: u32, parent: u32): void {
  if (parent == 0) {
    addPlugin(id);
    return;
  }
  announcedConnection = id;
  announcedRoot = parent;
}

/** @returns 1 where the view is in force now; 0 where it was refused and Envoy keeps what it had */
export function proxy_on_configure(rootId: u32, size: u32): u32 {
  const isInForce = takeConfiguration(rootId, size);
  releaseConfiguration();
  return isInForce ? 1 : 0;
}

function takeConfiguration(rootId: u32, size: u32): bool {
  const bytes = readConfiguration(size);
  if (bytes == 0) {
    writeUnreadable(size, VIEW_SIZE_MAX);
    log(LOG_ERROR);
    return false;
  }
  const plugin = addPlugin(rootId);
  if (!configure(plugin, bytes, size)) {
    writeFault(size);
    log(LOG_ERROR);
    return false;
  }
  writeInForce(plugin.view!);
  log(LOG_INFO);
  return true;
}

export function proxy_on_new_connection(id: u32): u32 {
  if (id != announcedConnection) return refuseWithoutView(Refusal.unknownConnection);
  const plugin = pluginOf(announcedRoot);
  return plugin ? onConnection(plugin) : refuseWithoutView(Refusal.noView);
}

export function proxy_on_delete(id: u32): void {
  removePlugin(id);
}
