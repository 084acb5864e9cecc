import { expect, test } from 'vitest';
import { emptyDurable } from '../../host/protocol/events.js';
import { createState, type ProtocolState, statusOf, step } from '../../host/protocol/protocol.js';
import type { Versions } from '../../host/protocol/seal.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { Cluster } from '../sim/cluster.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';

interface Machine {
  state: ProtocolState;
  address: string;
  /** Keeps packets from arriving. */
  isOff: boolean;
}

interface MachineOptions {
  name: string;
  known?: { file: ClusterFile; fingerprint: string };
  /** Where its packets come from; by the file unless said otherwise. */
  address?: string;
  speaks?: [low: number, high: number];
}

/** Machines on a wire without delay; a step of time is a tick of each. Bounded by what a test starts. */
class Wire {
  nowMs = 0;
  instance = 1n;
  readonly machines: Machine[] = [];
  readonly sent: { fromAddress: string; toAddress: string; bytes: Uint8Array }[] = [];

  add({ name, known = makeFile({ hostCount: 3 }), address, speaks }: MachineOptions): Machine {
    const settings = {
      hostState: 'started' as const,
      rules: known.file.portRules.map(() => ({ control: 'enabled' as const, serviceUp: true })),
    };
    this.instance += 1n;
    const [low, high] = speaks ?? [1, 1];
    const versions: Versions = { protocolLow: 1, protocolHigh: 1, decisionLow: low, decisionHigh: high };
    const common = { authenticator: cheapAuthenticator(), durable: emptyDurable(), settings, nowMs: this.nowMs };
    const state = createState({ ...known, ...common, self: name, instance: this.instance, versions });
    const configured = known.file.hosts.find((host) => host.name === name)!.dedicatedIp;
    const machine = { state, address: address ?? configured, isOff: false };
    this.machines.push(machine);
    return machine;
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; ) {
      this.nowMs += 100;
      for (const machine of this.machines) if (!machine.isOff) this.give(machine, { kind: 'tick', nowMs: this.nowMs });
    }
  }

  give(machine: Machine, event: Parameters<typeof step>[1]): void {
    for (const effect of step(machine.state, event).effects) {
      if (effect.kind !== 'send') continue;
      this.sent.push({ fromAddress: machine.address, toAddress: effect.toAddress, bytes: effect.bytes });
      this.deliver(this.sent.at(-1)!);
    }
  }

  deliver({ fromAddress, toAddress, bytes }: Wire['sent'][number]): void {
    const to = this.machines.find((each) => each.address === toAddress && !each.isOff);
    if (to !== undefined) this.give(to, { kind: 'packet', nowMs: this.nowMs, fromAddress, fromPort: 7620, bytes });
  }

  view(machine: Machine) {
    const { inForce } = statusOf(machine.state, this.nowMs);
    return { hosts: inForce?.view.hosts.map((host) => host.name), decisionVersion: inForce?.view.decisionVersion };
  }

  problems(machine: Machine): string[] {
    return statusOf(machine.state, this.nowMs).problems.map((each) => each.text);
  }
}

const ALL = ['mail1', 'mail2', 'mail3'];

test('a view runs at the highest version that all its hosts speak, and goes up with the last upgrade', () => {
  const wire = new Wire();
  const old = wire.add({ name: 'mail1', speaks: [1, 1] });
  const others = [wire.add({ name: 'mail2', speaks: [1, 3] }), wire.add({ name: 'mail3', speaks: [1, 2] })];
  wire.run(3000);
  for (const machine of [old, ...others]) expect(wire.view(machine)).toEqual({ hosts: ALL, decisionVersion: 1 });
  old.isOff = true;
  const upgraded = wire.add({ name: 'mail1', speaks: [1, 3] });
  wire.machines.splice(0, 1);
  wire.run(6000);
  for (const machine of [upgraded, ...others]) expect(wire.view(machine)).toEqual({ hosts: ALL, decisionVersion: 2 });
});

test('a host that does not speak the version of the others is named everywhere and outside', () => {
  const wire = new Wire();
  const two = [wire.add({ name: 'mail1', speaks: [1, 2] }), wire.add({ name: 'mail2', speaks: [1, 2] })];
  const ahead = wire.add({ name: 'mail3', speaks: [3, 4] });
  wire.run(7000);
  const text = 'host mail3 speaks decision versions 3 to 4, the view runs at 2';
  for (const machine of two) {
    expect(wire.view(machine)).toEqual({ hosts: ['mail1', 'mail2'], decisionVersion: 2 });
    expect(statusOf(machine.state, wire.nowMs).hosts[2]).toMatchObject({ state: 'outside', detail: text });
  }
  for (const machine of [...two, ahead]) expect(wire.problems(machine)).toContain(text);
  expect(statusOf(ahead.state, wire.nowMs).hosts[2]).toMatchObject({ state: 'outside', detail: text });
  expect(wire.view(ahead)).toEqual({ hosts: ['mail1', 'mail2'], decisionVersion: 4 });
});

