import { expect, test } from 'vitest';
import { BrokenPromise, sideOf } from './checkers.js';
import { Cluster } from './cluster.js';
import { makeFile } from './files.js';

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

/** mail1 and the two others were apart, each with a view of its own, and hear each other again. */
function halvesThatMeet(): Cluster {
  const cluster = converged();
  const [mail1, ...others] = cluster.hosts;
  const ways = others.flatMap(({ name }) => [`${name}>${mail1!.name}`, `${mail1!.name}>${name}`]);
  for (const way of ways) cluster.cuts.add(way);
  cluster.run(8000);
  for (const way of ways) cluster.cuts.delete(way);
  const isSeen = () => mail1!.state!.side.visible.length > 1;
  for (let i = 0; i < 50_000 && !isSeen(); i++) cluster.run(0.1);
  expect(isSeen()).toBe(true);
  return cluster;
}

test('halves of a split that meet are not judged before a view of both is in force', () => {
  const cluster = halvesThatMeet();
  expect(() => take(cluster)).not.toThrow();
  cluster.run(4000);
  expect(() => take(cluster)).toThrow(BrokenPromise);
});

test('halves of a split that meet after a host was given leave to take are not judged by whom it sees then', () => {
  const cluster = halvesThatMeet();
  const [mail1] = cluster.hosts;
  expect(() => cluster.checkers.took(cluster, mail1!, ALL, [])).not.toThrow();
});
