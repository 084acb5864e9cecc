/** One fault, from a fresh cluster to its figures. */
import { loadDecision } from '../../host/edge/decision.js';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import { logsOf } from '../netns/cluster.js';
import type { Fault } from './faults.js';
import {
  type Evidence,
  type Figures,
  failures,
  isOneView,
  judge,
  movements,
  oneViewMs,
  type WantedView,
} from './judge.js';
import { type Lab, startLab } from './lab.js';
import { clientAddresses, type Load, startLoad } from './load.js';
import type { Sample } from './records.js';

export interface RunSettings {
  /** New connections a second, over all entry hosts. */
  ratePerS: number;
  clientCount: number;
  sessionCount: number;
  /** At least this long each fault lasts. */
  faultMs: number;
}

export const DEFAULT_SETTINGS: RunSettings = { ratePerS: 60, clientCount: 150, sessionCount: 60, faultMs: 7000 };

const SAMPLE_PERIOD_MS = 100;
const BEFORE_MS = 2500;
const AFTER_MS = 3000;
const ONE_VIEW_LIMIT_MS = 20_000;
const WHOLE_AGAIN_LIMIT_MS = 40_000;
const HASH_SEED = 0x5eed1234;

export type OwnersOf = (client: string) => Set<string>;

/** Owners with all hosts in, under each of the weights of n3 that a run has used. */
export async function ownersUnder(hosts: string[], weightsOfLast: number[]): Promise<OwnersOf> {
  const decision = await loadDecision();
  const key = { affinity: 'single', port: 0, hashSeed: HASH_SEED, ipv6PrefixLength: 64 } as const;
  return (address) => {
    const bucket = decision.bucket({ ...key, address });
    const owners = weightsOfLast.map((weight) => {
      const weighted = hosts.map((name, i) => ({ name, loadWeight: i === hosts.length - 1 ? weight : 50 }));
      return decision.owners(bucket, weighted, HASH_SEED).owner ?? '';
    });
    return new Set(owners);
  };
}

export interface Watch {
  samples: Sample[];
  stop(): void;
}

/** Asks every sidecar again and again; one that is silent is asked on. BOUNDED by the length of a run. */
function watch(lab: Lab): Watch {
  const samples: Sample[] = [];
  let isOver = false;
  const ask = async (name: string) => {
    while (!isOver) {
      const sample = await lab.sample(name);
      if (sample) samples.push(sample);
      await sleep(SAMPLE_PERIOD_MS);
    }
  };
  for (const { name } of lab.cluster.hosts) void ask(name);
  return {
    samples,
    stop: () => {
      isOver = true;
    },
  };
}

/** Resolves also where it never comes: then the figures say so. */
async function untilOneView(samples: Sample[], wanted: WantedView[], limitMs: number): Promise<void> {
  await waitFor('one view', () => isOneView(samples, wanted), limitMs).catch(() => undefined);
}

export async function startedLoad(lab: Lab, settings: RunSettings): Promise<Load> {
  const entries = Object.fromEntries(lab.cluster.hosts.map(({ name, address }) => [name, address]));
  const clients = clientAddresses(settings.clientCount);
  const { ratePerS, sessionCount } = settings;
  return startLoad(lab.cluster.network, { entries, port: 25, ratePerS, clients, sessionCount });
}

interface Times {
  faultMs: number;
  /** A busy machine takes a while to cut: what began before this may have been under way. */
  inPlaceMs: number;
  healedMs: number;
  settledMs: number;
}

