/**
 * What the filter tells Envoy's access log of a connection, where the cluster file has a connectionLog: each a filter state
 * `wasm.nlb.<key>`. The root context's id says whether it is wanted, so a connection costs nothing more where it is not.
 */

import { asksForClient, bucketOfClient, NO_RULE } from './decision/decide';
import { View } from './decision/view';
import { rootIdIs, setProperty } from './envoy';
import { addBytes, addNumber, addText, line, lineLength, startLine } from './line';

/** `nlb.log`, as host/protocol/xds/names.ts has it. */
const LOGGED_ROOT = memory.data<u8>([110, 108, 98, 46, 108, 111, 103]);

export function isLogWanted(): bool {
  return rootIdIs(LOGGED_ROOT, 7);
}

let keyLength: u32 = 0;

function start(key: string): void {
  startLine();
  addText(key);
  keyLength = lineLength;
}

function finish(): void {
  setProperty(line, keyLength, line + keyLength, lineLength - keyLength);
}

/**
 * @param rule    index, or NO_RULE
 * @param host    index of who should have it, or below 0
 * @param source  the client, only looked at where the rule asks for it
 * @param kind    `handed_off`, or with a reason behind it `refused.`
 */
export function tellLog(view: View, rule: i32, host: i32, source: usize, port: u16, kind: string, reason: string): void {
  start('nlb.view');
  addNumber(view.viewNumber);
  finish();
  start('nlb.rule');
  if (rule == NO_RULE) addText('_none');
  else addBytes(view.rule(rule).name, view.rule(rule).nameLength);
  finish();
  start('nlb.outcome');
  addText(kind);
  addText(reason);
  finish();
  if (host >= 0) {
    start('nlb.owner');
    addBytes(view.host(host).name, view.host(host).nameLength);
    finish();
  }
  if (source == 0 || !asksForClient(view, rule)) return;
  start('nlb.bucket');
  addNumber(bucketOfClient(view, rule, source, port));
  finish();
}
