import { expect, test } from 'vitest';
import { BrokenPromise, sideOf } from './checkers.js';
import { Cluster } from './cluster.js';
import { makeFile } from './files.js';
import { live } from './life.js';

const ALL = 0xffffffff;

function converged(): Cluster {
  const cluster = new Cluster(11, makeFile({ hostCount: 3 }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(4000);
  return cluster;
}

function take(cluster: Cluster): void {
  const [host] = cluster.hosts;
  cluster.checkers.took(cluster, host!, ALL, sideOf(cluster, host!));
}

test('a host that takes what another still accepts is told of, beside a foreign cluster too (R10)', () => {
  const cluster = converged();
  const foreign = makeFile({ hostCount: 3, clusterName: 'other.example.org' });
  for (const { name, address } of cluster.hosts) cluster.extras.push(cluster.add(name, address, foreign));
  expect(() => take(cluster)).toThrow(BrokenPromise);
});

test('what is taken under a name of which two run is left to R5', () => {
  const cluster = converged();
  cluster.twins.add('mail1');
  expect(() => take(cluster)).not.toThrow();
});

// A twin that is alone; halves of a split that meet while a taking is under way, the second beside a foreign cluster; a host
// without a disk that stands still just after its start; two that are started while the third stands still.
for (const [seed, hostCount] of [
  [198, 3],
  [222, 3],
  [221, 3],
  [4126, 2],
  [5049, 3],
] as const) {
  test(`the life of seed ${seed}, ${hostCount} hosts, keeps its promises`, () => {
    expect(live({ seed, hostCount, forMs: 28_800, edition: 1 }).stepCount).toBeGreaterThan(0);
  });
}
