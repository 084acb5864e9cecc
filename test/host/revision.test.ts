/** The config revision in the protocol: what the cluster distributed wins over what lies about (R8). */
import { expect, test } from 'vitest';
import type { ProtocolEvent } from '../../host/protocol/events.js';
import { Cluster, type SimHost } from '../sim/cluster.js';
import { makeFile } from '../sim/files.js';

const NEXT = makeFile({ hostCount: 3, periodMs: 100, affinity: 'none' });
const OTHER = makeFile({ hostCount: 3, periodMs: 100, affinity: 'classC' });

function converged(): Cluster {
  const cluster = new Cluster(3, makeFile({ hostCount: 3, periodMs: 100 }));
  // What the protocol does by itself; fetching is host/apply.
  cluster.fetchesMissed = false;
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(2000);
  return cluster;
}

type Offer = Partial<Omit<Extract<ProtocolEvent, { kind: 'offer' }>, 'kind' | 'nowMs'>>;

function offer(cluster: Cluster, hosts: readonly SimHost[], options: Offer = {}): void {
  for (const host of hosts) {
    cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...NEXT, ...options });
  }
}

/** What each host decides by: `fingerprint@revision of the hosts in its view`. */
function seen(cluster: Cluster): string[] {
  return cluster.hosts.map((host) => {
    const { file, inForce } = cluster.status(host)!;
    const names = inForce!.view.hosts
      .map(({ name }) => name.slice(4))
      .filter((n) => !inForce!.lostSince.includes(`mail${n}`));
    return `${file.fingerprint === NEXT.fingerprint ? 'next' : 'old'}@${file.revision} of ${names.join('')}`;
  });
}

function cut(cluster: Cluster, one: string, others: readonly string[]): void {
  for (const other of others) cluster.cuts.add(`${one}>${other}`).add(`${other}>${one}`);
}

test('a distributed file comes in force with its number, which outlives a restart', () => {
  const cluster = converged();
  offer(cluster, cluster.hosts, { revision: 1 });
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['next@1 of 123', 'next@1 of 123', 'next@1 of 123']);
  const [, , third] = cluster.hosts as [SimHost, SimHost, SimHost];
  third.onDisk = NEXT;
  cluster.killSidecar(third);
  cluster.start(third);
  cluster.run(1000);
  expect(seen(cluster)[2]).toBe('next@1 of 123');
});

test('one host with a higher revision wins over any number with a lower one, and is named to them', () => {
  const cluster = converged();
  const [first, second, third] = cluster.hosts as [SimHost, SimHost, SimHost];
  cut(cluster, 'mail3', ['mail1', 'mail2']);
  cluster.run(1000);
  offer(cluster, [third], { revision: 1 });
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['old@0 of 12', 'old@0 of 12', 'next@1 of 3']);
  cluster.cuts.clear();
  cluster.run(1500);
  expect(cluster.status(first)!.file.newest).toEqual({ host: 'mail3', revision: 1 });
  expect(cluster.status(third)!.file.newest).toBeNull();
  const states = cluster.status(third)!.hosts.map(({ state }) => state);
  expect(states).toEqual(['outside', 'outside', 'converged']);
  offer(cluster, [first, second], { revision: 1 });
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['next@1 of 123', 'next@1 of 123', 'next@1 of 123']);
  expect(cluster.status(first)!.file.newest).toBeNull();
});

test('a host that is left behind is not waited for, stays outside, and comes in with the file', () => {
  const cluster = converged();
  const [first, second, third] = cluster.hosts as [SimHost, SimHost, SimHost];
  offer(cluster, [first, second], { revision: 1, without: ['mail3'] });
  cluster.run(1000);
  expect(seen(cluster).slice(0, 2)).toEqual(['next@1 of 12', 'next@1 of 12']);
  expect(cluster.status(third)!.hosts[2]!.state).toBe('outside');
  offer(cluster, [third], { revision: 1 });
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['next@1 of 123', 'next@1 of 123', 'next@1 of 123']);
});

test('an offer that is taken back on one host comes in force on none', () => {
  const cluster = converged();
  const [first, second, third] = cluster.hosts as [SimHost, SimHost, SimHost];
  offer(cluster, [first, second], { revision: 1 });
  cluster.run(500);
  expect(cluster.status(first)!.file.detail).toContain('waits for mail3');
  const { fingerprint } = NEXT;
  cluster.give(first, { kind: 'withdraw', nowMs: cluster.clock(first), fingerprint: OTHER.fingerprint });
  expect(cluster.status(first)!.file.offered).toBe(fingerprint);
  cluster.give(first, { kind: 'withdraw', nowMs: cluster.clock(first), fingerprint });
  offer(cluster, [third], { revision: 1 });
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['old@0 of 123', 'old@0 of 123', 'old@0 of 123']);
});

test('a file put there by hand keeps the number; a lower number is not offered; a higher one of the same file is taken', () => {
  const cluster = converged();
  offer(cluster, cluster.hosts, { revision: 4 });
  cluster.run(1000);
  offer(cluster, cluster.hosts, { ...OTHER, revision: 3 });
  expect(cluster.hosts.map((host) => cluster.status(host)!.file.offered)).toEqual([null, null, null]);
  offer(cluster, cluster.hosts, OTHER);
  cluster.run(1000);
  expect(seen(cluster)).toEqual(['old@4 of 123', 'old@4 of 123', 'old@4 of 123']);
  offer(cluster, cluster.hosts, { ...OTHER, revision: 6 });
  expect(seen(cluster)).toEqual(['old@6 of 123', 'old@6 of 123', 'old@6 of 123']);
  expect(cluster.hosts.map((host) => host.disk.revision)).toEqual([6, 6, 6]);
});
