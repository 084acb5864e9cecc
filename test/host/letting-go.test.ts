import { expect, test } from 'vitest';
import { leaseMs } from '../../host/protocol/lease.js';
import { lostAfterMs } from '../../host/protocol/probing.js';
import { upgrade } from '../sim/accidents.js';
import { Cluster, type SimHost } from '../sim/cluster.js';
import { makeFile } from '../sim/files.js';
import { acceptedBits } from '../sim/kernel.js';

const ALL = 0xffffffff;

function converged(hostCount = 3): Cluster {
  const cluster = new Cluster(11, makeFile({ hostCount }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(4000);
  return cluster;
}

/** What the kernels of some hosts accept together; fails where two accept one bucket. */
function together(cluster: Cluster, hosts: readonly SimHost[] = cluster.hosts): number {
  let bits = 0;
  for (const host of hosts) {
    const own = acceptedBits(cluster, host);
    expect(bits & own, `${host.name} accepts what another one accepts`).toBe(0);
    bits |= own;
  }
  return bits >>> 0;
}

test('each bucket has exactly one acceptor once a view is in force (R10)', () => {
  expect(together(converged())).toBe(ALL);
});

test('a host that drains lets go before others take, and all is taken at the end (R10)', () => {
  const cluster = converged();
  const host = cluster.hosts[1]!;
  host.settings = { ...host.settings, hostState: 'draining' };
  cluster.give(host, { kind: 'settings', nowMs: cluster.clock(host), settings: host.settings });
  for (let ms = 0; ms < 300; ms++) {
    cluster.run(1);
    together(cluster);
  }
  expect(acceptedBits(cluster, host)).toBe(0);
  expect(together(cluster)).toBe(ALL);
});

test('the buckets of a dead host are taken with its loss, without asking the living (R10)', () => {
  const cluster = converged();
  const [dead, ...rest] = cluster.hosts;
  cluster.kill(dead!);
  cluster.run(lostAfterMs(1000) + 600);
  expect(together(cluster, rest)).toBe(ALL);
});

test('a host whose sidecar stands still accepts nothing by the time others take its buckets', () => {
  const cluster = converged();
  const [frozen] = cluster.hosts;
  cluster.stall(frozen!, 8000);
  frozen!.envoyAlive = false;
  for (let ms = 0; ms < 3000; ms += 5) {
    cluster.run(5);
    together(cluster);
  }
  expect(together(cluster, cluster.hosts.slice(1))).toBe(ALL);
});

test('a host that wakes up after its lease takes nothing before it has met the others again', () => {
  const cluster = converged();
  const [frozen] = cluster.hosts;
  frozen!.envoyAlive = false;
  cluster.stall(frozen!, 4000);
  cluster.run(4000);
  frozen!.envoyAlive = true;
  for (let ms = 0; ms < 4000; ms += 2) {
    cluster.run(2);
    together(cluster);
  }
  expect(together(cluster)).toBe(ALL);
});

/** It stands still until the others have gone on without it, and reads what waits in its socket when it wakes up. */
function standStill(cluster: Cluster, host: SimHost): void {
  cluster.stall(host, 4000);
  cluster.run(3999);
  host.envoyAlive = true;
  for (let ms = 0; ms < 100; ms++) {
    cluster.run(1);
    together(cluster);
  }
  cluster.run(4000);
  expect(together(cluster)).toBe(ALL);
}

test('a host that stands still while all start anew takes nothing by packets of before (R10)', () => {
  for (let afterMs = 0; afterMs <= 600; afterMs += 50) {
    const cluster = converged();
    const [host] = cluster.hosts;
    for (const each of cluster.hosts) {
      cluster.killSidecar(each);
      cluster.start(each);
      cluster.run(300);
    }
    cluster.run(afterMs);
    host!.envoyAlive = false;
    standStill(cluster, host!);
  }
});

test('a host that stands still while a view is agreed takes nothing by packets of before (R10)', () => {
  for (let afterMs = 0; afterMs <= 6; afterMs += 0.5) {
    const cluster = converged();
    const [host, drained] = cluster.hosts;
    drained!.settings = { ...drained!.settings, hostState: 'draining' };
    cluster.give(drained!, { kind: 'settings', nowMs: cluster.clock(drained!), settings: drained!.settings });
    cluster.run(afterMs);
    host!.envoyAlive = false;
    standStill(cluster, host!);
  }
});

test('a host that loses its disk, and stands still before this start of it is heard, has taken nothing (R10)', () => {
  for (let afterMs = 10; afterMs <= 1210; afterMs += 100) {
    const cluster = converged(2);
    const [host] = cluster.hosts;
    cluster.kill(host!);
    cluster.replaceDisk(host!);
    cluster.start(host!);
    cluster.run(afterMs);
    cluster.stall(host!, 4000);
    for (let ms = 0; ms < 8000; ms += 5) {
      cluster.run(5);
      together(cluster);
    }
    expect(together(cluster)).toBe(ALL);
  }
});

test('two that are started while the third stands still take nothing that its kernel may still accept (R10)', () => {
  for (let gapMs = 5; gapMs <= 500; gapMs += 45) {
    const cluster = converged();
    const [mail1, mail2, mail3] = cluster.hosts;
    cluster.stall(mail3!, 4000);
    for (const host of [mail1!, mail2!]) {
      cluster.killSidecar(host);
      cluster.start(host);
      cluster.run(gapMs);
    }
    for (let ms = 0; ms < 3000; ms += 5) {
      cluster.run(5);
      together(cluster);
    }
    expect(together(cluster, [mail1!, mail2!])).toBe(ALL);
    cluster.run(8000);
    expect(together(cluster)).toBe(ALL);
  }
});

/** The last host has another file and is outside; the others serve. */
function convergedBesideAnotherFile(hostCount: number): Cluster {
  const cluster = new Cluster(11, makeFile({ hostCount }));
  cluster.hosts[hostCount - 1]!.onDisk = makeFile({ hostCount, affinity: 'none' });
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(12_000);
  return cluster;
}

/** With the next release, so that a view of a new number comes with the start. */
function startUpgraded(cluster: Cluster, hosts: readonly SimHost[]): void {
  for (const host of hosts) {
    cluster.killSidecar(host);
    upgrade(host);
    cluster.start(host);
  }
}

test('hosts that start anew and stand still have taken nothing before a host with another file has met them (R10)', () => {
  for (const hostCount of [2, 3]) {
    for (let afterMs = 10; afterMs <= 1210; afterMs += 100) {
      const cluster = convergedBesideAnotherFile(hostCount);
      const serving = cluster.hosts.slice(0, -1);
      startUpgraded(cluster, serving);
      cluster.run(afterMs);
      for (const host of serving) cluster.stall(host, 4000);
      for (let ms = 0; ms < 8000; ms += 5) {
        cluster.run(5);
        together(cluster);
      }
      cluster.run(4000);
      expect(together(cluster)).toBe(ALL);
    }
  }
});

test('a host that starts anew beside one with another file takes once that one has met it, and no later (R10)', () => {
  const cluster = convergedBesideAnotherFile(2);
  startUpgraded(cluster, cluster.hosts.slice(0, 1));
  cluster.run(2500);
  expect(acceptedBits(cluster, cluster.hosts[0]!) >>> 0).toBe(ALL);
});

test('a host outside whose own word does not arrive is waited for one tolerance and no longer (R10)', () => {
  const cluster = convergedBesideAnotherFile(3);
  const [mail1, mail2, mail3] = cluster.hosts;
  cluster.cuts.add('mail1>mail3').add('mail3>mail1');
  cluster.run(3000);
  const before = acceptedBits(cluster, mail1!);
  const { number } = mail1!.state!.inForce!.view;
  startUpgraded(cluster, [mail1!, mail2!]);
  cluster.run(4900);
  expect(mail1!.state!.inForce!.view.number).toBeGreaterThan(number);
  expect(mail1!.state!.side.visible).toContain(mail3!.name);
  expect(acceptedBits(cluster, mail1!)).toBe(0);
  cluster.run(600);
  expect(acceptedBits(cluster, mail1!)).toBe(before);
  expect(together(cluster)).toBe(ALL);
});

test('a sidecar that is started anew within the patience of the others goes on with what it had', () => {
  const cluster = converged();
  const [host] = cluster.hosts;
  const before = acceptedBits(cluster, host!);
  cluster.killSidecar(host!);
  cluster.run(400);
  cluster.start(host!);
  cluster.run(3000);
  expect(acceptedBits(cluster, host!)).toBe(before);
  expect(together(cluster)).toBe(ALL);
});

test('the lease ends before anybody can call its host lost, at every heartbeat period', () => {
  for (let periodMs = 100; periodMs <= 10_000; periodMs += 100) {
    expect(leaseMs(periodMs)).toBeLessThan(lostAfterMs(periodMs) * 0.95);
    // A pulse comes every fifth of a period: several may be late.
    expect(leaseMs(periodMs)).toBeGreaterThan(periodMs);
  }
});
