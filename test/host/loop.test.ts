import { describe, expect, it } from 'vitest';
import { Loop } from '../../host/loop.js';
import type { Effect, ProtocolEvent } from '../../host/protocol/events.js';

const PACKET = { kind: 'packet', fromAddress: '127.0.50.2', fromPort: 7620, bytes: new Uint8Array(1) } as const;

/** A machine that writes down what it is given and asks for what it is told to ask for. */
function recording(effectsOf: (event: ProtocolEvent) => Effect[], carry: (effect: Effect) => Promise<void> | void) {
  const seen: string[] = [];
  const broken: unknown[] = [];
  let nowMs = 0;
  const loop = new Loop<null>({
    clock: { nowMs: () => ++nowMs, wallIso: () => '' },
    initial: null,
    step(_state, event) {
      seen.push(`${event.kind} ${event.nowMs}`);
      return { state: null, effects: effectsOf(event) };
    },
    carry,
    onBroken: (error) => broken.push(error),
  });
  return { loop, seen, broken };
}

describe('Loop', () => {
  it('begins no effect before the one before is done, and no event before its effects are', async () => {
    const order: string[] = [];
    let onDisk = () => {};
    const persist = { kind: 'persist', durable: {} } as unknown as Effect;
    const send = { kind: 'send' } as unknown as Effect;
    const { loop, seen } = recording(
      () => [persist, send],
      (effect) => {
        order.push(effect.kind);
        if (effect.kind !== 'persist') return;
        return new Promise((resolve) => {
          onDisk = resolve;
        });
      },
    );
    loop.post(PACKET);
    loop.post(PACKET);
    await expect.poll(() => order).toEqual(['persist']);
    expect(seen).toHaveLength(1);
    onDisk();
    await expect.poll(() => order).toEqual(['persist', 'send', 'persist']);
    expect(seen).toEqual(['packet 1', 'packet 2']);
    onDisk();
    loop.stop();
  });

  it('tells when what was posted is carried out, though more comes all the time, and at once when it is stopped', async () => {
    const saves: (() => void)[] = [];
    const { loop } = recording(
      (event) => (event.kind === 'packet' ? [] : [{ kind: 'persist' } as unknown as Effect]),
      () => new Promise((resolve) => saves.push(resolve)),
    );
    const order: string[] = [];
    await loop.settled();
    loop.post({ kind: 'leave' });
    const first = loop.settled().then(() => order.push('first'));
    loop.post({ kind: 'leave' });
    const second = loop.settled().then(() => order.push('second'));
    await new Promise((resolve) => setImmediate(resolve));
    expect([saves.length, order]).toEqual([1, []]);
    saves[0]!();
    await first;
    expect(order).toEqual(['first']);
    const stopped = loop.stop();
    await second;
    await loop.settled();
    saves[1]!();
    await stopped;
    expect(order).toEqual(['first', 'second']);
  });

  it('begins no effect any more once it is stopped, and is stopped when the one under way is done', async () => {
    const order: string[] = [];
    let onDisk = () => {};
    const { loop, seen, broken } = recording(
      () => [{ kind: 'persist' } as unknown as Effect, { kind: 'inForce' } as unknown as Effect],
      (effect) => {
        order.push(effect.kind);
        return new Promise((resolve) => {
          onDisk = resolve;
        });
      },
    );
    loop.post(PACKET);
    loop.post(PACKET);
    const stopped = loop.stop().then(() => order.push('stopped'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['persist']);
    onDisk();
    await stopped;
    loop.post(PACKET);
    expect([order, seen, broken]).toEqual([['persist', 'stopped'], ['packet 1'], []]);
  });

  it('lets the event loop have its turn while many packets wait, and keeps their order', async () => {
    const { loop, seen } = recording(
      () => [],
      () => {},
    );
    for (let packet = 0; packet < 100; packet++) loop.post(PACKET);
    // The clock of this test goes on by 1 ms with every event.
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.length).toBeLessThan(20);
    await expect.poll(() => seen.length).toBe(100);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => `packet ${at + 1}`));
    loop.stop();
  });

  it('lets the event loop have its turn, too, where a socket hands over its packets one by one in one turn', async () => {
    const { loop, seen } = recording(
      () => [],
      () => {},
    );
    for (let packet = 0; packet < 100; packet++) {
      loop.post(PACKET);
      // As after every callback of a socket: what was promised meanwhile is carried on, and the next packet comes.
      for (let i = 0; i < 10; i++) await null;
    }
    expect(seen.length).toBeLessThan(20);
    await expect.poll(() => seen.length).toBe(100);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => `packet ${at + 1}`));
    loop.stop();
  });

  it('keeps at most 2,048 packets and one tick waiting, and counts what found no room', async () => {
    let release = () => {};
    const { loop, seen } = recording(
      (event) => (event.kind === 'leave' ? [{ kind: 'persist' } as unknown as Effect] : []),
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    loop.post({ kind: 'leave' });
    for (let i = 0; i < 3000; i++) loop.post(PACKET);
    for (let i = 0; i < 5; i++) loop.post({ kind: 'tick' });
    expect(loop.overflowCount).toBe(3000 - 2048);
    release();
    await expect.poll(() => seen.length).toBe(1 + 2048 + 1);
    loop.stop();
  });

  it('ticks when the machine wants it, where that is sooner than the next tick', async () => {
    let ticks = 0;
    const loop = new Loop<number>({
      clock: { nowMs: () => 0, wallIso: () => '' },
      initial: 0,
      step: (state) => ({ state: state + 1, effects: [] }),
      tickDueMs: (state) => (state < 3 ? 0.4 : Number.POSITIVE_INFINITY),
      carry: () => {},
      beforeTick: () => {
        ticks += 1;
      },
      onBroken: () => {},
    });
    loop.start(() => 3_600_000);
    await expect.poll(() => loop.state).toBe(3);
    expect(ticks).toBe(3);
    loop.stop();
  });

  it('stops for good when the machine throws, and says why', async () => {
    const { loop, seen, broken } = recording(
      () => {
        throw new Error('a broken promise');
      },
      () => {},
    );
    loop.post(PACKET);
    loop.post(PACKET);
    await expect.poll(() => broken).toHaveLength(1);
    loop.post(PACKET);
    expect(seen).toHaveLength(1);
  });

  it('hands over the packets that wait before a late tick (R9)', async () => {
    let nowMs = 0;
    const seen: string[] = [];
    const loop = new Loop<null>({
      clock: { nowMs: () => nowMs, wallIso: () => '' },
      initial: null,
      step(_state, event) {
        seen.push(event.kind);
        return { state: null, effects: [] };
      },
      carry: () => {},
      onBroken: () => {},
    });
    loop.start(() => 1);
    expect(seen).toEqual(['tick']);
    nowMs = 10_000;
    // Arrives while the late tick lets the socket speak.
    setImmediate(() => setImmediate(() => loop.post(PACKET)));
    await expect.poll(() => seen.length).toBeGreaterThan(2);
    loop.stop();
    expect(seen.slice(0, 2)).toEqual(['tick', 'packet']);
  });
});
