/** decision.wasm in Node.js against the model's vectors. The filter runs the same ones in test/filter. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '../../host/edge/decision.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { COMPARISONS } from '../vectors/compare.js';
import { freshDecision, type SourceChange } from '../vectors/fresh-decision.js';
import { inForceOf, loadVectors } from '../vectors/load.js';

let decision: Decision;
beforeAll(async () => {
  decision = await freshDecision();
}, 120_000);

describe('decision.wasm says what the model says about', () => {
  test.each(Object.keys(COMPARISONS))('%s', (kind) => COMPARISONS[kind]!(decision));
});

test('checkView() refuses bytes of a view that were cut or altered, and decide() says so', () => {
  const { cluster } = loadVectors().decisions[0]!;
  const bytes = encodeView(inForceOf(cluster), cluster.hosts[0]!.name);
  expect(decision.checkView(bytes.subarray(0, bytes.length - 1))).not.toBeNull();
  const altered = Uint8Array.from(bytes, (byte, i) => (i === 60 ? byte ^ 1 : byte));
  expect(decision.checkView(altered)).not.toBeNull();
  expect(decision.checkView(new Uint8Array(10_000))).not.toBeNull();
  const connection = { protocol: 'tcp', client: '192.0.2.1:1', destination: '10.0.0.100:25' } as const;
  expect(() => decision.decide(altered, connection)).toThrow('Cannot decide by a view');
});

test('a refused address is named with what was expected', () => {
  expect(() => decision.endpoint('192.0.2.1')).toThrow('Cannot read address "192.0.2.1", expected a port behind');
  expect(() => decision.address('fe80::1%eth0')).toThrow('expected an address without a scope');
});

/** Kinds of vectors that a changed source no longer meets. */
async function differences(change: SourceChange): Promise<string[]> {
  const changed = await freshDecision(change);
  return Object.keys(COMPARISONS).filter((kind) => {
    try {
      COMPARISONS[kind]!(changed);
      return false;
    } catch {
      return true;
    }
  });
}

const at = (file: string, from: string, to: string): SourceChange => ({ path: `assembly/decision/${file}`, from, to });

/** Lane and number of bits, as jhash.ts writes them: those of the mixing, then those of the finish. */
const ROTATIONS = ['(c, 4)', '(a, 6)', '(b, 8)', '(c, 16)', '(a, 19)', '(b, 4)'].concat([
  '(y, 14)',
  '(z, 11)',
  '(x, 25)',
  '(y, 16)',
  '(z, 4)',
  '(x, 14)',
  '(y, 24)',
]);

/** Every constant of the law, each a little off. */
const CHANGES = [
  at('jhash.ts', '0xdeadbeef', '0xdeadbeee'),
  ...ROTATIONS.map((from) =>
    at(
      'jhash.ts',
      from,
      from.replace(/\d+/, (n) => String(Number(n) + 1)),
    ),
  ),
  at('jhash.ts', 'length > 12', 'length >= 12'),
  at('key.ts', 'CLASS_C_PREFIX_LENGTH: u32 = 24', 'CLASS_C_PREFIX_LENGTH: u32 = 25'),
  at('key.ts', 'hash >> 16', 'hash >> 15'),
  at('key.ts', 'bswap<u16>(port)', 'port'),
  at('key.ts', 'return size + 4', 'return size + 2'),
  at('draw.ts', '0x9e3779b9', '0x9e3779b8'),
  at('draw.ts', '0x85ebca6b', '0x85ebca6d'),
  at('draw.ts', '0xc2b2ae35', '0xc2b2ae37'),
  at('draw.ts', 'mixed >> 13', 'mixed >> 14'),
  at('draw.ts', 'mixed ^= mixed >> 16', 'mixed ^= mixed >> 15'),
  at('draw.ts', 'mixed >> 24', 'mixed >> 23'),
  at('draw.ts', 'ROUNDS: u32 = 4', 'ROUNDS: u32 = 3'),
  at('draw.ts', 'mixed & 0xffff', 'mixed & 0xfffe'),
  at('logarithm.ts', 'FRACTION_BITS: u32 = 31', 'FRACTION_BITS: u32 = 30'),
  at('logarithm.ts', '(digits + 1) >> 1', 'digits >> 1'),
  at('rendezvous.ts', 'DECISION_VERSION: u32 = 1', 'DECISION_VERSION: u32 = 2'),
  at('rendezvous.ts', 'cost * bestWeight < bestCost * weight', 'cost * bestWeight > bestCost * weight'),
  at('rendezvous.ts', 'cost * bestWeight < bestCost * weight', 'cost < bestCost'),
  at('address.ts', 'ADDRESS_SIZE: u32 = 16', 'ADDRESS_SIZE: u32 = 15'),
];

test.each(CHANGES)('the vectors notice $path with "$to" for "$from"', async (change) => {
  expect(await differences(change)).not.toEqual([]);
});
