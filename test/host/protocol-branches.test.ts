import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../host/protocol/bytes.js';
import { buildContent } from '../../host/protocol/content.js';
import { forgive, isWaiting, newDamper, noteReturn } from '../../host/protocol/damping.js';
import { type DurableState, emptyDurable } from '../../host/protocol/events.js';
import { differencesIn, differenceText } from '../../host/protocol/file-items.js';
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from '../../host/protocol/heartbeat.js';
import { createState, statusOf, step } from '../../host/protocol/protocol.js';
import { open, seal } from '../../host/protocol/seal.js';
import { ownRules } from '../../host/protocol/state.js';
import { savedState } from '../../host/saved-state.js';
import { Cluster } from '../sim/cluster.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';

const VERSIONS = { protocolLow: 1, protocolHigh: 1, decisionLow: 1, decisionHigh: 1 };

function converged(hostCount: number): Cluster {
  const cluster = new Cluster(3, makeFile({ hostCount }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(5000);
  return cluster;
}

function packet(args: Partial<Parameters<typeof seal>[0]>): Uint8Array {
  const common = { clusterName: 'mail.example.org', sender: 'mail2', versions: VERSIONS, type: 'heartbeat' as const };
  return seal({ ...common, body: new Uint8Array(8), ...args }, cheapAuthenticator());
}

test('a packet that cannot be one of this release is dropped with its reason', () => {
  const newer = packet({ versions: { ...VERSIONS, protocolLow: 9, protocolHigh: 9 } });
  const otherKey = packet({});
  otherKey[7] = 9;
  const noType = packet({});
  noType[6] = 77;
  noType.set(cheapAuthenticator().mac(1, noType.subarray(0, -16))!.subarray(0, 16), noType.length - 16);
  const reasons = [newer, otherKey, noType].map((bytes) => {
    const opened = open(bytes, 'mail.example.org', cheapAuthenticator());
    return opened.ok ? null : opened.reason;
  });
  expect(reasons).toEqual(['protocolVersion', 'unknownKey', 'messageType']);
});

test('what cannot be sealed or encoded is a fault of the caller and says so', () => {
  const keyless = { keyId: 7, mac: () => null };
  const args = { clusterName: 'a.example', sender: 'mail1', versions: VERSIONS, type: 'leave' as const };
  expect(() => seal({ ...args, body: new Uint8Array() }, keyless)).toThrow('key id 7 is unknown');
  const tooMany = { row: {}, name: 'mail1', echoes: [], rows: Array(32).fill({}) } as unknown as Heartbeat;
  expect(() => encodeHeartbeat(tooMany)).toThrow('32 rows, expected at most 31');
  expect(decodeHeartbeat(new Uint8Array(1400), 1, VERSIONS)).toBeNull();
});

test('bytes count what they hold', () => {
  const writer = new ByteWriter(new Uint8Array(4));
  writer.u16(7);
  expect(writer.length).toBe(2);
  expect(() => new ByteReader(new Uint8Array(2)).raw(3)).toThrow('3 bytes wanted, 2 left');
});

test('who is not listed, has weight 0 or a disabled rule takes no part, each for its own reason', () => {
  const { file, fingerprint } = makeFile({ hostCount: 3, moreRules: 2 });
  const [smtp, single, more0, more1] = file.portRules;
  smtp!.loadWeights = { mail1: 0, mail2: 50 };
  single!.handlingPriorities = { mail1: 1 };
  more0!.filteringMode = 'disabled';
  expect(more1).toBeDefined();
  const participants = file.hosts.map(({ name }) => ({ name, hostState: 'started' as const, rules: [] }));
  const { hosts } = buildContent(file, fingerprint, participants, { protocol: 1, decision: 1 });
  expect(hosts.map((host) => host.rules.slice(0, 3).map((part) => part.absence))).toEqual([
    ['weightZero', null, 'ruleDisabled'],
    [null, 'notListed', 'ruleDisabled'],
    ['notListed', 'notListed', 'ruleDisabled'],
  ]);
});

test('damping ends with its time or with nlb start --now', () => {
  const damper = newDamper(0, 0);
  noteReturn(damper, 1);
  expect(isWaiting(damper, 2)).toBe(false);
  noteReturn(damper, 3);
  expect([isWaiting(damper, 4), isWaiting(damper, 10_003)]).toEqual([true, false]);
  forgive(damper);
  expect(isWaiting(damper, 4)).toBe(false);
});

test.each(['stopped', 'suspended'] as const)(
  'a rule returns at once with a host that was %s on purpose',
  (hostState) => {
    const cluster = converged(2);
    const host = cluster.hosts[1]!;
    const { rules } = host.state!.settings;
    const say = (state: typeof hostState | 'started', serviceUp: boolean) => {
      const settings = { hostState: state, rules: rules.map((rule) => ({ ...rule, serviceUp })) };
      cluster.give(host, { kind: 'settings', nowMs: cluster.clock(host), settings });
    };
    // As at the start of a machine, and at each start by hand: Envoy and the service are there a moment later.
    for (const down of ['started', hostState, hostState, hostState] as const) {
      say(down, false);
      cluster.run(1000);
      say('started', false);
      say('started', true);
      cluster.run(1000);
    }
    for (const _ of ['the first return is free', 'the second is not']) {
      expect(host.notices.filter((text) => text.includes('comes and goes'))).toEqual([]);
      say('started', false);
      say('started', true);
    }
    expect(host.notices.at(-1)).toMatch(/^port rule \S+: its service comes and goes here, back in 10 s$/);
  },
);

test('a service that comes up after its sidecar has not returned: its next return is the first, and free', () => {
  const cluster = converged(2);
  const host = cluster.hosts[1]!;
  const say = (serviceUp: boolean) => {
    host.settings = { ...host.settings, rules: host.settings.rules.map((rule) => ({ ...rule, serviceUp })) };
    cluster.give(host, { kind: 'settings', nowMs: cluster.clock(host), settings: host.settings });
  };
  cluster.kill(host);
  host.settings = { ...host.settings, rules: host.settings.rules.map((rule) => ({ ...rule, serviceUp: false })) };
  cluster.start(host);
  cluster.run(3000);
  for (const _ of ['comes up', 'returns for the first time']) {
    say(true);
    cluster.run(1000);
    expect(ownRules(host.state!, cluster.clock(host))[0]).toBe('up');
    say(false);
  }
  say(true);
  expect(ownRules(host.state!, cluster.clock(host))[0]).toBe('serviceDown');
});

test('lines of a file that are none, or too long, are no difference', () => {
  const { file } = makeFile({ hostCount: 2 });
  const text = ['no tab', `long\t${'x'.repeat(1151)}`, 'mode\tunicast'].join('\n');
  const part = new TextEncoder().encode(text);
  expect(differencesIn('mail2', part, file).map((each) => differenceText(each, false))).toEqual([
    'host mail2 has mode unicast, the cluster has routed',
  ]);
});

test('the file in force, offered again, takes the offer back', () => {
  const cluster = converged(2);
  const host = cluster.hosts[0]!;
  const offer = makeFile({ hostCount: 2, affinity: 'none' });
  cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...offer });
  expect(cluster.status(host)!.file.detail).toContain('waits for mail2');
  cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...makeFile({ hostCount: 2 }) });
  expect(cluster.status(host)!.file).toMatchObject({ offered: null, detail: null });
});

