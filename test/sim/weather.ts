/** One life of a random cluster: bad weather and accidents, then a whole network, in which one view must come. */
import { forgive } from '../../host/protocol/damping.js';
import { Cluster } from './cluster.js';
import { makeFile } from './files.js';
import { pick } from './random.js';

export interface LifeOptions {
  seed: number;
  hostCount: number;
  /** Virtual time of accidents. */
  forMs: number;
}

/** Within this after the network is whole there is one view: four tolerances, and two seconds for what is gathered. */
export function wholeWithinMs(periodMs: number, missedMax: number): number {
  return 4 * periodMs * missedMax + 2000;
}

/** Throws `BrokenPromise` where a promise is broken. */
export function live(options: LifeOptions): { stepCount: number; packetCount: number; views: number } {
  const { seed, hostCount, forMs } = options;
  const periodMs = seed % 3 === 0 ? 100 : 1000;
  const known = makeFile({ hostCount, periodMs, moreRules: seed % 4 });
  const cluster = new Cluster(seed, known);
  const { random } = cluster;
  for (const host of cluster.hosts) host.clockRate = 1 + (random() - 0.5) * 0.004;
  for (const host of cluster.hosts) cluster.after(random() * periodMs * 3, () => cluster.start(host));
  cluster.run(periodMs * 3);
  while (cluster.now < forMs) {
    accident(cluster, periodMs);
    cluster.run(random() * periodMs * 12);
  }
  heal(cluster);
  cluster.run(wholeWithinMs(periodMs, known.file.heartbeat.missedMax));
  cluster.checkers.oneView(cluster);
  const views = cluster.hosts[0]!.state!.inForce!.view.number;
  return { stepCount: cluster.checkers.stepCount, packetCount: cluster.packetCount, views };
}

function accident(cluster: Cluster, periodMs: number): void {
  const { random, weather, hosts, cuts } = cluster;
  const host = pick(random, hosts);
  const other = pick(random, hosts);
  const rules = host.settings.rules.map(() => ({ enabled: random() < 0.9, serviceUp: random() < 0.8 }));
  const actions: (() => void)[] = [
    () => cluster.kill(host),
    () => cluster.killSidecar(host),
    () => host.state === null && cluster.start(host),
    () => host.state === null && cluster.start(host),
    () => host.state !== null && cluster.stall(host, random() * periodMs * 15),
    () => cuts.add(`${host.name}>${other.name}`),
    () => partition(cluster),
    () => cuts.clear(),
    () => cuts.clear(),
    () => {
      weather.loss = random() < 0.5 ? 0 : random() * 0.3;
      weather.repeat = random() * 0.2;
      weather.delayMax = 1 + random() * random() * periodMs;
    },
    () => {
      host.settings = { hostState: random() < 0.8 ? 'started' : 'draining', rules };
      cluster.give(host, { kind: 'settings', nowMs: cluster.clock(host), settings: host.settings });
    },
    () => cluster.give(host, { kind: 'leave', nowMs: cluster.clock(host) }),
    () => replay(cluster),
  ];
  pick(random, actions)();
}

function partition(cluster: Cluster): void {
  const side = new Map(cluster.hosts.map((host) => [host.name, cluster.random() < 0.5]));
  for (const a of cluster.hosts) {
    for (const b of cluster.hosts) if (side.get(a.name) !== side.get(b.name)) cluster.cuts.add(`${a.name}>${b.name}`);
  }
}

/** Somebody on the wire sends old packets again, as they were. */
function replay(cluster: Cluster): void {
  for (let i = 0; i < 20 && cluster.recorded.length > 0; i++) {
    const { from, to, bytes } = pick(cluster.random, cluster.recorded);
    cluster.deliver(cluster.host(to), from, bytes);
  }
}

/** The network is whole, all hosts run, nobody waits out a damping: `nlb start --now` everywhere. */
function heal(cluster: Cluster): void {
  cluster.cuts.clear();
  Object.assign(cluster.weather, { loss: 0, repeat: 0, delayMin: 0.2, delayMax: 1 });
  for (const host of cluster.hosts) {
    host.stalledUntil = 0;
    host.waiting = [];
    if (host.state?.leaving !== null && host.state !== null) cluster.killSidecar(host);
    if (host.state === null) cluster.start(host);
  }
  cluster.run(100);
  for (const host of cluster.hosts) {
    // Returns counted by the healing itself are no flapping; the scenario `damping` is about those.
    forgive(host.state!.hostDamper);
    cluster.give(host, { kind: 'start', nowMs: cluster.clock(host) });
  }
  cluster.run(3000);
  for (const host of cluster.hosts) cluster.give(host, { kind: 'start', nowMs: cluster.clock(host) });
}
