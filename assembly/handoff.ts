/**
 * What the filter tells Envoy to hand a connection to another host: the name of the Envoy cluster for this one
 * connection, as the argument of the foreign function `set_envoy_filter_state`, worked out when the view comes.
 *
 * The cluster is `nlb.handoff.<host>.p<ms>` where this host may serve in the owner's stead when it does not answer
 * within `ms`, else `nlb.handoff.<host>.strict<ms>`. The sidecar writes both into Envoy's clusters (host/protocol/xds).
 *
 * SetEnvoyFilterStateArguments (envoy, source/extensions/common/wasm/ext/set_envoy_filter_state.proto), protobuf:
 *
 *     0a 17 "envoy.tcp_proxy.cluster"    path
 *     12 n  the cluster's name           value
 *     18 02                              span: the downstream connection
 */

import { mayServeInstead, NO_RULE } from './decision/decide';
import { View } from './decision/view';
import { addBytes, addNumber, addText, line, lineLength, startLine } from './line';

/** One argument: its length (1), then at most 2 + 23 + 2 + 63 + 2 bytes. */
const ARGUMENT_SIZE: usize = 96;
const PATH = 'envoy.tcp_proxy.cluster';
/** For what no port rule covers, which therefore has no patience of its own. */
const NO_RULE_PATIENCE_MS: u32 = 1000;

function offsetOf(view: View, rule: u32, host: u32): usize {
  return usize(rule * view.hostCount + host) * ARGUMENT_SIZE;
}

/** The arguments for each rule and host, and for no rule (index ruleCount); a block of memory for heap.free(). */
export function handoffsOf(view: View): usize {
  const handoffs = heap.alloc(offsetOf(view, view.ruleCount + 1, 0));
  for (let rule: u32 = 0; rule <= view.ruleCount; rule++) {
    for (let host: u32 = 0; host < view.hostCount; host++) {
      writeArgument(view, rule, host, handoffs + offsetOf(view, rule, host));
    }
  }
  return handoffs;
}

function writeArgument(view: View, rule: u32, host: u32, out: usize): void {
  const isRule = rule < view.ruleCount;
  startLine();
  addText('nlb.handoff.');
  addBytes(view.host(host).name, view.host(host).nameLength);
  addText(mayServeInstead(view, isRule ? i32(rule) : NO_RULE) ? '.p' : '.strict');
  addNumber(isRule ? view.rule(rule).ownerPatienceMs : NO_RULE_PATIENCE_MS);
  const nameLength = lineLength;
  let at = out + 1;
  store<u16>(at, 0x170a);
  for (let i = 0; i < PATH.length; i++) store<u8>(at + 2 + i, u8(PATH.charCodeAt(i)));
  at += 2 + PATH.length;
  store<u8>(at, 0x12);
  store<u8>(at, u8(nameLength), 1);
  memory.copy(at + 2, line, nameLength);
  at += 2 + nameLength;
  store<u16>(at, 0x0218);
  store<u8>(out, u8(at + 2 - out - 1));
}

/** Address of the argument that hands a rule's connection to a host. */
export function handoffArgument(handoffs: usize, view: View, rule: u32, host: u32): usize {
  return handoffs + offsetOf(view, rule, host) + 1;
}

/** Its length in bytes. */
export function handoffArgumentLength(handoffs: usize, view: View, rule: u32, host: u32): usize {
  return load<u8>(handoffs + offsetOf(view, rule, host));
}