test('old packets bring nobody back to a host that was started after them (R7)', () => {
  const wire = new Wire();
  for (const name of ALL) wire.add({ name });
  wire.run(3000);
  const old = wire.sent.filter(({ fromAddress, toAddress }) => fromAddress === '10.0.0.3' && toAddress === '10.0.0.1');
  for (const machine of wire.machines) machine.isOff = true;
  wire.machines.splice(0);
  wire.run(1000);
  const fresh = wire.add({ name: 'mail1' });
  for (const packet of old) wire.deliver(packet);
  wire.run(7000);
  expect(wire.view(fresh).hosts).toEqual(['mail1']);
  expect(fresh.state.peers.get('mail3')!.link).toBe('none');
  expect(statusOf(fresh.state, wire.nowMs).droppedPackets.notFresh).toBe(old.length);
});

test('the source must be the configured address; both addresses are named (R5)', () => {
  const wire = new Wire();
  const mail1 = wire.add({ name: 'mail1' });
  const mail2 = wire.add({ name: 'mail2' });
  wire.run(3000);
  wire.add({ name: 'mail2', address: '10.0.0.13' });
  wire.run(7000);
  expect(wire.problems(mail1)).toContain('host mail2: priority 2 is claimed from 10.0.0.13, configured is 10.0.0.2');
  for (const machine of [mail1, mail2]) expect(wire.view(machine).hosts).toEqual(['mail1', 'mail2']);
});

/** A file that gives mail2 another address, and has the machine at that address listed as mail3 elsewhere. */
function fileWith(mail2: string, mail3: string) {
  const known = makeFile({ hostCount: 3 });
  const address: Record<string, string> = { mail2, mail3 };
  const hosts = known.file.hosts.map((host) => ({ ...host, dedicatedIp: address[host.name] ?? host.dedicatedIp }));
  return { file: { ...known.file, hosts }, fingerprint: `${mail2.replaceAll('.', '')}0000000000000000`.slice(0, 16) };
}

test('of two hosts of one name the lower address wins at a cold start, the one in the view later (R5)', () => {
  for (const secondAfterMs of [0, 8000]) {
    const wire = new Wire();
    // The higher address is started first: at a cold start it gives way, once it is in the view it stays.
    const high = wire.add({ name: 'mail2', known: fileWith('10.0.0.13', '10.0.0.2') });
    wire.run(secondAfterMs);
    const low = wire.add({ name: 'mail2', known: fileWith('10.0.0.2', '10.0.0.13') });
    wire.run(8000);
    const [stays, goes] = secondAfterMs === 0 ? [low, high] : [high, low];
    expect(wire.view(stays).hosts).toEqual(['mail2']);
    expect(wire.view(goes).hosts).toBeUndefined();
    expect(goes.state.side.outside?.reason).toContain(`from ${stays.address}`);
    expect(wire.problems(high)).toContain('host mail2: priority 2 is claimed from 10.0.0.2, configured is 10.0.0.13');
    stays.isOff = true;
    wire.run(11_000);
    expect(wire.view(goes).hosts).toEqual(['mail2']);
  }
});

test('two hosts that were told of two instances of a dead third do not go on swapping them', () => {
  const cluster = new Cluster(3, makeFile({ hostCount: 3, periodMs: 1000 }));
  Object.assign(cluster.weather, { delayMin: 20, delayMax: 60 });
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(6000);
  cluster.kill(cluster.hosts[2]!);
  cluster.run(12_000);
  const packetsIn = (forMs: number) => {
    const before = cluster.packetCount;
    cluster.run(forMs);
    return cluster.packetCount - before;
  };
  const quiet = packetsIn(10_000);
  const known = cluster.hosts.slice(0, 2).map((host) => host.state!.peers.get('mail3')!);
  known.forEach((peer, index) => {
    const row = { ...peer.row!, instance: BigInt(index + 1) };
    Object.assign(peer, { row, retired: [], said: null, advancedMs: null, directMs: Number.NEGATIVE_INFINITY });
  });
  expect(packetsIn(10_000)).toBeLessThan(quiet * 2);
  expect(known.map((peer) => peer.row!.instance)).toEqual([2n, 2n]);
});
