/**
 * Our notices with the numbers of Windows NLB's events, where it had one, so that whoever watched for 69 goes on watching for
 * 69. docs/events.md is for people. Pure.
 */
import type { LogFields, LogLevel } from './edge/log.js';
import type { NoticeCause, NoticeEffect } from './protocol/events.js';

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
  takesPart: { number: 23, level: 'info' },
  takesNoPart: { number: 24, level: 'info' },
  converging: { number: 65, level: 'info' },
  viewInForce: { number: 28, level: 'info' },
  viewInForceAsDefault: { number: 29, level: 'info' },
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
  keepsTime: { number: 106, level: 'info' },
  standby: { number: null, level: 'info' },
  stateCopied: { number: null, level: 'warning' },
};

/** What somebody asked of this host, and what came of it. */
export type ControlCause =
  | 'hostStarted'
  | 'hostStopped'
  | 'drainStarted'
  | 'drainInterrupted'
  | 'drainEnded'
  | 'hostSuspended'
  | 'hostResumed'
  | 'controlRefused'
  | 'ruleAdjusted'
  | 'ruleDraining'
  | 'allRulesDraining'
  | 'allRulesEnabled'
  | 'allRulesDisabled'
  | 'ruleNotFound'
  | 'ruleWhileStopped'
  | 'hostForgotten'
  | 'stateNotSaved'
  | 'stateNotFound'
  | 'stateStarted'
  | 'stateStopped';

export const CONTROL_KINDS: Readonly<Record<ControlCause, EventKind>> = {
  hostStarted: { number: 5, level: 'info' },
  hostStopped: { number: 6, level: 'info' },
  drainStarted: { number: 44, level: 'info' },
  drainInterrupted: { number: 45, level: 'info' },
  drainEnded: { number: null, level: 'info' },
  hostSuspended: { number: null, level: 'info' },
  hostResumed: { number: null, level: 'info' },
  controlRefused: { number: null, level: 'warning' },
  ruleAdjusted: { number: 38, level: 'info' },
  ruleDraining: { number: 39, level: 'info' },
  allRulesDraining: { number: 41, level: 'info' },
  allRulesEnabled: { number: 42, level: 'info' },
  allRulesDisabled: { number: 43, level: 'info' },
  ruleNotFound: { number: 25, level: 'warning' },
  ruleWhileStopped: { number: 26, level: 'warning' },
  hostForgotten: { number: null, level: 'info' },
  stateNotSaved: { number: 74, level: 'error' },
  stateNotFound: { number: 76, level: 'info' },
  stateStarted: { number: 77, level: 'info' },
  stateStopped: { number: 78, level: 'info' },
};

/** What is wrong with this host alone and has a cause that programs look for; other problems of its own have none. */
export type OwnCause = 'viewsChangeOften' | 'clientsFull';

export const OWN_KINDS: Readonly<Record<OwnCause, EventKind>> = {
  viewsChangeOften: { number: null, level: 'warning' },
  clientsFull: { number: 117, level: 'warning' },
};

/** The arguments of `log.repeating` for one. */
export function ownLine(cause: OwnCause, host: string, text: string): [LogLevel, string, string, LogFields] {
  const { number, level } = OWN_KINDS[cause];
  return [level, cause, text, { cause, host, ...(number === null ? {} : { event: number }) }];
}

/** The arguments of `log.repeating` for one; what was asked again and again is one line a minute. */
export function controlLine(cause: ControlCause, host: string, text: string): [LogLevel, string, string, LogFields] {
  const { number, level } = CONTROL_KINDS[cause];
  return [level, `${cause} ${text}`, text, { cause, host, ...(number === null ? {} : { event: number }) }];
}

/** The arguments of `log.repeating` for a notice. */
export function noticeLine({ cause, host, detail, todo }: NoticeEffect): [LogLevel, string, string, LogFields] {
  const { number, level } = EVENT_KINDS[cause];
  const fields: LogFields = {
    cause,
    host,
    ...(number === null ? {} : { event: number }),
    ...(todo === null ? {} : { todo }),
  };
  return [level, `${cause} ${host} ${detail}`, detail, fields];
}
