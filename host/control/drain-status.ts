/** What a status says of a drain, put together from a running sidecar. */
import type { DrainStatus } from '../admin/status.js';
import type { Milliseconds } from '../protocol/types.js';
import type { Sidecar } from '../sidecar.js';
import { leftCounts } from './drain-left.js';

/** @returns null while this host does not drain */
export function drainStatus(
  { takingPart, envoyWatch, left }: Sidecar,
  nowMs: Milliseconds,
  wallIsoOf: (ms: Milliseconds) => string,
): DrainStatus | null {
  const { drain } = takingPart;
  if (drain === null) return null;
  const { traffic, handedOffOpenCount } = envoyWatch;
  const counts = traffic === null ? null : leftCounts(traffic, handedOffOpenCount);
  return {
    since: wallIsoOf(drain.sinceMs),
    endsAt: drain.endsMs === null ? null : wallIsoOf(drain.endsMs),
    enteredCount: counts?.entered ?? null,
    handedHereCount: counts?.handedHere ?? null,
    oldest: left.oldest().map(({ firstSeenMs, ...connection }) => ({
      ...connection,
      seenForS: Math.max(0, Math.round((nowMs - firstSeenMs) / 1000)),
    })),
  };
}
