import { expect, test } from 'vitest';
import { emptyDurable } from '../../host/protocol/events.js';
import { lostAfterMs, silenceDueMs } from '../../host/protocol/probing.js';
import { createState, step } from '../../host/protocol/protocol.js';
import type { ProtocolState } from '../../host/protocol/state.js';
import { persist } from '../../host/protocol/state.js';
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
  expectOneView(cluster);
  return cluster;
}

function expectOneView(cluster: Cluster): void {
  const all = cluster.hosts.map((host) => host.name);
  const seen = cluster.hosts.map(({ state }) => ({
    checksum: state!.inForceChecksum,
    names: state!.inForce?.view.hosts.map((host) => host.name),
  }));
  expect(seen).toEqual(all.map(() => ({ checksum: seen[0]!.checksum, names: all })));
}

const die = (cluster: Cluster) => cluster.kill(cluster.hosts.at(-1)!);

test('a silent death is out of the view in under 2 s at the defaults, in under 0.9 s at 100 ms', () => {
  expect(outAfter(1000, die)).toBeLessThan(2000);
  expect(outAfter(100, die)).toBeLessThan(900);
});

test('a silent host is called lost when it was silent for long enough, not with the next tick after that', () => {
  const cluster = converged(3, 1000);
  const [first, , third] = cluster.hosts;
  const peer = first!.state!.peers.get(third!.name)!;
  expect(silenceDueMs(first!.state!, cluster.clock(first!))).toBe(Number.POSITIVE_INFINITY);
  die(cluster);
  cluster.run(800);
  const dueMs = peer.directMs + lostAfterMs(1000);
  expect(silenceDueMs(first!.state!, cluster.clock(first!))).toBeCloseTo(dueMs - cluster.clock(first!), 6);
  while (cluster.clock(first!) < dueMs + 3) cluster.run(1);
  expect(peer.link).toBe('none');
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
    // All their weights at once: a host that does not know that it is on its way back has all of its own.
    for (const each of cluster.hosts) cluster.give(each, { kind: 'start', nowMs: cluster.clock(each) });
    cluster.run(1000);
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

test('a sidecar started anew changes no view, at whatever moment it is first heard', () => {
  const cluster = converged(3, 1000);
  Object.assign(cluster.weather, { delayMin: 10, delayMax: 60 });
  const before = cluster.hosts[0]!.state!.inForceChecksum;
  for (let downMs = 100; downMs < 4000; downMs += 170) {
    const host = cluster.hosts[1]!;
    cluster.killSidecar(host);
    cluster.run(downMs);
    cluster.start(host);
    cluster.run(4000);
    expect(
      cluster.hosts.map((each) => each.state!.inForceChecksum),
      `down for ${downMs} ms`,
    ).toEqual(cluster.hosts.map(() => before));
  }
  expect(cluster.hosts[1]!.notices).toContain('goes on with view 1 (mail1, mail2, mail3) of its earlier life');
});

test('a host that stood still for less than the tolerance loses nobody and waits for nothing', () => {
  for (const hostCount of [2, 3]) {
    const cluster = converged(hostCount, 1000);
    const host = cluster.hosts[0]!;
    for (let i = 0; i < 6; i++) {
      cluster.stall(host, 2450);
      cluster.run(2450 + 1500);
      expectOneView(cluster);
      cluster.run(137 * i);
    }
    expect(host.notices.filter((text) => /is lost|comes and goes/.test(text))).toEqual([]);
    for (const other of cluster.hosts) expect(other.notices.join()).not.toContain('comes and goes');
  }
});

test('a host that slept for longer than the tolerance is damped from its second return on', () => {
  const cluster = converged(3, 1000);
  const host = cluster.hosts[2]!;
  for (const returns of [1, 2]) {
    cluster.stall(host, 8000);
    cluster.run(8000 + 2000);
    expect(host.state!.hostDamper.returnCount).toBe(returns);
  }
  expect(host.notices.join()).toContain('this host comes and goes: back in 10 s');
  for (const other of cluster.hosts.slice(0, 2)) expect(other.state!.hostDamper.returnCount).toBe(0);
});

test('a silent death is found on machines that stutter all the time', () => {
  const cluster = converged(3, 100);
  const stutter = () => {
    for (const host of cluster.hosts) if (host.state !== null) cluster.stall(host, 80);
    cluster.after(95, stutter);
  };
  stutter();
  cluster.run(1000);
  die(cluster);
  cluster.run(900);
  for (const host of cluster.hosts.slice(0, 2)) {
    expect(host.state!.inForce!.view.hosts.map((each) => each.name)).toEqual(['mail1', 'mail2']);
  }
});

function firstOfTwo(): ProtocolState {
  const settings = { hostState: 'started' as const, rules: [] };
  const common = {
    ...makeFile({ hostCount: 2 }),
    settings,
    durable: emptyDurable(),
    nowMs: 0,
    authenticator: cheapAuthenticator(),
  };
  return createState({ ...common, self: 'mail1', instance: 1n });
}

test('what a step has to keep is saved once, with the last word, where it was asked for first', () => {
  const state = firstOfTwo();
  persist(state);
  state.effects.push({ kind: 'renew', nowMs: 0 });
  state.highest = { number: 8, head: 1 };
  persist(state);
  expect(state.effects).toMatchObject([{ kind: 'persist', durable: { highestNumber: 8 } }, { kind: 'renew' }]);
});

test('a confirmed number is on disk before the packet that says so', () => {
  const state = firstOfTwo();
  let kinds: string[] = [];
  for (let nowMs = 100; nowMs <= 5500 && !kinds.includes('persist'); nowMs += 100) {
    kinds = step(state, { kind: 'tick', nowMs }).effects.map((each) => each.kind);
  }
  expect(kinds.indexOf('persist')).toBeGreaterThanOrEqual(0);
  expect(kinds.lastIndexOf('persist')).toBeLessThan(kinds.indexOf('send'));
});

function offer(cluster: Cluster, hosts: number[], known: ReturnType<typeof makeFile>): void {
  for (const index of hosts) {
    const host = cluster.hosts[index]!;
    host.onDisk = known;
    cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...known });
  }
}