/** Hurts and heals under load, and tells when that was. */
async function goThrough(lab: Lab, fault: Fault, load: Load, samples: Sample[], settings: RunSettings): Promise<Times> {
  const names = lab.cluster.hosts.map(({ name }) => name);
  await sleep(BEFORE_MS);
  load.useEntries(names.filter((name) => !fault.closedEntries.includes(name)));
  const faultMs = Date.now();
  await fault.inject(lab);
  const inPlaceMs = Date.now();
  await sleep(settings.faultMs);
  await untilOneView(samples, fault.views, ONE_VIEW_LIMIT_MS);
  const healedMs = Date.now();
  await fault.heal(lab);
  await sleep(1000);
  await untilOneView(samples, [{ asked: names, takers: names }], WHOLE_AGAIN_LIMIT_MS);
  await lab.ready().catch(() => undefined);
  const settledMs = Date.now();
  load.useEntries(names);
  await sleep(AFTER_MS);
  return { faultMs, inPlaceMs, healedMs, settledMs };
}

export interface Outcome {
  figures: Figures;
  /** For who wants to know more: failures by reason, and the views that were seen. */
  notes: string[];
}

/** A lab for `work` alone, watched meanwhile; where it fails the logs of its hosts are shown. */
export async function inLab<T>(
  smallDisk: string | null,
  work: (lab: Lab, samples: Sample[]) => Promise<T>,
): Promise<T> {
  const lab = startLab(smallDisk);
  const observed = watch(lab);
  try {
    await lab.ready();
    return await work(lab, observed.samples);
  } catch (error) {
    process.stderr.write(`${logsOf(lab.cluster)}\n`);
    throw error;
  } finally {
    observed.stop();
    lab.remove();
  }
}

export async function runFault(fault: Fault, settings: RunSettings): Promise<Outcome> {
  return inLab(fault.smallDisk ?? null, async (lab, samples) => {
    const load = await startedLoad(lab, settings);
    const { faultMs, inPlaceMs, healedMs, settledMs } = await goThrough(lab, fault, load, samples, settings);
    const names = lab.cluster.hosts.map(({ name }) => name);
    const owners = await ownersUnder(names, [50]);
    const { isDoomed, mayMove, closedEntries } = fault;
    const evidence = { ...(await load.end()), samples, owners, isDoomed, mayMove, closedEntries, faultMs, settledMs };
    const figures = {
      ...judge(evidence),
      one_view_ms: oneViewMs(samples, fault.views, faultMs, healedMs),
      whole_again_ms: oneViewMs(samples, [{ asked: names, takers: names }], healedMs, Date.now()),
    };
    const inPlace = `in place ${inPlaceMs - faultMs} ms after it was begun`;
    return { figures, notes: [inPlace, ...attemptNotes(evidence), ...viewNotes(samples, faultMs)] };
  });
}

/** `12 x ECONNRESET through n1, begun 3 to 950 ms after the fault`; `127.0.0.9 through n1 at 950 ms: greeted by n2, its owner is n3` */
export function attemptNotes(evidence: Evidence): string[] {
  const { faultMs, owners } = evidence;
  const groups = new Map<string, number[]>();
  for (const { entry, failure, startedMs } of failures(evidence)) {
    const key = `${failure} through ${entry}`;
    groups.set(key, [...(groups.get(key) ?? []), startedMs - faultMs]);
  }
  const range = (times: number[]) => `begun ${Math.min(...times)} to ${Math.max(...times)} ms after the fault`;
  const failed = [...groups].map(([key, times]) => `${times.length} x ${key}, ${range(times)}`);
  const moved = movements(evidence).map(({ client, entry, host, startedMs }) => {
    const owner = [...owners(client)].join(' or ');
    return `${client} through ${entry} at ${startedMs - faultMs} ms: greeted by ${host}, its owner is ${owner}`;
  });
  return [...failed, ...moved];
}

/** Every change of what a sidecar said of its view. */
function viewNotes(samples: Sample[], faultMs: number): string[] {
  const last = new Map<string, string>();
  const notes: string[] = [];
  for (const { asked, atMs, view, takers } of samples) {
    const said = `view ${view.replace(/ \w+/, '')} with ${takers.join(' ')}`;
    if (last.get(asked) === said) continue;
    last.set(asked, said);
    if (atMs >= faultMs) notes.push(`${asked} at ${atMs - faultMs} ms: ${said}`);
  }
  return notes;
}
