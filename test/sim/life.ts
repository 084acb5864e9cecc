/** One random life of a cluster: it starts, accidents happen, the network is whole again, one view must come. */
import { checkQuiet, checkWhole, isWhole, LARGE, longestWaitMs, whoIsRestless, wholeWithinMs } from './liveness.js';
import { accident, older, upgrade } from './accidents.js';
import { fail } from './checkers.js';
import { Cluster, type KnownFile } from './cluster.js';
import { drill } from './drill.js';
import { keepsBack } from './keeps-back.js';
import { makeFile } from './files.js';
import { pick } from './random.js';

export interface LifeOptions {
  seed: number;
  hostCount: number;
  /** Virtual time of accidents at a period of a second; a tenth of it where the period is 100 ms. */
  forMs: number;
}

export interface Lived {
  stepCount: number;
  packetCount: number;
  views: number;
  /** How often each kind of accident happened. */
  accidents: ReadonlyMap<string, number>;
}

/** Throws `BrokenPromise` where a promise is broken; the story of what was done before comes with it. */
export function live(options: LifeOptions): Lived {
  const life = living(options);
  for (;;) {
    const { done, value } = life.next();
    if (done) return value;
  }
}

/** The same with pauses, for whoever has to answer others meanwhile: a life of 32 hosts takes minutes on a busy machine. */
export function* living(options: LifeOptions): Generator<undefined, Lived, undefined> {
  const { seed, hostCount, forMs } = options;
  const periodMs = seed % 3 === 0 ? 100 : 1000;
  const known = makeFile({ hostCount, periodMs, moreRules: seed % 4, never: seed % 2 === 1 });
  const cluster = new Cluster(seed, known);
  try {
    const contradicts = contradict(cluster, known);
    for (const host of cluster.hosts) host.clockRate = 1 + (cluster.random() - 0.5) * 0.004;
    if (seed % 5 === 0 && !contradicts) coldStart(cluster, periodMs);
    else startAll(cluster, periodMs);
    const until = cluster.now + (forMs * periodMs) / 1000;
    while (cluster.now < until) {
      accident(cluster, periodMs);
      // Often one upon the other, now and then with time to agree between them.
      run(cluster, cluster.random() ** 2 * periodMs * 12);
      yield;
    }
    yield* heal(cluster, periodMs);
    const views = cluster.hosts[0]!.state!.inForce!.view.number;
    keepsBack(cluster, periodMs);
    yield;
    drill(cluster, periodMs);
    const { packetCount, accidents } = cluster;
    return { stepCount: cluster.checkers.stepCount, packetCount, views, accidents };
  } catch (error) {
    if (error instanceof Error) error.message += `\nstory: ${cluster.story.join('; ')}`;
    throw error;
  }
}

function run(cluster: Cluster, forMs: number): void {
  cluster.story.push(`run ${Math.round(forMs)}ms`);
  cluster.run(forMs);
}

/** One life in six has a host with another file for good, one in six another key, one a foreign cluster beside it. */
function contradict(cluster: Cluster, known: KnownFile): boolean {
  const { random } = cluster;
  const host = pick(random, cluster.hosts);
  const { hosts, heartbeat } = known.file;
  const never = known.file.portRules.some(({ failback }) => failback === 'never');
  const like = {
    hostCount: hosts.length,
    periodMs: heartbeat.periodMs,
    moreRules: known.file.portRules.length - 2,
    never,
  };
  const isMixed = random() < 0.3;
  for (const each of cluster.hosts) {
    if (!isMixed) continue;
    if (random() < 0.5) upgrade(each);
    else older(each);
  }
  const kind = Math.floor(random() * 6);
  if (kind === 0) {
    const other = makeFile({ ...like, affinity: 'none' });
    for (const each of cluster.hosts) if (each === host || random() < 0.2) each.onDisk = other;
    cluster.story.push(
      `file ${cluster.hosts.filter((each) => each.onDisk === other).map((each) => each.name)} affinity none`,
    );
  } else if (kind === 1) {
    host.key = 2;
    cluster.story.push(`key ${host.name} 2`);
  } else if (kind === 2) {
    const foreign = makeFile({ ...like, clusterName: 'other.example.org' });
    for (const { name, dedicatedIp } of hosts) cluster.extras.push(cluster.add(name, dedicatedIp, foreign));
    cluster.story.push('a foreign cluster on the same addresses');
  }
  return kind < 3;
}

function startAll(cluster: Cluster, periodMs: number): void {
  for (const host of cluster.all) cluster.after(cluster.random() * periodMs * 3, () => cluster.start(host));
  run(cluster, periodMs * 3);
}

/** All were off; one never comes. The first serves within one tolerance, and nobody logs in. */
function coldStart(cluster: Cluster, periodMs: number): void {
  const tolerance = periodMs * 5;
  const never = pick(cluster.random, cluster.hosts);
  const order = cluster.hosts.filter((host) => host !== never).sort(() => cluster.random() - 0.5);
  for (const host of order) {
    cluster.start(host);
    run(cluster, cluster.random() * tolerance * (2 / cluster.hosts.length));
  }
  cluster.run(Math.max(0, tolerance * 1.01 + 500 - (cluster.now - order[0]!.startedAt)));
  if (order[0]!.state!.inForce === null)
    fail(cluster, `${order[0]!.name} serves nothing one tolerance after its start`);
  cluster.run(wholeWithinMs(periodMs, 5));
  checkWhole(cluster);
  cluster.start(never);
}

/**
 * The network is whole and all hosts run. In half of the lives somebody says `nlb start --now` everywhere, in the
 * others every damping is waited out: it is bounded as well.
 */
function* heal(cluster: Cluster, periodMs: number): Generator<undefined, void, undefined> {
  cluster.story.push('heal');
  cluster.cuts.clear();
  Object.assign(cluster.weather, { loss: 0, repeat: 0, delayMin: 0.2, delayMax: 1 });
  for (const host of cluster.all) {
    host.crashAfter = null;
    if (host.stalledUntil > cluster.now) cluster.wake(host);
    if (host.state !== null && host.state.leaving !== null) cluster.killSidecar(host);
    if (host.state === null) cluster.start(host);
  }
  const bound = wholeWithinMs(periodMs, 5);
  const isLarge = cluster.hosts.length >= LARGE;
  if (cluster.random() < 0.5 || (isLarge && longestWaitMs(cluster) > bound)) {
    run(cluster, periodMs);
    for (let i = 0; i < 2; i++) {
      for (const host of cluster.all) cluster.give(host, { kind: 'start', nowMs: cluster.clock(host) });
      run(cluster, periodMs);
    }
  } else {
    run(cluster, periodMs * 3);
    run(cluster, longestWaitMs(cluster));
  }
  yield;
  yield* comeToRest(cluster, bound, periodMs);
}

/** One view within the bound, and nothing more for ten periods. Asked every tolerance, and let go: most of a life was this waiting. */
function* comeToRest(cluster: Cluster, bound: number, periodMs: number): Generator<undefined, void, undefined> {
  const until = cluster.now + bound;
  while (cluster.now < until) {
    run(cluster, periodMs * 5);
    if (isWhole(cluster) && whoIsRestless(cluster, periodMs * 10) === undefined) return;
    yield;
  }
  checkWhole(cluster);
  checkQuiet(cluster, periodMs * 10);
}
