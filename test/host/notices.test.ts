/** What the protocol tells people under which cause: two hosts on a network without loss. */
import { expect, test } from 'vitest';
import { emptyDurable, type NoticeEffect } from '../../host/protocol/events.js';
import { createState, type ProtocolState, step } from '../../host/protocol/protocol.js';
import { cheapAuthenticator, makeFile } from '../sim/files.js';

const known = makeFile({ hostCount: 2 });
const [first, second] = known.file.hosts;

class Pair {
  nowMs = 0;
  readonly told = new Map<string, NoticeEffect[]>();
  private readonly states: Map<string, ProtocolState>;
  private still: string[] = [];

  constructor() {
    const made = [first!, second!].map(({ name, dedicatedIp }, i) => {
      this.told.set(name, []);
      const settings = { hostState: 'started' as const, rules: [] };
      const common = { nowMs: 0, authenticator: cheapAuthenticator(), durable: emptyDurable(), settings, ...known };
      return [dedicatedIp, createState({ ...common, self: name, instance: BigInt(i + 1) })] as const;
    });
    this.states = new Map(made);
  }

  /** Ticks of a tenth of a period; what is sent to those who stand still is lost. */
  run(forMs: number, still: string[] = []): void {
    this.still = still;
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs += 100;
      for (const address of this.states.keys()) {
        this.give(address, { kind: 'tick', nowMs: this.nowMs });
      }
    }
  }

  causes(name: string): string[] {
    return this.told.get(name)!.map(({ cause }) => cause);
  }

  private give(address: string, event: Parameters<typeof step>[1]): void {
    const state = this.states.get(address)!;
    if (this.still.includes(state.self)) return;
    for (const effect of step(state, event).effects) {
      if (effect.kind === 'notice') this.told.get(state.self)!.push(effect);
      if (effect.kind !== 'send' || !this.states.has(effect.toAddress)) continue;
      const { toAddress, bytes } = effect;
      this.give(toAddress, { kind: 'packet', nowMs: this.nowMs, fromAddress: address, fromPort: 7620, bytes });
    }
  }
}

test('a view in force is told as DEFAULT by the host of highest priority alone', () => {
  const pair = new Pair();
  pair.run(6000);
  const ofViews = (name: string) => pair.told.get(name)!.filter(({ cause }) => cause.startsWith('viewInForce'));
  expect(ofViews(first!.name).at(-1)).toMatchObject({ cause: 'viewInForceAsDefault' });
  expect(ofViews(second!.name).at(-1)).toMatchObject({ cause: 'viewInForce' });
  expect(ofViews(first!.name).at(-1)!.detail).toBe(ofViews(second!.name).at(-1)!.detail);
});

test('stalls are told one by one, and their end once, when time was kept for a tolerance', () => {
  const pair = new Pair();
  const { name } = first!;
  pair.run(6000);
  pair.run(3000, [name]);
  pair.run(2000);
  pair.run(2500, [name]);
  pair.run(4800);
  expect(pair.causes(name).filter((cause) => cause === 'lateTick')).toHaveLength(2);
  expect(pair.causes(name)).not.toContain('keepsTime');
  pair.run(6000);
  const kept = pair.told.get(name)!.filter(({ cause }) => cause === 'keepsTime');
  expect(kept.map(({ detail }) => detail)).toEqual([
    'this sidecar keeps time again; it stood still 2 times, for 5700 of 7600 ms',
  ]);
  pair.run(3000, [name]);
  pair.run(5500);
  expect(pair.told.get(name)!.at(-1)!.detail).toBe('this sidecar keeps time again; it stood still once, for 3100 ms');
  expect(pair.causes(second!.name)).not.toContain('lateTick');
});
