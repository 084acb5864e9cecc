/**
 * The counters, one for each name in this VM. Envoy keeps an entry for every counter that is made, also for a name it
 * has already, so a new view takes over the counters of the old one.
 *
 *     nlb.<rule>.served_here          this host owns the client
 *     nlb.<rule>.handed_off.<host>    another does
 *     nlb.<rule>.fallback.<reason>    this host served in the owner's stead
 *     nlb.<rule>.refused.<reason>     closed
 *
 * Envoy shows them as `wasmcustom.nlb...`. Connections that no port rule covers count under rule `_none`. They are made
 * with the view, at 0: an alarm on the growth of a counter misses the first event of one that springs up.
 */

import { View } from './decision/view';
import { defineCounter, increment } from './envoy';
import { addBytes, addText, line, lineLength, startLine } from './line';
import { canRefuse, FALLBACKS, fallbackText, REFUSALS, refusalText } from './reasons';

/** One counter; its name follows. UNBOUNDED in principle: as many as names were ever used, never given back. */
@unmanaged
class Counter {
  next: usize;
  metric: u32;
  nameLength: u32;

  get name(): usize {
    return changetype<usize>(this) + offsetof<Counter>();
  }
}

/** Chains of counters, by the hash of their names. */
const CHAINS: usize = memory.data(4 * 256, 4);
const CHAINS_COUNT: u32 = 256;

function chainOf(name: usize, length: u32): usize {
  let hash: u32 = 0x811c9dc5;
  for (let i: u32 = 0; i < length; i++) hash = (hash ^ load<u8>(name + i)) * 0x01000193;
  return CHAINS + usize((hash % CHAINS_COUNT) << 2);
}

/** The metric of the counter that the line names, made where it is new. */
function metricOfLine(): u32 {
  const chain = chainOf(line, lineLength);
  for (let at = load<usize>(chain); at != 0; at = changetype<Counter>(at).next) {
    const known = changetype<Counter>(at);
    if (known.nameLength == lineLength && memory.compare(known.name, line, lineLength) == 0) return known.metric;
  }
  const counter = changetype<Counter>(heap.alloc(offsetof<Counter>() + lineLength));
  counter.next = load<usize>(chain);
  counter.nameLength = lineLength;
  memory.copy(counter.name, line, lineLength);
  counter.metric = defineCounter();
  store<usize>(chain, changetype<usize>(counter));
  return counter.metric;
}

/** Begins the line with `nlb.<rule>`; rule index `ruleCount` stands for no rule, as does no view. */
function startName(view: View | null, rule: u32): void {
  startLine();
  addText('nlb.');
  if (view && rule < view.ruleCount) addBytes(view.rule(rule).name, view.rule(rule).nameLength);
  else addText('_none');
}

/** Metrics of one rule: served here, fallbacks, refusals, then one a host for what was handed off. */
const METRICS_BEFORE_HOSTS: u32 = 1 + FALLBACKS + REFUSALS;

function offsetOf(view: View, rule: u32, place: u32): usize {
  return usize(rule * (METRICS_BEFORE_HOSTS + view.hostCount) + place) << 2;
}

/** The metrics of a view's rules, and of no rule; a block of memory for heap.free(). */
export function metricsOf(view: View): usize {
  const metrics = heap.alloc(offsetOf(view, view.ruleCount + 1, 0));
  for (let rule: u32 = 0; rule <= view.ruleCount; rule++) fillMetrics(view, rule, metrics);
  return metrics;
}

function fillMetrics(view: View, rule: u32, metrics: usize): void {
  const isRule = rule < view.ruleCount;
  startName(view, rule);
  addText('.served_here');
  store<u32>(metrics + offsetOf(view, rule, 0), metricOfLine());
  for (let reason: u32 = 0; reason < FALLBACKS && isRule; reason++) {
    store<u32>(metrics + offsetOf(view, rule, 1 + reason), fallbackMetric(view, rule, reason));
  }
  for (let reason: u32 = 0; reason < REFUSALS; reason++) {
    if (canRefuse(i32(reason), isRule)) {
      store<u32>(metrics + offsetOf(view, rule, 1 + FALLBACKS + reason), refusalMetric(view, rule, reason));
    }
  }
  for (let host: u32 = 0; host < view.hostCount; host++) {
    if (i32(host) == view.self) continue;
    startName(view, rule);
    addText('.handed_off.');
    addBytes(view.host(host).name, view.host(host).nameLength);
    store<u32>(metrics + offsetOf(view, rule, METRICS_BEFORE_HOSTS + host), metricOfLine());
  }
}

function fallbackMetric(view: View, rule: u32, reason: u32): u32 {
  startName(view, rule);
  addText('.fallback.');
  addText(fallbackText(reason));
  return metricOfLine();
}

function refusalMetric(view: View | null, rule: u32, reason: u32): u32 {
  startName(view, rule);
  addText('.refused.');
  addText(refusalText(reason));
  return metricOfLine();
}

export function countServedHere(metrics: usize, view: View, rule: u32): void {
  increment(load<u32>(metrics + offsetOf(view, rule, 0)));
}

export function countHandedOff(metrics: usize, view: View, rule: u32, host: u32): void {
  increment(load<u32>(metrics + offsetOf(view, rule, METRICS_BEFORE_HOSTS + host)));
}

export function countFallback(metrics: usize, view: View, rule: u32, reason: u32): void {
  increment(load<u32>(metrics + offsetOf(view, rule, 1 + reason)));
}

export function countRefused(metrics: usize, view: View, rule: u32, reason: u32): void {
  increment(load<u32>(metrics + offsetOf(view, rule, 1 + FALLBACKS + reason)));
}

/** For a connection that has no view to be decided by. */
export function countRefusedWithoutView(reason: u32): void {
  increment(refusalMetric(null, 0, reason));
}
