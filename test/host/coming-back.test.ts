/** How a host comes back under `failback: slowly` and `never`, by the protocol alone: three simulated hosts. */
import { beforeEach, describe, expect, test } from 'vitest';
import { emptyDurable } from '../../host/protocol/events.js';
import { createState, step } from '../../host/protocol/protocol.js';
import { eighths } from '../../host/protocol/returning.js';
import { ownRow } from '../../host/protocol/state.js';
import type { OwnSettings } from '../../host/protocol/types.js';
import { older } from '../sim/accidents.js';
import { Cluster, type SimHost } from '../sim/cluster.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';
import { settle as settleAt } from '../sim/settings.js';

const [SMTP, SINGLE, MORE] = [0, 1, 2];

function upCluster(never: boolean): Cluster {
  const cluster = new Cluster(7, makeFile({ hostCount: 3, moreRules: 1, never }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(7000);
  return cluster;
}

function settle(cluster: Cluster, host: SimHost, change: Partial<OwnSettings>): void {
  settleAt(cluster, host, { ...host.settings, ...change });
}

const startNow = (cluster: Cluster, host: SimHost) => cluster.give(host, { kind: 'start', nowMs: cluster.clock(host) });

/** What `asked` has in force of a host in a rule: its weight, or why it has no part. */
function partOf(asked: SimHost, host: SimHost, index: number): number | string {
  const { view, lostSince } = asked.state!.inForce!;
  const part = view.hosts.find(({ name }) => name === host.name)?.rules[index];
  if (part === undefined || lostSince.includes(host.name)) return 'lost';
  return part.absence ?? Math.max(part.loadWeight, part.handlingPriority);
}

/** All that `asked` has in force of a host in a rule over a time. */
function partsOver(cluster: Cluster, forMs: number, asked: SimHost, host: SimHost, index: number): (number | string)[] {
  const seen: (number | string)[] = [];
  for (let i = 0; i < forMs / 20; i++) {
    cluster.run(20);
    const now = partOf(asked, host, index);
    if (seen.at(-1) !== now) seen.push(now);
  }
  return seen;
}

test('a host that comes takes its weights in eighths from then on; another time in the file counts at once', () => {
  const known = makeFile({ hostCount: 2 });
  const day = known.file.portRules[SMTP]!.failbackMs!;
  const state = createState({
    ...known,
    self: 'mail1',
    instance: 1n,
    durable: emptyDurable(),
    authenticator: cheapAuthenticator(),
    settings: { hostState: 'started', rules: [] },
    nowMs: 1000,
    isFresh: true,
  });
  const at = [0, 1, 2, 4, 6, 7.99, 8].map((part) => eighths(state, 1000 + (part / 8) * day));
  expect(at).toEqual([1, 1, 2, 4, 6, 7, 0]);
  delete known.file.portRules[SMTP]!.failbackMs;
  expect(eighths(state, 1000)).toBe(0);
});

describe('failback: slowly', () => {
  let cluster: Cluster;
  let [mail1, mail3] = [] as unknown as [SimHost, SimHost];
  const EIGHTH = 6;

  beforeEach(() => {
    cluster = upCluster(false);
    [mail1, , mail3] = cluster.hosts as [SimHost, SimHost, SimHost];
    for (const host of cluster.hosts) startNow(cluster, host);
    cluster.run(1000);
    expect(partOf(mail1, mail3, SMTP)).toBe(50);
  });

  test('begins when a host is heard again after a cut, and in no view before is it with all of its weight', () => {
    for (const { name } of cluster.hosts) cluster.cuts.add(`${name}>mail3`).add(`mail3>${name}`);
    cluster.run(8000);
    expect(partOf(mail1, mail3, SMTP)).toBe('lost');
    cluster.cuts.clear();
    expect(partsOver(cluster, 6000, mail1, mail3, SMTP)).toEqual(['lost', EIGHTH]);
    expect(partOf(mail3, mail3, SMTP)).toBe(EIGHTH);
    expect(partOf(mail3, mail1, SMTP)).toBe(50);
    expect(partOf(mail1, mail3, MORE)).toBe(50);
  });

  test('begins when a host wakes up that others called lost', () => {
    cluster.stall(mail3, 20_000);
    cluster.run(19_900);
    expect(partOf(mail1, mail3, SMTP)).toBe('lost');
    expect(partsOver(cluster, 6000, mail1, mail3, SMTP)).toEqual(['lost', EIGHTH]);
  });

  test('does not begin where a host stood still and nobody took its clients', () => {
    cluster.stall(mail3, 900);
    expect(partsOver(cluster, 6000, mail1, mail3, SMTP)).toEqual([50]);
  });

  test('begins at the start after a suspension, and not with nlb start --now', () => {
    for (const isNow of [false, true]) {
      settle(cluster, mail3, { hostState: 'suspended' });
      cluster.run(2000);
      settle(cluster, mail3, { hostState: 'stopped' });
      cluster.run(2000);
      if (isNow) startNow(cluster, mail3);
      settle(cluster, mail3, { hostState: 'started' });
      expect(partsOver(cluster, 3000, mail1, mail3, SMTP)).toContain(isNow ? 50 : EIGHTH);
      expect(partOf(mail3, mail3, SMTP)).toBe(isNow ? 50 : EIGHTH);
    }
  });

  test('goes on where it was when the sidecar alone is started anew', () => {
    settle(cluster, mail3, { hostState: 'stopped' });
    cluster.run(2000);
    settle(cluster, mail3, { hostState: 'started' });
    cluster.run(2000);
    cluster.killSidecar(mail3);
    cluster.start(mail3);
    expect(partsOver(cluster, 6000, mail1, mail3, SMTP)).toEqual([EIGHTH]);
  });
});

describe('failback: never', () => {
  let cluster: Cluster;
  let [mail1, mail2, mail3] = [] as unknown as [SimHost, SimHost, SimHost];

  beforeEach(() => {
    cluster = upCluster(true);
    [mail1, mail2, mail3] = cluster.hosts as [SimHost, SimHost, SimHost];
    expect([SINGLE, MORE].map((index) => partOf(mail1, mail3, index))).toEqual([3, 50]);
  });

  const away = (host: SimHost) => {
    cluster.kill(host);
    cluster.run(5000);
    cluster.start(host);
    cluster.run(5000);
  };

  test('keeps the handler of a single-host rule where a host of higher handling priority comes back', () => {
    away(mail1);
    expect(cluster.hosts.map((host) => partOf(mail3, host, SINGLE))).toEqual(['standby', 2, 3]);
    cluster.kill(mail2);
    cluster.run(5000);
    expect(cluster.hosts.map((host) => partOf(mail3, host, SINGLE))).toEqual(['standby', 'lost', 3]);
    cluster.kill(mail3);
    cluster.run(5000);
    expect(partOf(mail1, mail1, SINGLE)).toBe(1);
  });

  test('holds for a service that was down on a host that stayed, in its rule alone', () => {
    const rules = mail2.settings.rules.map((rule, i) => (i === MORE ? { ...rule, serviceUp: false } : rule));
    const before = mail2.settings.rules;
    settle(cluster, mail2, { rules });
    cluster.run(1000);
    expect(partOf(mail1, mail2, MORE)).toBe('serviceDown');
    settle(cluster, mail2, { rules: before });
    expect(partsOver(cluster, 3000, mail1, mail2, MORE)).toEqual(['standby']);
    expect(partOf(mail1, mail2, SINGLE)).toBe(2);
  });

  test('holds for a host whose service is not up yet when it comes, and is before the others know', () => {
    const up = mail3.settings.rules;
    cluster.kill(mail3);
    cluster.run(5000);
    mail3.settings = { ...mail3.settings, rules: up.map((rule) => ({ ...rule, serviceUp: false })) };
    cluster.start(mail3);
    cluster.run(3);
    const seen: (number | string)[] = [];
    for (let i = 0; i < 200; i++) {
      cluster.run(5);
      if (i === 1) settle(cluster, mail3, { rules: up });
      seen.push(partOf(mail1, mail3, MORE));
    }
    expect(seen.filter((part) => part === 50)).toEqual([]);
    expect(seen.at(-1)).toBe('standby');
  });

  test('gives a rule to the host on which somebody enables it, also where Envoy has to open it first', () => {
    const before = mail2.settings.rules;
    for (const opens of [false, true]) {
      settle(cluster, mail2, { rules: before.map((rule) => ({ ...rule, control: 'disabled' as const })) });
      cluster.run(1000);
      expect(partOf(mail1, mail2, MORE)).toBe('ruleDisabled');
      if (opens) {
        settle(cluster, mail2, { rules: before.map((rule) => ({ ...rule, isOpening: true })) });
        cluster.run(1000);
        expect(partOf(mail1, mail2, MORE)).toBe('ruleDisabled');
      }
      settle(cluster, mail2, { rules: before });
      expect(partsOver(cluster, 3000, mail1, mail2, MORE)).toEqual([50]);
    }
  });

  test('holds after nlb stop and nlb start, however long its Envoy takes to use its services again', () => {
    const rules = mail2.settings.rules;
    for (const openingMs of [0, 20, 1000]) {
      settle(cluster, mail2, { hostState: 'stopped' });
      cluster.run(1000);
      settle(cluster, mail2, {
        hostState: 'started',
        rules: rules.map((rule) => ({ ...rule, isOpening: openingMs > 0 })),
      });
      cluster.run(openingMs);
      settle(cluster, mail2, { rules });
      expect(partsOver(cluster, 3000, mail1, mail2, MORE)).not.toContain(50);
      expect(partOf(mail1, mail2, MORE)).toBe('standby');
      startNow(cluster, mail2);
      cluster.run(1000);
      expect(partOf(mail1, mail2, MORE)).toBe(50);
    }
  });

  test('takes nobody for one that left who served by what was in force before the others went on without this host', () => {
    const serviceOf2 = (serviceUp: boolean) =>
      settle(cluster, mail2, {
        rules: mail2.settings.rules.map((rule, i) => (i === MORE ? { ...rule, serviceUp } : rule)),
      });
    away(mail3);
    expect(partOf(mail1, mail3, MORE)).toBe('standby');
    const coming = mail3.state!.comingBack;
    expect(coming.metFrom).toBeLessThan(mail3.state!.inForce!.view.number);
    // As if it had met the others again in this moment, with what is in force.
    coming.metFrom = mail3.state!.inForce!.view.number;
    cluster.run(1000);
    serviceOf2(false);
    expect(partsOver(cluster, 3000, mail1, mail3, MORE)).toEqual(['standby']);
    serviceOf2(true);
    cluster.run(3000);
    cluster.kill(mail1);
    cluster.run(5000);
    expect(partOf(mail3, mail3, MORE)).toBe(50);
  });

  test('lets no host serve alone that met none but one that waits outside: others serve, and are still to be met', () => {
    const meets = (waiting: boolean) => {
      const args = { durable: emptyDurable(), authenticator: cheapAuthenticator(), settings: mail2.settings };
      const known = { file: mail2.state!.known.file, fingerprint: mail2.state!.known.fingerprint };
      const state = createState({ ...known, ...args, self: 'mail2', instance: 1n, nowMs: 0 });
      const row = { ...ownRow(mail3.state!, 0), waiting };
      Object.assign(state.peers.get('mail3')!, {
        link: 'heard',
        row,
        hears: new Set(['mail2']),
        directMs: 0,
        advancedMs: 0,
      });
      step(state, { kind: 'tick', nowMs: 1 });
      return state.confirmed?.content.hosts.map(({ name }) => name) ?? null;
    };
    expect([meets(true), meets(false)]).toEqual([null, ['mail2', 'mail3']]);
  });

  test('gives a host on standby one rule with nlb enable, whether that is on there or was off', () => {
    away(mail3);
    const parts = () => [SINGLE, MORE].map((index) => partOf(mail1, mail3, index));
    expect(parts()).toEqual(['standby', 'standby']);
    cluster.give(mail3, { kind: 'give', nowMs: cluster.clock(mail3), rules: ['more0'] });
    expect(partsOver(cluster, 3000, mail1, mail3, MORE)).toEqual([50]);
    expect(parts()).toEqual(['standby', 50]);
    const before = mail3.settings.rules;
    settle(cluster, mail3, {
      rules: before.map((rule, i) => (i === SINGLE ? { ...rule, control: 'disabled' as const } : rule)),
    });
    cluster.run(1000);
    settle(cluster, mail3, { rules: before });
    cluster.run(1000);
    expect(parts()).toEqual([3, 50]);
    cluster.give(mail3, { kind: 'give', nowMs: cluster.clock(mail3), rules: ['more0', 'single'] });
    expect(partsOver(cluster, 3000, mail1, mail3, MORE)).toEqual([50]);
  });

  /** What `asked` has in force of each host: its weight, for whom it stands in, or why it has no part. */
  const seats = (asked: SimHost) =>
    cluster.hosts.map((host) => {
      const part = asked.state!.inForce!.view.hosts.find(({ name }) => name === host.name)?.rules[MORE];
      return part?.standsInFor ?? partOf(asked, host, MORE);
    });

  test('lets a host stand in for the one that leaves, over restarts of its sidecar; the last one takes the seat that is left', () => {
    away(mail1);
    away(mail2);
    expect(seats(mail3)).toEqual(['mail2', 'standby', 50]);
    cluster.killSidecar(mail1);
    cluster.start(mail1);
    expect(partsOver(cluster, 6000, mail3, mail1, MORE)).toEqual([50]);
    expect(seats(mail1)).toEqual(['mail2', 'standby', 50]);
    expect(mail1.notices).toContain('port rule more0: this host is on standby no more, it stands in for mail2');
    away(mail3);
    expect(seats(mail1)).toEqual(['mail2', 'mail3', 'standby']);
    startNow(cluster, mail2);
    cluster.run(2000);
    expect(seats(mail1)).toEqual(['mail2', 'mail3', 'standby']);
    startNow(cluster, mail3);
    cluster.run(2000);
    expect(seats(mail1)).toEqual(['mail2', 'mail3', 'mail1']);
  });

  test('gives a host its own seat with nlb start --now where nobody else sits there', () => {
    away(mail1);
    away(mail2);
    cluster.kill(mail3);
    cluster.run(5000);
    expect(seats(mail1)).toEqual(['mail2', 'mail3', 'lost']);
    startNow(cluster, mail1);
    cluster.run(2000);
    expect(seats(mail1)).toEqual([50, 'mail3', 'lost']);
    startNow(cluster, mail2);
    cluster.run(2000);
    expect(seats(mail1)).toEqual([50, 50, 'lost']);
  });

  test('goes on as before beside a host of an older release, which knows no seats', () => {
    away(mail1);
    cluster.killSidecar(mail3);
    older(mail3);
    cluster.start(mail3);
    cluster.run(6000);
    away(mail2);
    expect(seats(mail3)).toEqual([50, 'standby', 50]);
    expect(seats(mail1)).toEqual([50, 'standby', 50]);
  });

  test('has its own part, and keeps it, where it stood in when a host of an older release came', () => {
    away(mail1);
    away(mail2);
    expect(seats(mail3)).toEqual(['mail2', 'standby', 50]);
    cluster.killSidecar(mail3);
    older(mail3);
    cluster.start(mail3);
    expect(partsOver(cluster, 6000, mail1, mail1, MORE)).toEqual([50]);
    startNow(cluster, mail2);
    expect(partsOver(cluster, 3000, mail1, mail1, MORE)).toEqual([50]);
    expect(seats(mail1)).toEqual([50, 50, 50]);
  });

  test('brings a host in at once where the last one that took part dies', () => {
    away(mail2);
    away(mail3);
    expect(cluster.hosts.map((host) => partOf(mail1, host, MORE))).toEqual([50, 50, 'standby']);
    cluster.kill(mail1);
    cluster.kill(mail2);
    cluster.run(5000);
    expect(partOf(mail3, mail3, MORE)).toBe(50);
  });

  test('holds for two that come back together, one without its state directory, whomever it hears first', () => {
    for (let offsetMs = 0; offsetMs <= 30; offsetMs += 1) {
      for (const host of [mail1, mail2]) cluster.kill(host);
      cluster.replaceDisk(mail1);
      cluster.run(3000);
      cluster.start(mail2);
      cluster.run(offsetMs);
      cluster.start(mail1);
      expect(partsOver(cluster, 1000, mail3, mail1, MORE)).not.toContain(50);
      expect([mail1, mail2].map((host) => partOf(mail3, host, MORE))).toEqual(['standby', 'standby']);
      for (const host of cluster.hosts) startNow(cluster, host);
      cluster.run(1000);
    }
  });

  test('holds for two that come back together: the one that served meanwhile was not apart from them', () => {
    for (let offsetMs = 0; offsetMs <= 3; offsetMs += 0.25) {
      for (const host of [mail1, mail2]) cluster.kill(host);
      cluster.run(3000);
      for (const host of [mail1, mail2]) {
        cluster.start(host);
        cluster.run(offsetMs);
      }
      cluster.run(1000);
      expect(cluster.hosts.map((host) => partOf(mail3, host, MORE))).toEqual(['standby', 'standby', 50]);
      expect(mail3.state!.hostDamper.returnCount).toBe(0);
      for (const host of cluster.hosts) startNow(cluster, host);
      cluster.run(1000);
    }
  });

  test('holds over starts of all sidecars, and for a host that lost its state directory', () => {
    away(mail3);
    for (const host of cluster.hosts) {
      cluster.killSidecar(host);
      cluster.start(host);
    }
    expect(partsOver(cluster, 6000, mail1, mail3, MORE)).toEqual(['standby']);
    cluster.kill(mail2);
    cluster.replaceDisk(mail2);
    cluster.run(5000);
    expect(partOf(mail1, mail3, MORE)).toBe(50);
    cluster.start(mail2);
    cluster.run(5000);
    expect(partOf(mail1, mail2, MORE)).toBe('standby');
    startNow(cluster, mail2);
    cluster.run(1000);
    expect(partOf(mail1, mail2, MORE)).toBe(50);
  });

  test('is not for hosts of a cluster that comes up, one after another within ten minutes', () => {
    for (const host of cluster.hosts) cluster.kill(host);
    cluster.start(mail2);
    cluster.run(60_000);
    cluster.start(mail1);
    cluster.run(10_000);
    expect([mail1, mail2].map((host) => partOf(mail2, host, MORE))).toEqual([50, 50]);
    cluster.run(560_000);
    cluster.start(mail3);
    cluster.run(10_000);
    expect(cluster.hosts.map((host) => partOf(mail2, host, MORE))).toEqual([50, 50, 'standby']);
    const said = mail3.notices.filter((text) => text.includes('standby'));
    expect(said).toContain('port rule more0: this host is on standby, mail1, mail2 serve its clients (failback never)');
  });
});
