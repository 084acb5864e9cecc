/**
 * Config distribution as the hosts do it (host/apply), without its channel. A revision is promised by all that are asked, or
 * refused; then each offers it. In force, it is the file on the disk; if not within 15 s, it is taken back; who missed it asks
 * whoever has it.
 */
import { clusterOf } from './checkers.js';
import type { Cluster, KnownFile, SimHost, SimRevision } from './cluster.js';
import { variantOf } from './files.js';
import { pick } from './random.js';

const OFFERED_MAX_MS = 15_000;
/** Who promised and hears nothing asks around after this; a promise ends after 10 s. */
const ASK_AROUND_AFTER_MS = 1500;
const PREPARED_MAX_MS = 10_000;

/** One host offers a revision. */
export function bring(cluster: Cluster, host: SimHost, revision: SimRevision): void {
  const { life } = host;
  if (host.state === null) return;
  host.brought = revision;
  cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...revision });
  cluster.after(OFFERED_MAX_MS, () => {
    if (host.brought !== revision || host.life !== life) return;
    host.brought = null;
    cluster.give(host, { kind: 'withdraw', nowMs: cluster.clock(host), fingerprint: revision.fingerprint });
  });
}

/** What came in force is written over the file that the host was started with. */
export function noteInForce(host: SimHost): void {
  const { state, brought } = host;
  if (brought === null || state?.known.fingerprint !== brought.fingerprint) return;
  host.onDisk = { file: brought.file, fingerprint: brought.fingerprint };
  host.brought = null;
}

/** At its start: a crash may have come between what is in force and the file. */
export function readKept(host: SimHost): void {
  const { brought, disk } = host;
  if (brought !== null && disk.inForce?.view.fingerprint === brought.fingerprint) {
    host.onDisk = { file: brought.file, fingerprint: brought.fingerprint };
  }
  host.brought = null;
}

/** With each tick: a host that hears of a higher revision asks for it. What it is answered may be old when it arrives. */
export function fetchMissed(cluster: Cluster, host: SimHost): void {
  const { state, life } = host;
  if (state?.inForce == null || host.fetchesInLife === life || !cluster.fetchesMissed) return;
  let newest: string | null = null;
  let revision = Math.max(state.known.revision, host.brought?.revision ?? 0);
  for (const [name, { said, link }] of state.peers) {
    if (said === null || link === 'none' || said.revision <= revision) continue;
    newest = name;
    revision = said.revision;
  }
  const other = cluster.all.find((each) => each.name === newest && clusterOf(each) === clusterOf(host));
  if (other === undefined || !isReached(cluster, host, other)) return;
  const { known } = other.state!;
  const answer = { file: known.file, fingerprint: known.fingerprint, revision: known.revision, without: [] };
  host.fetchesInLife = life;
  const isSlow = cluster.random() < 0.1;
  cluster.after(isSlow ? cluster.random() * 5 * known.file.heartbeat.periodMs : 5 + cluster.random() * 20, () => {
    if (host.life !== life) return;
    host.fetchesInLife = null;
    const isInForce = host.state?.known.fingerprint === answer.fingerprint;
    if (!isInForce) bring(cluster, host, answer);
    else cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...answer });
  });
}

/** The host channel: there and back, between hosts of one cluster and key, both awake. */
function isReached(cluster: Cluster, host: SimHost, other: SimHost): boolean {
  if (other.state === null || other.key !== host.key || clusterOf(other) !== clusterOf(host)) return false;
  if (cluster.now < other.stalledUntil || cluster.now < host.stalledUntil) return false;
  return !cluster.cuts.has(`${host.name}>${other.name}`) && !cluster.cuts.has(`${other.name}>${host.name}`);
}

/**
 * `nlb apply`, `nlb rollback` or `nlb confirm` on one host; whoever cannot be asked is left behind by name, or it is refused.
 *
 * @returns what happened; null where it was refused
 */
export function applyAtAll(cluster: Cluster, host: SimHost): string | null {
  const { random } = cluster;
  const { state } = host;
  if (state?.inForce == null || cluster.now < host.stalledUntil) return null;
  const { known } = state;
  const [next, how] = nextFile(cluster, known);
  const number = Math.max(known.revision, ...[...state.peers.values()].map(({ said }) => said?.revision ?? 0)) + 1;
  const all = cluster.all.filter((each) => clusterOf(each) === clusterOf(host));
  const asked = all.filter((each) => each === host || (isReached(cluster, host, each) && promises(each, known, next)));
  const without = all.filter((each) => !asked.includes(each)).map(({ name }) => name);
  const hasQuorum = asked.length * 2 > all.length || (asked.length * 2 === all.length && asked.includes(all[0]!));
  if (!promises(host, known, next) || !hasQuorum || (without.length > 0 && random() < 0.3)) return null;
  const revision = { ...next, revision: number, without };
  cluster.brought.push(next);
  carry(cluster, host, asked, revision);
  if (how === 'apply' && random() < 0.2) takeBack(cluster, host, asked, known, revision);
  const names = asked.map(({ name }) => name).join(',');
  return `${how} revision ${number} ${next.fingerprint} by ${host.name} on ${names} without ${without.join(',') || 'nobody'}`;
}

function nextFile(cluster: Cluster, known: KnownFile): [KnownFile, 'apply' | 'rollback' | 'confirm'] {
  const { random } = cluster;
  const earlier = cluster.brought.filter(
    ({ file, fingerprint }) => fingerprint !== known.fingerprint && file.clusterName === known.file.clusterName,
  );
  const chance = random();
  if (chance < 0.15) return [{ file: known.file, fingerprint: known.fingerprint }, 'confirm'];
  if (chance < 0.4 && earlier.length > 0) return [pick(random, earlier), 'rollback'];
  return [variantOf(known.file, 1 + Math.floor(random() * 1000)), 'apply'];
}

/** Nobody promises two at a time, and what was put there by hand stands in the way. */
function promises({ state, brought }: SimHost, known: KnownFile, next: KnownFile): boolean {
  if (state?.inForce == null || brought !== null || state.known.fingerprint !== known.fingerprint) return false;
  return state.offer === null || state.offer.fingerprint === next.fingerprint;
}

/** Whoever brings it may die on the way: who was told nothing by then asks the others, in time or not. */
function carry(cluster: Cluster, host: SimHost, asked: readonly SimHost[], revision: SimRevision): void {
  const { random } = cluster;
  const dies = random() < 0.2;
  for (const each of asked) {
    const { life } = each;
    const isTold = !dies || random() < 0.5;
    if (dies && each === host) continue;
    const inMs = isTold ? random() * 5 : ASK_AROUND_AFTER_MS + random() * PREPARED_MAX_MS;
    cluster.after(each === host ? 5 : inMs, () => {
      if (each.life === life) bring(cluster, each, revision);
    });
  }
  if (dies) cluster.after(3, () => cluster.killSidecar(host));
}

/** An Envoy could not do it: the file before is the next revision, as soon as this one is in force where it was brought. */
function takeBack(
  cluster: Cluster,
  host: SimHost,
  asked: readonly SimHost[],
  before: KnownFile,
  { revision, fingerprint, without }: SimRevision,
): void {
  const { life } = host;
  cluster.after(20 + cluster.random() * 1000, () => {
    if (host.life !== life || host.state?.known.fingerprint !== fingerprint) return;
    const back = { file: before.file, fingerprint: before.fingerprint, revision: revision + 1, without };
    for (const each of asked) cluster.after(cluster.random() * 5, () => bring(cluster, each, back));
  });
}
