/** A change of the cluster key, step by step: wherever it is interrupted, any two hosts understand each other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HostKeys, type KeyName, nextStep, stepBack } from '../../host/keys/steps.js';

const A: KeyName = { id: 1, fingerprint: 'aaaa' };
const B: KeyName = { id: 2, fingerprint: 'bbbb' };
const host = (name: string, ...keys: KeyName[]): HostKeys => ({ host: name, keys });

/** What a host does with an order. */
function obey({ host: name, keys }: HostKeys, kind: 'add' | 'promote' | 'forget', key: KeyName): HostKeys {
  const others = keys.filter(({ fingerprint }) => fingerprint !== key.fingerprint);
  if (kind === 'add') return host(name, ...others, key);
  return kind === 'promote' ? host(name, key, ...others) : host(name, ...others);
}

/** Everybody opens what anybody seals with. */
function understandEachOther(hosts: readonly HostKeys[]): boolean {
  return hosts.every(({ keys: [sealing] }) => hosts.every(({ keys }) => keys.includes(sealing!)));
}

describe('nextStep()', () => {
  it('begins with the next id where all have one key, and goes round after 255', () => {
    expect(nextStep([host('mail1', A), host('mail2', A)])).toEqual({ kind: 'begin', id: 2 });
    expect(nextStep([host('mail1', { id: 255, fingerprint: 'x' })])).toEqual({ kind: 'begin', id: 0 });
  });

  it.each([
    ['add where it is missing', [host('mail1', A, B), host('mail2', A)], 'add', B, ['mail2']],
    ['promote when all have it', [host('mail1', A, B), host('mail2', A, B)], 'promote', B, ['mail1', 'mail2']],
    ['go on promoting', [host('mail1', B, A), host('mail2', A, B)], 'promote', B, ['mail2']],
    ['forget when all seal with it', [host('mail1', B, A), host('mail2', B, A)], 'forget', A, ['mail1', 'mail2']],
    ['go on forgetting', [host('mail1', B), host('mail2', B, A)], 'forget', A, ['mail2']],
  ])('says to %s', (_what, hosts, kind, key, names) => {
    expect(nextStep(hosts)).toEqual({ kind, key, hosts: names });
  });

  it('names keys that do not belong to one change', () => {
    const other = { id: 1, fingerprint: 'cccc' };
    expect(nextStep([host('mail1', A), host('mail2', other)])).toEqual({
      kind: 'contradiction',
      text: "the hosts' keys do not belong to one change: mail1 has key 1 (aaaa); mail2 has key 1 (cccc). Copy the key file of one host to the others",
    });
  });

  it('keeps any two hosts together and comes to its end, however often it is interrupted', () => {
    const stops = fc.array(fc.nat(5), { maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(255), stops, (count, id, interruptions) => {
        const [old, young] = [
          { id, fingerprint: 'old' },
          { id: (id + 1) % 256, fingerprint: 'young' },
        ];
        let hosts = Array.from({ length: count }, (_, i) => host(`mail${i + 1}`, old));
        hosts[0] = obey(hosts[0]!, 'add', young);
        const left = [...interruptions];
        for (let turn = 0; turn < 40; turn++) {
          const step = nextStep(hosts);
          if (step.kind === 'contradiction') throw new Error(step.text);
          if (step.kind === 'begin') return hosts.every(({ keys }) => keys.length === 1 && keys[0] === young);
          // Interrupted: only the first few of the hosts have obeyed when the next one looks.
          const reached = step.hosts.slice(0, Math.max(1, left.shift() ?? count));
          for (const name of reached) {
            hosts = hosts.map((each) => (each.host === name ? obey(each, step.kind, step.key) : each));
            if (!understandEachOther(hosts)) return false;
          }
        }
        return false;
      }),
    );
  });
});

describe('stepBack()', () => {
  it('takes a key back as long as nobody seals with it', () => {
    expect(stepBack([host('mail1', A, B), host('mail2', A)])).toEqual({ kind: 'forget', key: B, hosts: ['mail1'] });
    expect(stepBack([host('mail1', B, A), host('mail2', A, B)])).toBeNull();
    expect(stepBack([host('mail1', A), host('mail2', A)])).toBeNull();
  });
});
