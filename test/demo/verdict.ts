/**
 * Judges a check from three independent records: what the clients were told, what the SMTP servers have on disk, and when
 * the sidecars said which view was in force. Pure, so that each way to fail is tested without a cluster.
 */
import type { Attempt, Delivery } from './client.js';
import type { StoredMail } from './mailbox.js';
import { inForceName, type Sample } from './status.js';

export interface Verdict {
  pass: boolean;
  text: string;
}

/** Envoy takes a written view 2-10 ms later; tries this soon after a view was first seen are not compared. */
const SETTLE_MS = 300;

const lastOf = (delivery: Delivery) => delivery.attempts.at(-1) as Attempt;
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

export function judgeAcceptance(deliveries: Delivery[], wanted: number): Verdict {
  const accepted = deliveries.filter((d) => d.accepted);
  const retried = accepted.filter((d) => d.attempts.length > 1);
  const waits = accepted.map((d) => lastOf(d).endedMs - (d.attempts[0] as Attempt).startedMs);
  const lost = deliveries.find((d) => !d.accepted);
  const why = lost === undefined ? '' : `; ${lost.message.id} last: ${lastOf(lost).failure}`;
  const slowest = seconds(Math.max(0, ...waits));
  return {
    pass: accepted.length === wanted,
    text: `${accepted.length} of ${wanted} messages accepted, ${retried.length} of them at a later try, the slowest after ${slowest}${why}`,
  };
}

export function judgeEntryHosts(deliveries: Delivery[], entries: string[]): Verdict {
  const counts = entries.map((entry) => deliveries.filter((d) => lastOf(d).entry === entry).length);
  const clients = new Set(deliveries.map((d) => d.message.client)).size;
  const text = entries.map((entry, i) => `${counts[i]} through ${entry}`).join(', ');
  return { pass: counts.every((n) => n > 0), text: `${clients} client addresses, accepted: ${text}` };
}

/** Every acknowledged message is on the disk of the host that acknowledged it; a copy needs a cut before its answer. */
export function judgeStorage(deliveries: Delivery[], stored: StoredMail[]): Verdict {
  const accepted = deliveries.filter((d) => d.accepted);
  const missing = accepted.filter(
    (d) => !stored.some((mail) => mail.messageId === `<${d.message.id}>` && mail.host === lastOf(d).servedBy),
  );
  const copies = stored.length - new Set(stored.map((mail) => mail.messageId)).size;
  const unsure = deliveries.flatMap((d) => d.attempts).filter((a) => a.isUnsure).length;
  const example =
    missing[0] === undefined ? '' : `; missing: ${missing[0].message.id} at ${lastOf(missing[0]).servedBy}`;
  return {
    pass: missing.length === 0 && copies <= unsure,
    text:
      `${accepted.length - missing.length} of ${accepted.length} accepted messages are on the disk of the host that accepted them; ` +
      `${copies} copies, ${unsure} sessions cut before the answer${example}`,
  };
}

export function judgeClientAddresses(deliveries: Delivery[], stored: StoredMail[]): Verdict {
  const clients = new Map(deliveries.map((d) => [`<${d.message.id}>`, d.message.client]));
  const wrong = stored.filter((mail) => clients.get(mail.messageId) !== mail.client);
  const example = wrong[0] === undefined ? '' : `; ${wrong[0].file} says ${wrong[0].client}`;
  return {
    pass: wrong.length === 0 && stored.length > 0,
    text: `${stored.length - wrong.length} of ${stored.length} stored messages bear the client's own address${example}`,
  };
}

/**
 * What the entry host decided by during a whole try, or null where that is not certain. View numbers only grow, so the same
 * name before and after a try held in between.
 */
export function inForceDuring(attempt: Attempt, samples: Sample[]): string | null {
  const named = samples.filter((s) => s.host === attempt.entry);
  const before = named.filter((s) => s.answeredMs <= attempt.startedMs).at(-1);
  const after = named.find((s) => s.askedMs >= (attempt.greetedMs ?? attempt.endedMs));
  if (!before?.status || !after?.status) return null;
  const name = inForceName(before.status);
  if (name === null || name !== inForceName(after.status)) return null;
  const first = named.find((s) => s.status !== null && inForceName(s.status) === name) as Sample;
  return attempt.startedMs - first.answeredMs >= SETTLE_MS ? name : null;
}

/**
 * A client address reached one host as long as the view was the same, through whichever entry host it came. Excepted are
 * fallbacks: served by the entry host itself while the others reached the owner, and no more of them than were counted.
 */
export function judgeAffinity(deliveries: Delivery[], samples: Sample[], fallbackCount: number): Verdict {
  const greeted = deliveries.flatMap((d) => d.attempts.map((attempt) => ({ client: d.message.client, attempt })));
  const groups = new Map<string, Attempt[]>();
  for (const { client, attempt } of greeted) {
    const view = attempt.servedBy === null ? null : inForceDuring(attempt, samples);
    if (view === null) continue;
    const name = `${client} in ${view}`;
    groups.set(name, [...(groups.get(name) ?? []), attempt]);
  }
  const compared = [...groups].filter(([, attempts]) => attempts.length > 1);
  const views = new Set(compared.map(([name]) => name.split(' in ')[1]));
  const split: string[] = [];
  let strays = 0;
  for (const [name, attempts] of compared) {
    const isStray = (a: Attempt, owner: string | null) => a.servedBy !== owner && a.servedBy === a.entry;
    const owner = attempts.map((a) => a.servedBy).find((o) => attempts.every((a) => a.servedBy === o || isStray(a, o)));
    if (owner === undefined) split.push(`${name}: ${attempts.map(wayOf).join(', ')}`);
    else strays += attempts.filter((a) => isStray(a, owner)).length;
  }
  const connections = compared.reduce((sum, [, attempts]) => sum + attempts.length, 0);
  const example = split[0] === undefined ? '' : `; not so ${split[0]}`;
  return {
    pass: compared.length > 0 && split.length === 0 && strays <= fallbackCount,
    text:
      `each client reached one host while the view was the same: ${connections} connections compared ` +
      `(${[...views].join('; ')}), ${strays} served by the entry host as a fallback, ${fallbackCount} fallbacks counted${example}`,
  };
}

const wayOf = (a: Attempt) => `${a.entry} -> ${a.servedBy}`;

/**
 * Clients by host in the first view, against the expected shares. Bound: four standard deviations of a binomial, as owners
 * of distinct addresses are independent draws; exceeded about once in 16,000 sets of addresses.
 */
export function judgeShares(hostByClient: ReadonlyMap<string, string>, expected: ReadonlyMap<string, number>): Verdict {
  const total = hostByClient.size;
  let pass = total > 0;
  const texts = [...expected].map(([host, share]) => {
    const n = [...hostByClient.values()].filter((name) => name === host).length;
    const bound = 4 * Math.sqrt(total * share * (1 - share));
    if (Math.abs(n - total * share) > bound) pass = false;
    return `${host} ${((100 * n) / Math.max(1, total)).toFixed(0)} % of ${(100 * share).toFixed(1)} %`;
  });
  return { pass, text: `shares of ${total} client addresses, measured of expected: ${texts.join(', ')}` };
}

/** @param tookMs  null: it did not happen in time */
export function judgeTime(what: string, tookMs: number | null, limitMs: number): Verdict {
  if (tookMs === null) return { pass: false, text: `${what}: not within ${seconds(limitMs)}` };
  return { pass: tookMs <= limitMs, text: `${what} after ${seconds(tookMs)} (at most ${seconds(limitMs)})` };
}
