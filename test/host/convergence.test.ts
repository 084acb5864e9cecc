import { expect, test } from 'vitest';
import { emptyDurable } from '../../host/protocol/events.js';
import { createState, step } from '../../host/protocol/protocol.js';
import { Cluster } from '../sim/cluster.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';

/** Virtual ms until no other host of the cluster has the last one in force. */
function outAfter(periodMs: number, end: (cluster: Cluster) => void): number {
  const cluster = converged(3, periodMs);
  const start = cluster.now;
  end(cluster);
  const others = cluster.hosts.slice(0, -1);
  const isIn = () => others.some((host) => host.state!.inForce!.view.hosts.length === 3);
  while (isIn() && cluster.now < start + 10_000) cluster.run(5);
  return cluster.now - start;
}

function converged(hostCount: number, periodMs: number): Cluster {
  const cluster = new Cluster(3, makeFile({ hostCount, periodMs }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(periodMs * 4 + 137);
  cluster.checkers.oneView(cluster);
  return cluster;
}

const die = (cluster: Cluster) => cluster.kill(cluster.hosts.at(-1)!);

test('a silent death is out of the view in under 2 s at the defaults, in under 0.9 s at 100 ms', () => {
  expect(outAfter(1000, die)).toBeLessThan(2000);
  expect(outAfter(100, die)).toBeLessThan(900);
});

test('a planned stop is out of the view within a tenth of a period', () => {
  const leave = (cluster: Cluster) => {
    const host = cluster.hosts.at(-1)!;
    cluster.give(host, { kind: 'leave', nowMs: cluster.clock(host) });
  };
  expect(outAfter(1000, leave)).toBeLessThan(100);
});

test('a sidecar started anew changes no view, with its state directory and without', () => {
  for (const disk of ['kept', 'lost']) {
    const cluster = converged(3, 1000);
    const before = cluster.hosts[0]!.state!.inForceChecksum;
    const host = cluster.hosts[2]!;
    cluster.killSidecar(host);
    cluster.run(2500);
    if (disk === 'lost') host.disk = emptyDurable();
    cluster.start(host);
    cluster.run(8000);
    expect(cluster.hosts.map((each) => each.state!.inForceChecksum)).toEqual([before, before, before]);
  }
});

test('a confirmed number is on disk before the packet that says so', () => {
  const settings = { hostState: 'started' as const, rules: [] };
  const common = {
    ...makeFile({ hostCount: 2 }),
    settings,
    durable: emptyDurable(),
    nowMs: 0,
    authenticator: cheapAuthenticator(),
  };
  const state = createState({ ...common, self: 'mail1', instance: 1n });
  let kinds: string[] = [];
  for (let nowMs = 100; nowMs <= 5500 && !kinds.includes('persist'); nowMs += 100) {
    kinds = step(state, { kind: 'tick', nowMs }).effects.map((each) => each.kind);
  }
  expect(kinds.indexOf('persist')).toBeGreaterThanOrEqual(0);
  expect(kinds.lastIndexOf('persist')).toBeLessThan(kinds.indexOf('send'));
});
