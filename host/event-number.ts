/**
 * Our notices with the numbers of Windows NLB's events, where it had one, so that whoever watched for 69 goes on watching for
 * 69. docs/events.md is for people. Pure.
 */
import type { LogFields, LogLevel } from './edge/log.js';
import type { Effect, NoticeCause } from './protocol/events.js';

export interface EventKind {
  /** NLB's; null where it had none. */
  number: number | null;
  level: LogLevel;
}

export const EVENT_KINDS: Readonly<Record<NoticeCause, EventKind>> = {
  started: { number: 4, level: 'info' },
  hostHeard: { number: 64, level: 'info' },
  hostLost: { number: 69, level: 'warning' },
  hostLeft: { number: null, level: 'info' },
  hostRestarted: { number: null, level: 'info' },
  hostBack: { number: 18, level: 'info' },
  hostDeaf: { number: null, level: 'warning' },
  sidecarSilent: { number: null, level: 'warning' },
  sidecarBack: { number: null, level: 'info' },
  settingsChanged: { number: null, level: 'info' },
  converging: { number: 65, level: 'info' },
  viewInForce: { number: 28, level: 'info' },
  alone: { number: null, level: 'warning' },
  outside: { number: 68, level: 'warning' },
  inside: { number: null, level: 'info' },
  fileOffered: { number: null, level: 'info' },
  fileInForce: { number: 36, level: 'info' },
  contradiction: { number: 67, level: 'warning' },
  disagreement: { number: 87, level: 'error' },
  unverified: { number: null, level: 'warning' },
  claimedName: { number: 66, level: 'warning' },
  damped: { number: null, level: 'warning' },
  lateTick: { number: 105, level: 'warning' },
  stateCopied: { number: null, level: 'warning' },
};

type Notice = Extract<Effect, { kind: 'notice' }>;

/** The arguments of `log.repeating` for a notice. */
export function noticeLine({ cause, host, detail }: Notice): [LogLevel, string, string, LogFields] {
  const { number, level } = EVENT_KINDS[cause];
  const fields: LogFields = { cause, host, ...(number === null ? {} : { event: number }) };
  return [level, `${cause} ${host} ${detail}`, detail, fields];
}
