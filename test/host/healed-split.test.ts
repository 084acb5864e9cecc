/** A cut heals in the moment in which a dead host is started: that host brings weight to neither part of the split. */
import { expect, test } from 'vitest';
import { Cluster, type SimHost } from '../sim/cluster.js';
import { makeFile } from '../sim/files.js';

const NEVER = [1, 2];

function takersOf({ state }: SimHost): string[] {
  const { view, lostSince } = state!.inForce!;
  const hosts = view.hosts.filter(({ name }) => !lostSince.includes(name));
  return NEVER.map((index) =>
    hosts
      .filter(({ rules }) => rules[index]!.absence === null)
      .map(({ name }) => name)
      .join(),
  );
}

/** mail1 is cut off, mail3 dies, and the two others serve. @param startMs of mail3, counted from when the cut heals */
function servedAround(startMs: number, seed: number): string[] {
  const cluster = new Cluster(seed, makeFile({ hostCount: 4, moreRules: 1, never: true, periodMs: 100 }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(2000);
  const [mail1, , mail3] = cluster.hosts as [SimHost, SimHost, SimHost];
  const others = cluster.hosts.filter((host) => host !== mail1 && host !== mail3);
  for (const { name } of cluster.hosts.slice(1)) cluster.cuts.add(`${name}>mail1`).add(`mail1>${name}`);
  cluster.kill(mail3);
  cluster.run(1500);
  if (startMs < 0) {
    cluster.start(mail3);
    cluster.run(-startMs);
    cluster.cuts.clear();
  } else {
    cluster.cuts.clear();
    cluster.run(startMs);
    cluster.start(mail3);
  }
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    cluster.run(10);
    for (const host of others) seen.add(takersOf(host).join(' '));
  }
  return [...seen];
}

test('who served goes on with failback never, whichever host it hears first', () => {
  for (const startMs of [-4, -2, 0, 2, 4]) {
    for (const seed of [1002, 2002]) {
      expect(servedAround(startMs, seed), `seed ${seed}, ${startMs} ms`).toEqual(['mail2,mail4 mail2,mail4']);
    }
  }
});

function cut(cluster: Cluster, some: readonly SimHost[], others: readonly SimHost[]): void {
  for (const a of some) for (const b of others) cluster.cuts.add(`${a.name}>${b.name}`).add(`${b.name}>${a.name}`);
}

test('a host that was lost once and started since counts with its part of a later split, also where that heals at once', () => {
  for (let splitMs = 1186; splitMs <= 1194; splitMs++) {
    const cluster = new Cluster(7, makeFile({ hostCount: 4 }));
    for (const host of cluster.hosts) cluster.start(host);
    cluster.run(8000);
    const [mail1, mail2, ...others] = cluster.hosts as [SimHost, SimHost, SimHost, SimHost];
    cluster.kill(mail2);
    cluster.run(4000);
    cluster.start(mail2);
    cluster.run(8000);
    cut(cluster, [mail1, mail2], others);
    cluster.run(splitMs);
    cluster.cuts.clear();
    cluster.run(3000);
    expect(mail1.state!.hostDamper.returnCount, `a split of ${splitMs} ms`).toBe(0);
  }
});

test('who returns hears a host that a file has taken out meanwhile: the others go on', () => {
  const cluster = new Cluster(1, makeFile({ hostCount: 5 }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(7000);
  const stay = cluster.hosts.slice(0, 3);
  cut(cluster, stay, cluster.hosts.slice(3));
  cluster.run(8000);
  const without = ['mail4', 'mail5'];
  for (const host of stay)
    cluster.give(host, {
      kind: 'offer',
      nowMs: cluster.clock(host),
      ...makeFile({ hostCount: 4 }),
      revision: 2,
      without,
    });
  cluster.run(4000);
  expect(stay[0]!.state!.known.revision).toBe(2);
  cluster.cuts.clear();
  // Not for longer: mail5, which no file of theirs knows any more, goes on alone by its own.
  cluster.run(4000);
  for (const { state } of stay) {
    expect([...state!.lostFrom.keys()]).toEqual([]);
    expect(state!.inForce!.view.hosts.map(({ name }) => name)).toEqual(['mail1', 'mail2', 'mail3', 'mail4']);
  }
});