test('two that say they are converged with one view and decide otherwise are an alarm (R4)', () => {
  const cluster = converged(2);
  cluster.checkers.areForged = true;
  cluster.run(10_000);
  const host = cluster.hosts[0]!;
  saysOtherwise(cluster, host);
  expect(cluster.status(host)!.problems.map((each) => each.text)).toEqual([
    expect.stringMatching(/^host mail2 decides otherwise: view 1 is 0123456789abcdef there, [0-9a-f]{16} here$/),
  ]);
});

/** The last word of mail2 as it stands, but for what it decides by. */
function saysOtherwise(cluster: Cluster, host: Cluster['hosts'][number]): void {
  const peer = host.state!.peers.get('mail2')!;
  peer.said = { ...peer.said!, inForceChecksum: '0123456789abcdef' };
  cluster.give(host, { kind: 'tick', nowMs: cluster.clock(host) });
}

test('a word that may be of before a change here is no alarm, however long ago the change was: its host may have died since (R4)', () => {
  const cluster = converged(2);
  cluster.checkers.areForged = true;
  cluster.run(10_000);
  const [host] = cluster.hosts;
  const peer = host!.state!.peers.get('mail2')!;
  host!.state!.inForceSinceMs = peer.saidMs - 4900;
  saysOtherwise(cluster, host!);
  expect(cluster.status(host!)!.problems).toEqual([]);
  host!.state!.inForceSinceMs = peer.saidMs - 5000;
  peer.heardSinceMs = peer.saidMs - 4900;
  saysOtherwise(cluster, host!);
  expect(cluster.status(host!)!.problems).toEqual([]);
  peer.heardSinceMs = peer.saidMs - 5000;
  saysOtherwise(cluster, host!);
  expect(cluster.status(host!)!.problems).toHaveLength(1);
});

