/**
 * The plugin configurations in this VM. Each change of the view is a new root context in the same VM; the old one stays
 * until its last connection has ended, and must then give its memory back.
 */

import { decodeView, forgetKept, freeView, View } from './decision/view';
import { isLogWanted } from './connection-log';
import { metricsOf } from './counters';
import { handoffsOf } from './handoff';

/** What one root context decides by. */
@unmanaged
export class Plugin {
  next: Plugin | null;
  rootId: u32;
  /** Null until a view was accepted. */
  view: View | null;
  /** See counters.ts and handoff.ts. */
  metrics: usize;
  handoffs: usize;
  /** See connection-log.ts. */
  isLogged: bool;
}

/** UNBOUNDED here; as many as Envoy keeps root contexts: the newest, and older ones with connections still open. */
let first: Plugin | null = null;

export function pluginOf(rootId: u32): Plugin | null {
  let plugin = first;
  while (plugin && plugin.rootId != rootId) plugin = plugin.next;
  return plugin;
}

export function addPlugin(rootId: u32): Plugin {
  const known = pluginOf(rootId);
  if (known) return known;
  const plugin = changetype<Plugin>(heap.alloc(offsetof<Plugin>()));
  plugin.next = first;
  plugin.rootId = rootId;
  plugin.view = null;
  plugin.isLogged = false;
  first = plugin;
  return plugin;
}

/** Puts a view in force, or, where it does not check out, leaves what was and gives false: see decision/fault.ts. */
export function configure(plugin: Plugin, bytes: usize, length: u32): bool {
  const view = decodeView(bytes, length);
  if (!view) return false;
  release(plugin);
  plugin.view = view;
  plugin.metrics = metricsOf(view);
  plugin.handoffs = handoffsOf(view);
  plugin.isLogged = isLogWanted();
  forgetOldKept();
  return true;
}

/**
 * Envoy may open a connection with the root context before the newest while it passes from one to the other, never with one
 * that is older: those hold open connections alone, some of them for days, and need no kept clients for that.
 */
function forgetOldKept(): void {
  let newer = 0;
  let plugin = first;
  while (plugin) {
    const view = plugin.view;
    if (view) {
      if (newer > 1) forgetKept(view);
      newer++;
    }
    plugin = plugin.next;
  }
}

function release(plugin: Plugin): void {
  const view = plugin.view;
  if (!view) return;
  heap.free(plugin.handoffs);
  heap.free(plugin.metrics);
  freeView(view);
  plugin.view = null;
}

/** Gives back what belongs to a root context; every other id (a connection's) is none of them. */
export function removePlugin(rootId: u32): void {
  let before: Plugin | null = null;
  let plugin = first;
  while (plugin && plugin.rootId != rootId) {
    before = plugin;
    plugin = plugin.next;
  }
  if (!plugin) return;
  if (before) before.next = plugin.next;
  else first = plugin.next;
  release(plugin);
  heap.free(changetype<usize>(plugin));
}