const namesInForce = (cluster: Cluster, index: number) =>
  cluster.hosts[index]!.state!.inForce!.view.hosts.map((host) => host.name);

test('a host that only an offered file lists is in the view soon after all others offer that file', () => {
  const three = makeFile({ hostCount: 3 });
  const cluster = new Cluster(5, three);
  for (const host of cluster.hosts.slice(0, 2)) {
    host.onDisk = makeFile({ hostCount: 2 });
    cluster.start(host);
  }
  cluster.run(6000);
  cluster.start(cluster.hosts[2]!);
  cluster.run(7000);
  offer(cluster, [0], three);
  cluster.run(3000);
  expect(namesInForce(cluster, 0)).toEqual(['mail1', 'mail2']);
  offer(cluster, [1], three);
  cluster.run(3000);
  expectOneView(cluster);
});

test('a host that the offered file no longer lists is not waited for', () => {
  const cluster = converged(3, 1000);
  offer(cluster, [0, 1], makeFile({ hostCount: 2 }));
  cluster.run(3000);
  for (const index of [0, 1]) {
    expect(namesInForce(cluster, index)).toEqual(['mail1', 'mail2']);
    expect(cluster.hosts[index]!.state!.offer).toBeNull();
  }
  cluster.run(3000);
  const problems = cluster.status(cluster.hosts[0]!)!.problems.map((each) => each.text);
  expect(problems).toContain("host mail3 (10.0.0.3) has the cluster key and is not listed in this host's file");
});

test('a host that offers the file of another group is claimed by one group only', () => {
  const single = makeFile({ hostCount: 3 });
  const none = makeFile({ hostCount: 3, affinity: 'none' });
  const cluster = new Cluster(5, single);
  for (const host of cluster.hosts.slice(1)) host.onDisk = none;
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(8000);
  offer(cluster, [1], single);
  cluster.run(3000);
  // mail2 cannot leave mail3 alone: it stays until both offer, and mail1 stays outside.
  for (const index of [1, 2]) expect(namesInForce(cluster, index)).toEqual(['mail2', 'mail3']);
  expect(cluster.hosts[0]!.state!.side.outside).not.toBeNull();
  offer(cluster, [2], single);
  cluster.run(3000);
  expectOneView(cluster);
});

