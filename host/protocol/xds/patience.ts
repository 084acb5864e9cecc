/**
 * How long an owner is waited for, turned into Envoy's numbers. An owner can be gone in three ways, and each has its clock:
 *
 *     killed    connects are refused    -> the health check's connection breaks, then two more checks are refused
 *     stopped   connects, says nothing  -> three checks in a row wait for their answer in vain
 *     silent    packets are lost        -> the same, and each connect of a client's own runs into the connect timeout
 *
 * A check takes `checkTimeoutMs` when it fails by silence, and `checkIntervalMs` lie between two: with a fifth of the
 * patience each, three failures are complete between 1.0 and 1.2 times the patience (up to one interval passes until the
 * first check after the death), for refusals between 0.2 and 0.6 times.
 */
import type { Milliseconds } from '../types.js';

export interface Patience {
  checkIntervalMs: Milliseconds;
  checkTimeoutMs: Milliseconds;
  /** Failed checks in a row after which the owner is given up and its open connections are cut. */
  checkFailuresMax: number;
  /** One attempt. The whole patience: attempts that hang are ended by the check, and a busy owner is not asked twice. */
  connectTimeoutMs: Milliseconds;
  /** Between two attempts: a random wait below this, doubling up to backOffMaxMs. */
  backOffBaseMs: Milliseconds;
  backOffMaxMs: Milliseconds;
  connectAttemptsMax: number;
}

/** For connections that no port rule covers, which therefore have none of their own; the filter has the same (assembly/handoff.ts). */
export const NO_RULE_PATIENCE_MS: Milliseconds = 1000;

const CHECK_FAILURES_MAX = 3;
/** Below this a busy scheduler alone would look like a dead host. */
const CHECK_MS_MIN = 20;
/**
 * Waits are random in [0, a fifth of the patience), so 20 attempts take 1.9 patiences in the mean, standard deviation 0.25:
 * the 0.6 until a refusing owner is marked are outlasted in all but one of some ten million connections.
 */
const CONNECT_ATTEMPTS_MAX = 20;

export function patienceOf(ownerPatienceMs: Milliseconds): Patience {
  const fifthMs = Math.max(CHECK_MS_MIN, Math.round(ownerPatienceMs / 5));
  return {
    checkIntervalMs: fifthMs,
    checkTimeoutMs: fifthMs,
    checkFailuresMax: CHECK_FAILURES_MAX,
    connectTimeoutMs: ownerPatienceMs,
    backOffBaseMs: Math.max(1, Math.round(fifthMs / 2)),
    backOffMaxMs: fifthMs,
    connectAttemptsMax: CONNECT_ATTEMPTS_MAX,
  };
}
