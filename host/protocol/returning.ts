/**
 * A host that comes, or comes back, under `failback`. With `slowly` it takes its weights in eighths over a time; with `never`
 * it is on standby (standby.ts). Each host says how far it is back in its row, and all work out the same weights (content.ts).
 */
import type { DurableState } from './events.js';
import type { ProtocolState } from './state.js';
import type { HostName, Milliseconds, PortRule } from './types.js';

const EIGHTHS = 8;

/**
 * Why a rule is a host's to take: the administrator gave it, so it takes a part there in any case; or `unopposed`, it saw nobody
 * there, and of two that come back together one may be heard before who serves; or others left it.
 */
export type Gift = 'asked' | 'unopposed' | 'left';

export interface ComingBack {
  /** Since when it takes its weights again; null where it has all of them. */
  sinceMs: Milliseconds | null;
  /**
   * Port rules, by name, in which it is on standby, each with the seats (seats.ts) that were taken by what was in force when it
   * was last looked at; null where that was in an earlier life of this host. BOUNDED: the rules of a file.
   */
  standby: Map<string, readonly HostName[] | null>;
  /**
   * Whom it stands in for, and in which port rules, each with the highest view number when that began. BOUNDED: the
   * rules of a file.
   */
  standsIn: { host: HostName; rules: Map<string, number> } | null;
  /** Rules that are this host's to take, until what is in force gives it its part. BOUNDED: the rules of two files. */
  given: Map<string, Gift>;
  /** Since when the cluster comes up with this host; null where that is over, or was never so. */
  gatheringSinceMs: Milliseconds | null;
  /** Its Envoy did not serve before, and it has no part in a view of this life yet. */
  isFresh: boolean;
  /** The others went on without it; seen when it met them again. */
  isReturned: boolean;
  /**
   * The number of what it had in force, or was about to have, when it met others that had another view meanwhile: up to there
   * it tells nothing of who serves now. 0 where it never met any.
   */
  metFrom: number;
}

export function newComingBack(durable: DurableState, nowMs: Milliseconds, isFresh: boolean): ComingBack {
  const { standby, standsIn, returningForMs } = durable;
  const sinceMs = returningForMs === null ? null : nowMs - returningForMs;
  return {
    sinceMs: isFresh ? nowMs : sinceMs,
    standby: new Map(standby.map((rule) => [rule, null])),
    standsIn: standsIn && { host: standsIn.host, rules: new Map(standsIn.rules.map((rule) => [rule, 0])) },
    given: new Map(),
    gatheringSinceMs: isFresh ? nowMs : null,
    isFresh,
    isReturned: false,
    metFrom: 0,
  };
}

/** What of it outlives a start of the sidecar. */
export function durableComing({
  comingBack,
  lastEventMs,
}: ProtocolState): Pick<DurableState, 'standby' | 'standsIn' | 'returningForMs'> {
  const { standby, standsIn, sinceMs } = comingBack;
  return {
    standby: [...standby.keys()].sort(),
    standsIn: standsIn && { host: standsIn.host, rules: [...standsIn.rules.keys()].sort() },
    returningForMs: sinceMs === null ? null : lastEventMs - sinceMs,
  };
}

/** @returns 1-7 eighths of the longest time in the file; 0: it has all of its weights */
export function eighths(state: ProtocolState, nowMs: Milliseconds): number {
  const { sinceMs } = state.comingBack;
  const longestMs = longestFailbackMs(state.known.file.portRules);
  if (sinceMs === null || nowMs - sinceMs >= longestMs) return 0;
  return 1 + Math.floor(((EIGHTHS - 1) * Math.max(0, nowMs - sinceMs)) / longestMs);
}

function longestFailbackMs(rules: readonly PortRule[]): Milliseconds {
  let longest = 0;
  for (const { failbackMs } of rules) if (failbackMs !== undefined && failbackMs > longest) longest = failbackMs;
  return longest;
}
