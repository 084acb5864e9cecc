/** Why a connection was not simply given to its owner, as the counters name it. The only list of them. */

/** `nlb.<rule>.refused.<reason>`: the client read an end of file. */
export const enum Refusal {
  /** Another host should have it, Envoy would not take its cluster's name, and this host may not serve instead. */
  handoffFailed,
  /** The rule's filtering mode is disabled. */
  ruleDisabled,
  /** No host of the view takes part in the rule. */
  nobodyTakesPart,
  /** The client's address could not be read, and this host may not serve in the unknown owner's stead. */
  clientUnreadable,
  /** Under rule `_none`: where the client connected to could not be read, so no rule is known. */
  destinationUnreadable,
  /** Under rule `_none`: no view was ever accepted. */
  noView,
  /** Under rule `_none`: Envoy announced another connection than it opened. */
  unknownConnection,
}
export const REFUSALS: u32 = 7;

/** `nlb.<rule>.fallback.<reason>`: this host served in the owner's stead. */
export const enum Fallback {
  handoffFailed,
  clientUnreadable,
}
export const FALLBACKS: u32 = 2;

export function refusalText(reason: u32): string {
  switch (reason) {
    case Refusal.handoffFailed:
      return 'handoff_failed';
    case Refusal.ruleDisabled:
      return 'rule_disabled';
    case Refusal.nobodyTakesPart:
      return 'nobody_takes_part';
    case Refusal.clientUnreadable:
      return 'client_unreadable';
    case Refusal.destinationUnreadable:
      return 'destination_unreadable';
    case Refusal.noView:
      return 'no_view';
    default:
      return 'unknown_connection';
  }
}

export function fallbackText(reason: u32): string {
  return reason == Fallback.handoffFailed ? 'handoff_failed' : 'client_unreadable';
}

/** Can the reason come up under a rule, or (`isRule` false) where no rule covers the connection? */
export function canRefuse(reason: i32, isRule: bool): bool {
  if (reason == Refusal.handoffFailed) return true;
  return isRule ? reason < Refusal.destinationUnreadable : reason >= Refusal.destinationUnreadable;
}
