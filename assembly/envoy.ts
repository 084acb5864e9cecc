/**
 * Every proxy-wasm call of the filter, each as one function that cannot fail badly: what Envoy refuses comes back as
 * false or NO_METRIC. The declarations are those of the SDK; its classes are not used (docs/decisions/0001).
 */

import {
  proxy_call_foreign_function,
  proxy_close_stream,
  proxy_define_metric,
  proxy_get_buffer_bytes,
  proxy_get_property,
  proxy_increment_metric,
  proxy_log,
  proxy_set_property,
} from '@gcoredev/proxy-wasm-sdk-as/assembly/imports';
import { parseEndpoint } from './decision/address';
import { VIEW_SIZE_MAX } from './decision/limits';
import { line, lineLength } from './line';

// Numbers of the proxy-wasm ABI 0.2.1 (proxy-wasm/spec, abi-versions/v0.2.1).
const OK: u32 = 0;
const STREAM_DOWNSTREAM: i32 = 2;
const BUFFER_PLUGIN_CONFIGURATION: i32 = 7;
const METRIC_COUNTER: i32 = 0;
export const LOG_INFO: usize = 2;
export const LOG_ERROR: usize = 4;

/** Stands for a counter that could not be made; 0 is a lawful id. */
export const NO_METRIC: u32 = u32.MAX_VALUE;

/** "source\0address" and "destination\0address": the parts of a property's path are parted by zero bytes. */
const SOURCE_ADDRESS = memory.data<u8>([115, 111, 117, 114, 99, 101, 0, 97, 100, 100, 114, 101, 115, 115]);
const SOURCE_ADDRESS_LENGTH: usize = 14;
const DESTINATION_ADDRESS = memory.data<u8>([
  100, 101, 115, 116, 105, 110, 97, 116, 105, 111, 110, 0, 97, 100, 100, 114, 101, 115, 115,
]);
const DESTINATION_ADDRESS_LENGTH: usize = 19;
/** "set_envoy_filter_state" */
const SET_FILTER_STATE = memory.data<u8>([
  115, 101, 116, 95, 101, 110, 118, 111, 121, 95, 102, 105, 108, 116, 101, 114, 95, 115, 116, 97, 116, 101,
]);
const SET_FILTER_STATE_LENGTH: usize = 22;

/** Envoy writes where a result is and how long: two u32. */
const RESULT: usize = memory.data(8, 8);
/**
 * Where Envoy puts results. One buffer does: each result is used up before the next call, and nothing is to be freed.
 */
const RESULT_BYTES: usize = memory.data(4096, 16);
const RESULT_BYTES_MAX: u32 = 4096;

/** A plugin configuration that is too long for that, while it is read; see releaseConfiguration(). 0 for none. */
let configuration: usize = 0;
/** Bytes that a plugin configuration may have now; 0 while none is read. */
let configurationMax: u32 = 0;

/** Envoy's request for memory. 0 where it asks for more than any answer needs: the call then fails, without a trap. */
export function malloc(size: usize): usize {
  if (size <= RESULT_BYTES_MAX) return RESULT_BYTES;
  if (size > configurationMax || configuration != 0) return 0;
  configuration = heap.alloc(size);
  return configuration;
}

function readEndpoint(path: usize, pathLength: usize, out: usize): bool {
  if (proxy_get_property(path, pathLength, RESULT, RESULT + 4) != OK) return false;
  const length = load<u32>(RESULT, 4);
  return length <= RESULT_BYTES_MAX && parseEndpoint(load<usize>(RESULT), length, out) == 0;
}

/** The client's address and port, ENDPOINT_SIZE bytes to `out`. */
export function readSource(out: usize): bool {
  return readEndpoint(SOURCE_ADDRESS, SOURCE_ADDRESS_LENGTH, out);
}

/** The address and port that the client connected to, ENDPOINT_SIZE bytes to `out`. */
export function readDestination(out: usize): bool {
  return readEndpoint(DESTINATION_ADDRESS, DESTINATION_ADDRESS_LENGTH, out);
}

/**
 * Address of the plugin configuration's `length` bytes, valid until the next call and until releaseConfiguration(), which has
 * to follow; 0 where they cannot be had.
 */
export function readConfiguration(length: u32): usize {
  if (length == 0 || length > VIEW_SIZE_MAX) return 0;
  configurationMax = length;
  const result = proxy_get_buffer_bytes(BUFFER_PLUGIN_CONFIGURATION, 0, length, RESULT, RESULT + 4);
  configurationMax = 0;
  if (result != OK) return 0;
  return load<u32>(RESULT, 4) == length ? load<usize>(RESULT) : 0;
}

export function releaseConfiguration(): void {
  if (configuration != 0) heap.free(configuration);
  configuration = 0;
}

/** Sets a filter state; `argument` is a SetEnvoyFilterStateArguments message, see handoff.ts. */
export function setFilterState(argument: usize, length: usize): bool {
  const name = SET_FILTER_STATE;
  return proxy_call_foreign_function(name, SET_FILTER_STATE_LENGTH, argument, length, RESULT, RESULT + 4) == OK;
}

/** Keeps a value with the connection, for its access log: filter state `wasm.<key>`. */
export function setProperty(key: usize, keyLength: u32, value: usize, valueLength: u32): void {
  proxy_set_property(key, keyLength, value, valueLength);
}

/** "plugin_root_id" */
const ROOT_ID = memory.data<u8>([112, 108, 117, 103, 105, 110, 95, 114, 111, 111, 116, 95, 105, 100]);
const ROOT_ID_LENGTH: usize = 14;

/** Is that the id of the root context that speaks now? */
export function rootIdIs(id: usize, length: u32): bool {
  if (proxy_get_property(ROOT_ID, ROOT_ID_LENGTH, RESULT, RESULT + 4) != OK) return false;
  return load<u32>(RESULT, 4) == length && memory.compare(load<usize>(RESULT), id, length) == 0;
}

/** Closes the client's connection: it reads a clean end of file. */
export function closeDownstream(): bool {
  return proxy_close_stream(STREAM_DOWNSTREAM) == OK;
}

/** A new counter named by the line. Envoy keeps an entry for every call, for ever: see counters.ts. */
export function defineCounter(): u32 {
  if (proxy_define_metric(METRIC_COUNTER, line, lineLength, RESULT) != OK) return NO_METRIC;
  return load<u32>(RESULT);
}

export function increment(metric: u32): void {
  if (metric != NO_METRIC) proxy_increment_metric(metric, 1);
}

/** Writes the line to Envoy's log. */
export function log(level: usize): void {
  proxy_log(level, line, lineLength);
}
