/**
 * Kept clients: those who had a connection not long ago, at a host that takes part and is not the owner by their bucket. They
 * stay there (docs/decisions/0016). They stand behind the rules of a view, and mostly there are none:
 *
 *      0   clients of each rule, u32     as many as there are rules; their sum is the kept count of the header
 *      +   hash of each client, u32      by rule; ascending within a rule
 *      +   host of each client, u8       its index in the view, in the same order
 *      +   zero                          0 .. 3 bytes, to a whole word
 */
import { fault, Fault } from './fault';
import { AFFINITY_NONE } from './key';
import { KEPT_MAX } from './limits';
import { MODE_MULTIPLE, ruleAt } from './rule';
import { View } from './view';

/** Bytes of the kept clients in a view. */
export function keptSize(ruleCount: u32, keptCount: u32): u32 {
  return keptCount == 0 ? 0 : ruleCount * 4 + ((keptCount * 5 + 3) & ~3);
}

/** Checks the kept clients behind the rules, which are checked already; notes the fault and gives false. */
export function checkKept(kept: usize, keptCount: u32, rules: usize, ruleCount: u32): bool {
  if (keptCount > KEPT_MAX) return fault(Fault.keptCount, -1, keptCount);
  if (keptCount == 0) return true;
  const hashes = kept + usize(ruleCount) * 4;
  let at: u32 = 0;
  for (let rule: u32 = 0; rule < ruleCount; rule++) {
    const count = load<u32>(kept + usize(rule) * 4);
    if (count > keptCount - at) return fault(Fault.keptCount, rule, count);
    if (!checkKeptOf(rules, rule, hashes, keptCount, at, count)) return false;
    at += count;
  }
  if (at != keptCount) return fault(Fault.keptCount, -1, at);
  const end = hashes + usize(keptCount) * 5;
  for (let i = end; i < hashes + usize((keptCount * 5 + 3) & ~3); i++) {
    if (load<u8>(i) != 0) return fault(Fault.padding, -1, load<u8>(i));
  }
  return true;
}

function checkKeptOf(rules: usize, index: u32, hashes: usize, keptCount: u32, first: u32, count: u32): bool {
  const rule = ruleAt(rules, index);
  if (count > 0 && (rule.mode != MODE_MULTIPLE || rule.affinity == AFFINITY_NONE)) {
    return fault(Fault.keptCount, index, count);
  }
  const hosts = hashes + usize(keptCount) * 4;
  for (let i = first; i < first + count; i++) {
    const hash = load<u32>(hashes + usize(i) * 4);
    if (i > first && hash <= load<u32>(hashes + usize(i - 1) * 4)) return fault(Fault.keptOrder, index, hash);
    const host = load<u8>(hosts + i);
    if (host >= 32 || rule.partOf(host) == 0) return fault(Fault.keptHost, index, host);
  }
  return true;
}

/** A block of its own for a view's kept clients, so that they can be given back before the view is; 0 where there are none. */
export function copyKept(kept: usize, keptCount: u32, ruleCount: u32): usize {
  if (keptCount == 0) return 0;
  const size = keptSize(ruleCount, keptCount);
  const block = heap.alloc(size);
  memory.copy(block, kept, size);
  return block;
}

/** The host at which a client is kept, or -1. */
export function keptHostOf(view: View, rule: i32, hash: u32): i32 {
  const kept = view.kept;
  if (kept == 0) return -1;
  let low: u32 = 0;
  for (let i = 0; i < rule; i++) low += load<u32>(kept + usize(i) * 4);
  let high = low + load<u32>(kept + usize(rule) * 4);
  const end = high;
  const hashes = kept + usize(view.ruleCount) * 4;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u32>(hashes + usize(middle) * 4) < hash) low = middle + 1;
    else high = middle;
  }
  if (low == end || load<u32>(hashes + usize(low) * 4) != hash) return -1;
  return load<u8>(hashes + usize(view.keptCount) * 4 + low);
}
