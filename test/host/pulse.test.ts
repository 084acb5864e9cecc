import { expect, test } from 'vitest';
import type { Row } from '../../host/protocol/heartbeat.js';
import { newPeer, type Peer } from '../../host/protocol/peer.js';
import { pulseEveryMs, takePulse } from '../../host/protocol/pulse.js';

const INSTANCE = 7n;

function heardPeer(): Peer {
  const peer = newPeer({ name: 'mail2', priority: 2, dedicatedIp: '10.0.0.12' }, 2);
  peer.row = { instance: INSTANCE, sequence: 40 } as Row;
  peer.link = 'heard';
  peer.directMs = 1000;
  return peer;
}

function body({ instance = INSTANCE, sequence = 40, count = 1 }): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, instance);
  view.setUint32(8, sequence);
  view.setUint32(12, count);
  return new Uint8Array(view.buffer);
}

test('a pulse is a sign of life, and ends the questions', () => {
  const peer = heardPeer();
  peer.suspicion = { sinceMs: 1100, probeCount: 2, lastProbeMs: 1150, envoyAnswered: false };
  expect(takePulse(1200, peer, body({}))).toBe('taken');
  expect(peer).toMatchObject({ directMs: 1200, suspicion: null, pulseCount: 1 });
});

test('a pulse advances no row: what its sender says of itself comes in heartbeats alone', () => {
  const peer = heardPeer();
  expect(takePulse(1200, peer, body({ sequence: 45 }))).toBe('taken');
  expect(peer.row!.sequence).toBe(40);
  expect(peer.advancedMs).toBe(null);
});

test('a recorded pulse keeps nobody alive: not twice, not of before the last heartbeat, not of another life', () => {
  const peer = heardPeer();
  expect(takePulse(1200, peer, body({ count: 3 }))).toBe('taken');
  expect(takePulse(1300, peer, body({ count: 3 }))).toBe('replayed');
  expect(takePulse(1300, peer, body({ count: 2 }))).toBe('replayed');
  expect(takePulse(1300, peer, body({ count: 4, sequence: 39 }))).toBe('replayed');
  expect(takePulse(1300, peer, body({ count: 4, instance: 8n }))).toBe('notFresh');
  expect(peer.directMs).toBe(1200);
});

test('a pulse of a host that is not heard counts for nothing, nor does one of another length', () => {
  const peer = heardPeer();
  expect(takePulse(1200, peer, body({}).subarray(1))).toBe('malformed');
  for (const link of ['none', 'held'] as const) expect(takePulse(1200, { ...peer, link }, body({}))).toBe('notFresh');
  expect(peer.directMs).toBe(1000);
});

test('pulses come with every tick, and where periods are short no oftener than every 50 ms or five in a period', () => {
  const every = [100, 200, 400, 500, 1000, 10_000].map((periodMs) => [periodMs, pulseEveryMs(periodMs)]);
  expect(Object.fromEntries(every)).toEqual({ 100: 20, 200: 40, 400: 50, 500: 50, 1000: 100, 10000: 1000 });
});
