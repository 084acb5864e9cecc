/**
 * On a whole cluster and a fair network: a host that goes away and comes back, whichever way, moves no client of a rule with
 * `failback: never`, as long as nobody else leaves it.
 */
import { fail } from './checkers.js';
import type { Cluster, SimHost } from './cluster.js';
import { agreeing, setService } from './drill.js';
import { ownersIn } from './kernel.js';
import { LARGE } from './liveness.js';
import { pick } from './random.js';
import { settle, settleOpening } from './settings.js';

type Way = { what: string; go(): void; comeBack(): void };

export function keepsBack(cluster: Cluster, periodMs: number): void {
  const group = agreeing(cluster);
  // With two files or keys another part may win when a host dies, and who was in is outside.
  const isWhole = group.length === cluster.hosts.length && cluster.twins.size === 0 && cluster.extras.length === 0;
  // One that offers a revision which was not told to all has it in force alone when it is cut off, and wins over the others.
  if (group.some(({ state }) => state!.offer !== null)) return;
  if (!isWhole || group.length >= LARGE) return;
  const { portRules } = group[0]!.state!.known.file;
  const never = [...portRules.keys()].filter((index) => portRules[index]!.failback === 'never');
  if (never.length === 0) return;
  const index = pick(cluster.random, never);
  const host = pick(cluster.random, group);
  // Another one may go at the same time, and come back with it.
  const second = group.length > 2 && cluster.random() < 0.3 ? pick(cluster.random, group) : host;
  const others = group.filter((each) => each !== host && each !== second);
  upForLong(group);
  const way = pick(cluster.random, waysOf(cluster, host, index, others.length + 1));
  way.go();
  if (second !== host) cluster.kill(second);
  cluster.run(periodMs * 7 + 2000);
  const takers = takersOf(others[0]!, index);
  way.comeBack();
  if (second !== host) cluster.start(second);
  if (takers.length > 0 && !takers.includes(host.name)) {
    const check = (hosts: SimHost[]) => {
      const wrong = hosts.find((each) => takersOf(each, index).join() !== takers.join());
      if (wrong === undefined) return;
      const found = `${wrong.name} has ${takersOf(wrong, index)} in rule ${index}, it was ${takers}`;
      const together = second === host ? '' : `, and ${second.name} with it`;
      fail(cluster, `${host.name} ${way.what} and came back${together}: ${found}`);
    };
    for (let i = 0; i < 120; i++) {
      cluster.run(periodMs / 10);
      check(others);
    }
    // Itself it goes on with what it had until it has met the others.
    check(group);
    comesIn(cluster, host, others, index, periodMs);
  } else {
    // The verb is for what a host has when it is given: it meets the others first.
    cluster.run(periodMs * 12);
  }
  giveAll(cluster, periodMs);
}

/** Another host dies: whoever is on standby takes part, of several hosts at once, of a single-host rule as the last one. */
function comesIn(cluster: Cluster, host: SimHost, others: SimHost[], index: number, periodMs: number): void {
  const dying = others.find((each) => takersOf(each, index).includes(each.name))!;
  const rest = others.filter((each) => each !== dying);
  const isStandby = absenceIn(dying, host, index) === 'standby';
  const { filteringMode } = host.state!.known.file.portRules[index]!;
  const count = takersOf(host, index).length;
  const owners = ownersIn(host.state!.inForce!, index);
  cluster.kill(dying);
  cluster.run(periodMs * 4 + 1000);
  for (const each of [host, ...rest]) {
    // Of several on standby the first one takes a single-host rule, and the part of the one that died.
    const isIn = takersOf(each, index).length >= (filteringMode === 'multiple' ? count : 1);
    if (isStandby && !isIn)
      fail(cluster, `${each.name} has ${host.name} on standby in rule ${index}, ${dying.name} died`);
    const moved = ownersIn(each.state!.inForce!, index).filter((owner, bucket) => {
      return owners[bucket] !== dying.name && owner !== owners[bucket];
    });
    // An older release takes its part of all clients.
    if (isStandby && moved.length > 0 && each.state!.side.versions.protocol > 1)
      fail(
        cluster,
        `${moved.length} sample buckets of rule ${index} left their hosts at ${each.name} because ${dying.name} died`,
      );
  }
  const before = takersOf(host, index).join();
  cluster.start(dying);
  cluster.run(periodMs * 10);
  const after = takersOf(host, index).join();
  if (before !== '' && before !== after)
    fail(cluster, `${dying.name} came back to rule ${index}: ${before} became ${after}`);
}

/** `nlb start --now` everywhere. */
function giveAll(cluster: Cluster, periodMs: number): void {
  for (const each of cluster.all) cluster.give(each, { kind: 'start', nowMs: cluster.clock(each) });
  cluster.run(periodMs * 6);
  for (const each of agreeing(cluster)) {
    const held = each.state!.inForce!.view.hosts.find(({ rules }) =>
      rules.some(({ absence }) => absence === 'standby'),
    );
    if (held) fail(cluster, `${each.name} has ${held.name} on standby after nlb start --now`);
  }
}

/** No return counts yet, the start of the cluster is long past, and no verb waits for its effect. */
function upForLong(group: SimHost[]): void {
  for (const { state } of group) {
    state!.comingBack.gatheringSinceMs = null;
    // What an administrator gave to a rule whose service was down.
    state!.comingBack.given.clear();
    for (const damper of [state!.hostDamper, ...state!.ruleDampers])
      Object.assign(damper, { returnCount: 0, waitUntilMs: 0 });
  }
}

function waysOf(cluster: Cluster, host: SimHost, index: number, count: number): Way[] {
  const { settings } = host;
  const ways: Way[] = [
    { what: 'died', go: () => cluster.kill(host), comeBack: () => cluster.start(host) },
    {
      what: 'lost all it knew',
      go: () => {
        cluster.kill(host);
        cluster.replaceDisk(host);
      },
      comeBack: () => cluster.start(host),
    },
    {
      what: 'stopped',
      go: () => settle(cluster, host, { ...settings, hostState: 'stopped' }),
      comeBack: () => settleOpening(cluster, host, settings, cluster.random() * 500),
    },
    {
      what: 'drained',
      go: () => settle(cluster, host, { ...settings, hostState: 'draining' }),
      comeBack: () => settle(cluster, host, settings),
    },
    {
      what: 'had its service down',
      go: () => setService(cluster, host, index, false),
      comeBack: () => setService(cluster, host, index, true),
    },
  ];
  // Of two halves the one of the higher priority goes on.
  if (count < 3) return ways;
  const cut = (isCut: boolean) => {
    for (const { name } of cluster.hosts) {
      for (const way of [`${name}>${host.name}`, `${host.name}>${name}`]) {
        if (isCut) cluster.cuts.add(way);
        else cluster.cuts.delete(way);
      }
    }
  };
  const stand: Way = {
    what: 'stood still',
    go: () => cluster.stall(host, 3_600_000),
    comeBack: () => cluster.wake(host),
  };
  return [...ways, stand, { what: 'was cut off', go: () => cut(true), comeBack: () => cut(false) }];
}

function takersOf(asked: SimHost, index: number): string[] {
  const { inForce } = asked.state ?? {};
  const hosts = inForce?.view.hosts.filter(({ name }) => !inForce.lostSince.includes(name)) ?? [];
  return hosts.filter(({ rules }) => rules[index]?.absence === null).map(({ name }) => name);
}

function absenceIn(asked: SimHost, host: SimHost, index: number): string | null | undefined {
  return asked.state!.inForce!.view.hosts.find(({ name }) => name === host.name)?.rules[index]?.absence;
}