test('a host with another file that starts anew does not go back in its numbers', () => {
  const cluster = new Cluster(3, makeFile({ hostCount: 3, periodMs: 1000 }));
  const odd = cluster.hosts[2]!;
  odd.onDisk = makeFile({ hostCount: 3, periodMs: 1000, affinity: 'none' });
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(8000);
  cluster.kill(cluster.hosts[1]!);
  cluster.run(8000);
  const before = odd.state!.inForce!.view.number;
  for (const host of cluster.hosts) cluster.kill(host);
  for (const host of cluster.hosts.slice(0, 2)) cluster.replaceDisk(host);
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(12_000);
  expect(cluster.hosts[0]!.state!.inForce!.view.number).toBeLessThan(before);
  expect(odd.state!.inForce!.view).toMatchObject({ number: before, hosts: [{ name: 'mail1' }, { name: 'mail2' }] });
});

test('a host tells in which rules it takes part, and why not any more', () => {
  const cluster = converged(3, 1000);
  const [, second] = cluster.hosts;
  const own = () => second!.notices.filter((text) => /^this host takes (no )?part/.test(text));
  const rules = second!.state!.known.file.portRules.map(({ name }) => name);
  expect(own()).toEqual([`this host takes part in port rule${rules.length > 1 ? 's' : ''} ${rules.join(', ')}`]);
  const set = (change: { control?: 'disabled'; serviceUp?: boolean }) => {
    const changed = second!.settings.rules.map((rule, i) => (i === 0 ? { ...rule, ...change } : rule));
    second!.settings = { ...second!.settings, rules: changed };
    cluster.give(second!, { kind: 'settings', nowMs: cluster.clock(second!), settings: second!.settings });
    cluster.run(3000);
  };
  set({ serviceUp: false });
  set({ serviceUp: true });
  set({ control: 'disabled' });
  expect(own().slice(1)).toEqual([
    `this host takes no part in port rule ${rules[0]} any more: service down`,
    `this host takes part in port rule ${rules[0]}`,
    `this host takes no part in port rule ${rules[0]} any more: rule disabled here`,
  ]);
});

test('a split is told on both sides, and so is its healing: who is lost, who is alone, who had a view of its own', () => {
  const cluster = converged(3, 1000);
  const [first, second, third] = cluster.hosts;
  const from = cluster.hosts.map(({ notices }) => notices.length);
  const told = (host: (typeof cluster.hosts)[0]) =>
    host.notices
      .slice(from[cluster.hosts.indexOf(host)])
      .filter((text) => / is lost: |alone|heard again|split/.test(text));
  for (const { name } of [first!, second!]) cluster.cuts.add(`${name}>mail3`).add(`mail3>${name}`);
  cluster.run(10_000);
  const lost = (name: string) => `host ${name} is lost: neither its sidecar nor its Envoy is heard`;
  expect([told(first!), told(second!)]).toEqual([[lost('mail3')], [lost('mail3')]]);
  expect(told(third!)).toEqual([
    lost('mail1'),
    lost('mail2'),
    'this host is alone: it agrees with none of mail1, mail2',
  ]);
  cluster.cuts.clear();
  cluster.run(10_000);
  const healed = 'a split is healed, in which mail3 had a view without this host';
  expect([told(first!).slice(1), told(second!).slice(1)]).toEqual([
    [`mail3 heard again: ${healed}`],
    [`mail3 heard again: ${healed}`],
  ]);
  const theirs = told(third!).slice(3).join('\n');
  expect(theirs).toMatch(/mail1.* heard again/);
  expect(theirs).toMatch(/mail2.* heard again: a split is healed, in which .* had a view without this host$/);
});
