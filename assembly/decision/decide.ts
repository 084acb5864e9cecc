/** Who takes a connection: this host, another one, or nobody. A pure function of view, destination and client. */

import { bucketOf, hashOf, writeKey } from './key';
import { keptHostOf } from './kept';
import { ownerOf } from './rendezvous';
import { MODE_DISABLED, MODE_MULTIPLE } from './rule';
import { View } from './view';

/** decide(): the rule is disabled. */
export const REFUSE_DISABLED: i32 = -1;
/** decide(): no host of the view takes part in the rule. */
export const REFUSE_NOBODY: i32 = -2;

/** Rule index of a connection that no port rule covers. */
export const NO_RULE: i32 = -1;

const KEY: usize = memory.data(20);

/** Only multiple hosts asks who the client is: for the others its address need not even be read. */
export function asksForClient(view: View, rule: i32): bool {
  return rule != NO_RULE && view.rule(rule).mode == MODE_MULTIPLE;
}

/**
 * The host that takes a connection: under multiple hosts the one at which its client is kept, or else the owner of its bucket.
 *
 * @param rule     index of the rule that covers it, or NO_RULE
 * @param client   16 bytes of its address; not looked at unless asksForClient()
 * @param port     its port
 * @returns        index of the host, or REFUSE_DISABLED, REFUSE_NOBODY
 */
export function decide(view: View, rule: i32, client: usize, port: u16): i32 {
  if (rule == NO_RULE) return view.defaultHost;
  const mode = view.rule(rule).mode;
  if (mode == MODE_DISABLED) return REFUSE_DISABLED;
  if (mode != MODE_MULTIPLE) return firstHandler(view, rule);
  const size = writeKey(view.rule(rule).affinity, client, port, view.ipv6PrefixLength, KEY);
  const hash = hashOf(KEY, size, view.hashSeed);
  const kept = keptHostOf(view, rule, hash);
  if (kept >= 0) return kept;
  const owner = ownerOf(bucketOf(hash), view.weightedHostsOf(rule), view.hostCount);
  return owner < 0 ? REFUSE_NOBODY : load<u8>(view.placesOf(rule) + owner);
}

/** The bucket of a client of a rule with multiple hosts. */
export function bucketOfClient(view: View, rule: i32, client: usize, port: u16): u32 {
  const size = writeKey(view.rule(rule).affinity, client, port, view.ipv6PrefixLength, KEY);
  return bucketOf(hashOf(KEY, size, view.hashSeed));
}

/** The host of the lowest handling priority among those that take part. */
function firstHandler(view: View, rule: i32): i32 {
  let first = REFUSE_NOBODY;
  let lowest: u32 = u32.MAX_VALUE;
  for (let host: u32 = 0; host < view.hostCount; host++) {
    const priority = view.rule(rule).partOf(host);
    if (priority == 0 || priority >= lowest) continue;
    lowest = priority;
    first = host;
  }
  return first;
}

/**
 * May this host serve in the owner's stead, when the owner cannot be reached? Only where several hosts serve anyway and
 * this one takes part: two active servers of a single-host rule can ruin data.
 */
export function mayServeInstead(view: View, rule: i32): bool {
  if (rule == NO_RULE || view.self < 0) return false;
  const covering = view.rule(rule);
  return covering.mode == MODE_MULTIPLE && covering.partOf(view.self) > 0;
}
