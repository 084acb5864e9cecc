import { expect, test } from 'vitest';
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat, type Row } from '../../host/protocol/heartbeat.js';
import { createState, statusOf, step } from '../../host/protocol/protocol.js';
import { emptyDurable } from '../../host/protocol/events.js';
import { open, seal } from '../../host/protocol/seal.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';
import { randomFrom } from '../sim/random.js';

const VERSIONS = { protocolLow: 1, protocolHigh: 1, decisionLow: 1, decisionHigh: 1 };
const clusterName = 'mail.example.org';

function row(index: number, part: Partial<Row> = {}): Row {
  return {
    nameHash: index,
    instance: 0xfedcba9876543210n - BigInt(index),
    sequence: 4_000_000_000 + index,
    hostState: 'draining',
    phase: 'taken',
    waiting: true,
    leaving: false,
    holds: index % 2 === 1,
    proven: true,
    returning: index % 8,
    gathering: index % 3 === 0,
    file: 'beef',
    offered: '0000',
    confirmedNumber: 70_000 + index,
    confirmedHead: 0xdeadbeef,
    hears: 0xffffffff,
    speaks: { protocolLow: 1, protocolHigh: 3, decisionLow: 2, decisionHigh: 15 },
    rules: Array.from({ length: 32 }, (_, i) => (['up', 'ruleDisabled', 'serviceDown'] as const)[i % 3]!),
    standsInFor: 0,
    ...part,
  };
}

function fullHeartbeat(): Heartbeat {
  return {
    row: row(99, { file: '0123', confirmedHead: 0x01234567 }),
    name: 'a'.repeat(32),
    priority: 32,
    wish: 'unable',
    revision: 7,
    fingerprint: '0123456789abcdef',
    offered: '0000000000000000',
    confirmedChecksum: '0123456789abcdef',
    inForceNumber: 8,
    inForceChecksum: 'fedcba9876543210',
    about: 5,
    echoes: [1n, 2n],
    rows: Array.from({ length: 31 }, (_, i) => row(i + 1)),
  };
}

test('a heartbeat of 32 hosts and 32 rules has room in 1,400 bytes, all but the name, and comes back as it went', () => {
  const heartbeat = fullHeartbeat();
  const packet = seal(
    { clusterName, sender: 'x', versions: VERSIONS, type: 'heartbeat', body: encodeHeartbeat(heartbeat) },
    cheapAuthenticator(),
  );
  expect(packet.length).toBe(1400);
  const opened = open(packet, clusterName, cheapAuthenticator());
  expect(opened.ok && decodeHeartbeat(opened.body, 99, heartbeat.row.speaks)).toEqual({ ...heartbeat, name: '' });
});

test('what a host on standby says of 27 rules comes back as it went, of itself and of others', () => {
  const states = ['up', 'standby', 'serviceDown', 'ruleDraining', 'ruleDisabled'] as const;
  const rules = Array.from({ length: 32 }, (_, i) => (i < 27 ? states[(i * 3 + 1) % 5]! : 'up'));
  const most = Array.from({ length: 32 }, (_, i) => (i < 27 ? ('standby' as const) : 'up'));
  const heartbeat = { ...fullHeartbeat(), name: 'x', row: row(99, { rules }), rows: [row(1, { rules: most }), row(2)] };
  heartbeat.row = { ...heartbeat.row, file: '0123', confirmedHead: 0x01234567 };
  const decoded = decodeHeartbeat(encodeHeartbeat(heartbeat), 99, heartbeat.row.speaks);
  expect(decoded).toEqual(heartbeat);
});

test('a number too far behind the highest is sent as none', () => {
  const heartbeat = { ...fullHeartbeat(), rows: [row(1, { confirmedNumber: 3 }), row(2)] };
  const decoded = decodeHeartbeat(encodeHeartbeat(heartbeat), 99, VERSIONS);
  expect(decoded?.rows.map((each) => each.confirmedNumber)).toEqual([0, 70_002]);
});

test('garbage, truncated and altered packets are counted and never throw', () => {
  const seed = Number(process.env.SEED ?? 5);
  console.log(`seed ${seed}`);
  const random = randomFrom(seed);
  const known = makeFile({ hostCount: 3 });
  const settings = { hostState: 'started' as const, rules: [] };
  const common = { ...known, durable: emptyDurable(), settings, nowMs: 0 };
  // The seal lets everything pass here, so that the altered bytes reach the decoder too.
  const blind = { keyId: 1, mac: () => new Uint8Array(32) };
  const receiver = createState({ ...common, self: 'mail1', instance: 1n, authenticator: blind });
  const sender = createState({ ...common, self: 'mail2', instance: 2n, authenticator: blind });
  const sent = step(sender, { kind: 'tick', nowMs: 1 }).effects.flatMap((each) =>
    each.kind === 'send' ? [each.bytes] : [],
  );
  let count = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from(sent[0]!);
    const fate = i % 3;
    for (let flips = fate === 0 ? 0 : 1 + random() * 4; flips > 0; flips--) {
      bytes[Math.floor(random() * bytes.length)]! ^= 1 << (random() * 8);
    }
    const cut = fate === 1 ? bytes : bytes.subarray(0, Math.floor(random() * bytes.length));
    step(receiver, { kind: 'packet', nowMs: i, fromAddress: '10.0.0.2', fromPort: 7620, bytes: cut });
    count += 1;
  }
  const dropped = Object.values(statusOf(receiver, count).droppedPackets).reduce((sum, each) => sum + each, 0);
  expect(dropped).toBeGreaterThan(count / 2);
  expect(receiver.problems.length).toBeLessThanOrEqual(50);
});
