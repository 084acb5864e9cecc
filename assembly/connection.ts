/** One new connection: read what is needed, decide, tell Envoy, count. Allocates and keeps nothing, never traps. */

import { countFallback, countHandedOff, countRefused, countRefusedWithoutView, countServedHere } from './counters';
import { tellLog } from './connection-log';
import { ENDPOINT_PORT } from './decision/address';
import { asksForClient, decide, mayServeInstead, NO_RULE, REFUSE_DISABLED } from './decision/decide';
import { PROTOCOL_TCP, ruleFor } from './decision/rule';
import { View } from './decision/view';
import { closeDownstream, readDestination, readSource, setFilterState } from './envoy';
import { handoffArgument, handoffArgumentLength } from './handoff';
import { Plugin } from './plugin';
import { Fallback, fallbackText, Refusal, refusalText } from './reasons';

/** What a network filter answers: go on to tcp_proxy, or stop here. */
const CONTINUE: u32 = 0;
const STOP: u32 = 1;

/** ENDPOINT_SIZE bytes each. */
const SOURCE: usize = memory.data(18, 8);
const DESTINATION: usize = memory.data(18, 8);

/** Ends the connection before a byte has passed. Also where Envoy will not close it, it gets no further than here. */
function refuse(): u32 {
  closeDownstream();
  return STOP;
}

export function refuseWithoutView(reason: Refusal): u32 {
  countRefusedWithoutView(reason);
  return refuse();
}

export function onConnection(plugin: Plugin): u32 {
  const view = plugin.view;
  if (!view) return refuseWithoutView(Refusal.noView);
  if (!readDestination(DESTINATION)) return refuseWithoutView(Refusal.destinationUnreadable);
  const port = load<u16>(DESTINATION, ENDPOINT_PORT);
  const rule = ruleFor(view.rules, view.ruleCount, DESTINATION, port, PROTOCOL_TCP);
  if (asksForClient(view, rule) && !readSource(SOURCE)) {
    return withoutOwner(plugin, view, rule, Fallback.clientUnreadable, Refusal.clientUnreadable);
  }
  const clientPort = load<u16>(SOURCE, ENDPOINT_PORT);
  const host = decide(view, rule, SOURCE, clientPort);
  const row = rowOf(view, rule);
  if (host < 0) {
    const reason = host == REFUSE_DISABLED ? Refusal.ruleDisabled : Refusal.nobodyTakesPart;
    countRefused(plugin.metrics, view, row, reason);
    if (plugin.isLogged) tellLog(view, rule, host, SOURCE, clientPort, 'refused.', refusalText(reason));
    return refuse();
  }
  if (host == view.self) {
    if (plugin.isLogged) tellLog(view, rule, host, SOURCE, clientPort, 'served_here', '');
    countServedHere(plugin.metrics, view, row);
    return CONTINUE;
  }
  const argument = handoffArgument(plugin.handoffs, view, row, host);
  if (!setFilterState(argument, handoffArgumentLength(plugin.handoffs, view, row, host))) {
    return withoutOwner(plugin, view, rule, Fallback.handoffFailed, Refusal.handoffFailed);
  }
  countHandedOff(plugin.metrics, view, row, host);
  if (plugin.isLogged) tellLog(view, rule, host, SOURCE, clientPort, 'handed_off', '');
  return CONTINUE;
}

/** Counters and handoffs have one row more than there are rules: for what no rule covers. */
function rowOf(view: View, rule: i32): u32 {
  return rule == NO_RULE ? view.ruleCount : u32(rule);
}

/** The owner is unknown or out of reach: the same answer as for one that does not answer. */
function withoutOwner(plugin: Plugin, view: View, rule: i32, fallback: Fallback, refusal: Refusal): u32 {
  if (mayServeInstead(view, rule)) {
    countFallback(plugin.metrics, view, rowOf(view, rule), fallback);
    if (plugin.isLogged) tellLog(view, rule, -1, 0, 0, 'fallback.', fallbackText(fallback));
    return CONTINUE;
  }
  countRefused(plugin.metrics, view, rowOf(view, rule), refusal);
  if (plugin.isLogged) tellLog(view, rule, -1, 0, 0, 'refused.', refusalText(refusal));
  return refuse();
}
