/**
 * What a fault cost, from what clients, services and sidecars were seen to do. Pure: records in, figures out.
 *
 * Nothing here trusts a counter of the product. Who should have answered comes from the owner of the client with all hosts
 * in; who might have, from what the entry host said of its view at that time.
 */
import type { Attempt, Sample, Session } from './records.js';

export interface Figures {
  /** New connections through entry hosts that live, which were not greeted; also those begun just before the fault. */
  failed_new: number;
  /** Held connections that were lost, whose service or entry host died, or whose way was cut. */
  lost_open_to_dead: number;
  /** All other held connections that were lost. */
  lost_open_to_others: number;
  /** Connections greeted by a host that takes no part in the rule, by any view of the entry host meanwhile. */
  served_by_outsider: number;
  /** 0-1, of all client addresses: greeted by another host than their owner, which the fault gave no reason for. */
  moved_without_cause: number;
  /** From the fault until all hosts that hear each other are in one view without what died; 0 where it never changed. */
  one_view_ms: number | null;
  /** From the end of the fault until all hosts are in one view again. */
  whole_again_ms: number | null;
  new_connections: number;
  longest_wait_ms: number;
}

export interface Evidence {
  attempts: Attempt[];
  sessions: Session[];
  samples: Sample[];
  /** The owners a client may have with all hosts in. */
  owners(client: string): Set<string>;
  /** True where a session dies with the fault. */
  isDoomed(entry: string, host: string): boolean;
  /** True where the fault is a reason that a client of `owner` is served elsewhere, coming through `entry`. */
  mayMove(owner: string, entry: string): boolean;
  /** Entry hosts that cannot be entered while the fault lasts. */
  closedEntries: string[];
  faultMs: number;
  /** When everything was as before, and Envoys know it: from then on nothing is excused. */
  settledMs: number;
}

export type Judged = Omit<Figures, 'one_view_ms' | 'whole_again_ms'>;

/** An Envoy that decides by an older view for longer than this is no excuse any more; 2-10 ms on an idle machine. */
const TAKEN_WITHIN_MS = 2000;

/**
 * True where the entry host said, at some time between the last word before that its Envoy had taken and the first after,
 * that the greeting host takes part.
 */
function tookPart({ entry, host, startedMs, endedMs }: Attempt, samples: Sample[]): boolean {
  const said = samples.filter(({ asked }) => asked === entry);
  const firstAfter = said.findIndex(({ atMs }) => atMs >= endedMs);
  const lastBefore = said.findLastIndex(({ atMs, isTaken }) => {
    return (isTaken && atMs <= startedMs) || atMs <= startedMs - TAKEN_WITHIN_MS;
  });
  const meanwhile = said.slice(Math.max(lastBefore, 0), firstAfter < 0 ? said.length : firstAfter + 1);
  return meanwhile.some(({ takers }) => takers.includes(host ?? ''));
}

/** Those greeted by another host than an owner of their client, for no reason that the fault gave. */
export function movements(evidence: Evidence): Attempt[] {
  const { attempts, faultMs, settledMs } = evidence;
  return attempts.filter(({ client, entry, host, startedMs, endedMs }) => {
    const owners = evidence.owners(client);
    if (host === null || owners.has(host)) return false;
    const isExcused = endedMs >= faultMs && startedMs <= settledMs;
    return !isExcused || ![...owners].some((owner) => evidence.mayMove(owner, entry));
  });
}

/** Begun before the fault through an entry host that then died: it is the entry host that failed, not the cluster. */
function isWithTheDead({ entry, startedMs }: Attempt, { closedEntries, faultMs, settledMs }: Evidence): boolean {
  return closedEntries.includes(entry) && startedMs < settledMs && startedMs > faultMs - 5000;
}

export function failures(evidence: Evidence): Attempt[] {
  return evidence.attempts.filter(({ failure, ...rest }) => {
    return failure !== null && !isWithTheDead({ failure, ...rest }, evidence);
  });
}

export function judge(evidence: Evidence): Judged {
  const { attempts, sessions, samples } = evidence;
  const lost = sessions.filter(({ lostMs }) => lostMs !== null);
  const doomed = lost.filter(({ entry, host }) => evidence.isDoomed(entry, host));
  const greeted = attempts.filter(({ host }) => host !== null);
  const clientCount = new Set(attempts.map(({ client }) => client)).size;
  const movedCount = new Set(movements(evidence).map(({ client }) => client)).size;
  return {
    failed_new: failures(evidence).length,
    lost_open_to_dead: doomed.length,
    lost_open_to_others: lost.length - doomed.length,
    served_by_outsider: greeted.filter((attempt) => !tookPart(attempt, samples)).length,
    moved_without_cause: clientCount === 0 ? 0 : movedCount / clientCount,
    new_connections: attempts.length,
    longest_wait_ms: Math.max(0, ...greeted.map(({ startedMs, endedMs }) => endedMs - startedMs)),
  };
}

/** What a group of hosts should come to say: hosts that hear each other, and who then takes part. */
export interface WantedView {
  asked: string[];
  takers: string[];
}

/** True where the last word of all hosts of each group by `atMs` is one view with exactly those that should take part. */
export function isOneView(samples: Sample[], wanted: WantedView[], atMs = Number.POSITIVE_INFINITY): boolean {
  return wanted.every(({ asked, takers }) => {
    const last = asked.map((name) => samples.findLast((sample) => sample.asked === name && sample.atMs <= atMs));
    const views = new Set(last.map((sample) => sample?.view ?? '*'));
    if (views.size !== 1 || [...views][0]?.endsWith('*')) return false;
    return last.every((sample) => sample?.takers.join() === takers.join());
  });
}

/** From `fromMs` until it was one view and stayed so until `toMs`; 0 where it always was, null where it never came. */
export function oneViewMs(samples: Sample[], wanted: WantedView[], fromMs: number, toMs: number): number | null {
  const times = samples.map(({ atMs }) => atMs).filter((atMs) => atMs >= fromMs && atMs <= toMs);
  const lastWrong = times.findLastIndex((atMs) => !isOneView(samples, wanted, atMs));
  if (lastWrong < 0) return 0;
  const since = times[lastWrong + 1];
  return since === undefined ? null : Math.round(since - fromMs);
}