test('a host that leaves judges nobody: the others go on without it (R4)', () => {
  const cluster = converged(2);
  cluster.checkers.areForged = true;
  cluster.run(10_000);
  const [host] = cluster.hosts;
  cluster.give(host!, { kind: 'leave', nowMs: cluster.clock(host!) });
  saysOtherwise(cluster, host!);
  expect(cluster.status(host!)!.problems).toEqual([]);
});

test('two sidecars of one name at one address: the one in the view stays, and both are told of (R5)', () => {
  const cluster = converged(3);
  const first = cluster.hosts[1]!;
  const second = cluster.add(first.name, first.address, first.onDisk);
  cluster.start(second);
  cluster.run(3000);
  expect(cluster.status(cluster.hosts[0]!)!.inForce!.view.hosts).toHaveLength(3);
  cluster.stall(first, 12_000);
  cluster.run(30_000);
  const texts = cluster.status(cluster.hosts[0]!)!.problems.map((each) => each.text);
  expect(texts.filter((text) => text.includes('two sidecars send from 10.0.0.2'))).not.toEqual([]);
});

test('two machines of one address, each met by another host: both are told of, and the others agree all the same (R5)', () => {
  const cluster = converged(3);
  const [mail1, mail2, mail3] = cluster.hosts;
  const second = cluster.add(mail3!.name, mail3!.address, mail3!.onDisk);
  // As neighbour caches have it: mail1 sends to one of them, mail2 to the other.
  cluster.machineAt = (from, machines) =>
    machines.length < 2 ? machines : [from === mail1 ? second : from === mail2 ? mail3! : from];
  cluster.start(second);
  cluster.run(30_000);
  const views = () => [mail1!, mail2!].map((host) => host.state!.inForce!.view);
  const before = views();
  expect(before[0]!.checksum).toBe(before[1]!.checksum);
  cluster.run(30_000);
  expect(views().map(({ checksum }) => checksum)).toEqual(before.map(({ checksum }) => checksum));
  const texts = [mail1!, mail2!].flatMap((host) => cluster.status(host)!.problems.map((each) => each.text));
  expect(texts).toContain(`host mail3: two sidecars send from ${mail3!.address}, expected one`);
});

test('a host that nobody lists is counted, and named where it has the key', () => {
  const known = makeFile({ hostCount: 2 });
  const larger = makeFile({ hostCount: 3 });
  const common = { durable: emptyDurable(), settings: { hostState: 'started' as const, rules: [] }, nowMs: 0 };
  const authenticator = cheapAuthenticator();
  const receiver = createState({ ...known, ...common, self: 'mail1', instance: 1n, authenticator });
  const stranger = createState({ ...larger, ...common, self: 'mail3', instance: 3n, authenticator });
  const sent = step(stranger, { kind: 'tick', nowMs: 1 }).effects.find((each) => each.kind === 'send')!;
  const about = { kind: 'packet' as const, nowMs: 2, fromAddress: '10.0.0.3', fromPort: 7620 };
  step(receiver, { ...about, bytes: sent.kind === 'send' ? sent.bytes : new Uint8Array() });
  step(receiver, { ...about, bytes: packet({ sender: 'mail3', type: 'file' }) });
  const { droppedPackets, problems } = statusOf(receiver, 3);
  expect(droppedPackets.unknownHost).toBe(2);
  expect(problems[0]!.text).toContain('host mail3 (10.0.0.3) has the cluster key and is not listed');
});

function startedWith(durable: DurableState) {
  const known = makeFile({ hostCount: 2 });
  const settings = { hostState: 'started' as const, rules: [] };
  return createState({
    ...known,
    durable,
    settings,
    authenticator: cheapAuthenticator(),
    self: 'mail1',
    instance: 1n,
    nowMs: 0,
  });
}

test('a state directory of another cluster is not used, though the host has the same name there', () => {
  const durable = { ...emptyDurable(), self: 'mail1', clusterName: 'other.example.org', highestNumber: 70 };
  const state = startedWith(durable);
  const { clusterName } = state.known.file;
  expect(state.highest.number).toBe(0);
  expect(statusOf(state, 1).problems[0]!.text).toBe(
    `the state directory was written for cluster other.example.org, this is ${clusterName}: it is not used`,
  );
});

test('a state saved before it named its cluster goes on with its numbers', () => {
  const { clusterName: _, ...protocol } = { ...emptyDurable(), self: 'mail1', highestNumber: 70 };
  const onDisk: unknown = JSON.parse(JSON.stringify({ format: 1, hostState: 'started', protocol }));
  const state = startedWith(savedState(onDisk, 'state.json').protocol);
  expect(state.highest.number).toBe(70);
  expect(statusOf(state, 1).problems).toEqual([]);
});
