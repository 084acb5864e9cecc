/** decision.wasm in Node.js against the model's vectors. The filter runs the same ones in test/filter. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Decision, DecisionError } from '../../host/edge/decision.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { type ConnectionVector, inForceOf, loadVectors, type RuleVector } from '../vectors/load.js';

const vectors = loadVectors();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** What a refused address comes to. */
const orNull = <T>(read: () => T): T | null => {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecisionError && error.code === 'ADDRESS_REFUSED') return null;
    throw error;
  }
};

let decision: Decision;
beforeAll(async () => {
  decision = await freshDecision();
});

describe('decision.wasm says what the model says about', () => {
  test('its version', () => expect(decision.version).toBe(vectors.decisionVersion));

  test('address text, also what is refused', () => {
    for (const { text, bytes } of vectors.addresses) {
      expect([text, orNull(() => hex(decision.address(text)))]).toEqual([text, bytes]);
    }
    for (const { text, bytes, port } of vectors.endpoints) {
      const read = orNull(() => decision.endpoint(text));
      expect([text, read && hex(read.address), read?.port ?? null]).toEqual([text, bytes, port]);
    }
  });

  test('hashes of 0 to 40 bytes', () => {
    for (const { bytes, seed, hash } of vectors.hashes) {
      expect([bytes, seed, decision.hash(Buffer.from(bytes, 'hex'), seed)]).toEqual([bytes, seed, hash]);
    }
  });

  test('keys, hashes and buckets of clients', () => {
    for (const { client, key, hash, bucket, ...rest } of vectors.keys) {
      const [, address = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(client) ?? [];
      const got = decision.key({ ...rest, address, port: Number(port) });
      expect({ client, ...got, key: hex(got.key) }).toEqual({ client, key, hash, bucket });
    }
  });

  test('every entry of the table of logarithms', () => {
    vectors.logarithmTableHashes.forEach((expected, slice) => {
      const steps = Array.from({ length: Math.min(2048, 4097 - 2048 * slice) }, (_, i) => 2048 * slice + i);
      const entries = new Uint32Array(steps.map((step) => decision.logarithmEntry(step)));
      expect([slice, decision.hash(new Uint8Array(entries.buffer), 0)]).toEqual([slice, expected]);
    });
  });

  test('logarithms of draws', () => {
    for (const { draw, value } of vectors.logarithms) expect([draw, decision.logarithm(draw)]).toEqual([draw, value]);
  });

  test('draws', () => {
    for (const { bucket, name, hashSeed, draw } of vectors.draws) {
      const [score] = decision.scores(bucket, [{ name, loadWeight: 1 }], hashSeed);
      expect([bucket, name, score?.draw]).toEqual([bucket, name, draw]);
    }
  });

  test('owners and next owners', () => {
    for (const { hashSeed, weights, owners } of vectors.owners) {
      const hosts = Object.entries(weights).map(([name, loadWeight]) => ({ name, loadWeight }));
      for (const [bucket, owner, nextOwner] of owners) {
        expect({ bucket, ...decision.owners(bucket, hosts, hashSeed) }).toEqual({ bucket, owner, nextOwner });
        const ranked = decision.scores(bucket, hosts, hashSeed).map((score) => score.name);
        expect([ranked[0] ?? null, ranked[1] ?? null]).toEqual([owner, nextOwner]);
      }
    }
  });

  test('whole decisions at any entry host, over encoded views', () => {
    for (const { cluster, connections } of vectors.decisions) {
      const names = cluster.hosts.map((host) => host.name).sort();
      for (const connection of connections) {
        const bytes = encodeView(inForceOf(cluster), connection.self);
        expect(decision.checkView(bytes)).toBeNull();
        const outcome = decision.decide(bytes, connection);
        const rule: RuleVector | undefined = cluster.rules[outcome.rule ?? -1];
        const owner = names[outcome.owner ?? -1] ?? null;
        const action = actionOf(owner, outcome.mayFallBack, connection);
        expect({ ...connection, rule: rule?.name ?? null, owner, refused: outcome.refused, action }).toEqual(
          connection,
        );
      }
    }
  });
});

test('checkView() refuses bytes of a view that were cut or altered, and decide() says so', () => {
  const { cluster } = vectors.decisions[0]!;
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

function actionOf(owner: string | null, mayFallBack: boolean, { self }: ConnectionVector): ConnectionVector['action'] {
  if (owner === null) return 'refuse';
  if (owner === self) return 'serve';
  return mayFallBack ? 'handoffOrFallback' : 'handoff';
}
