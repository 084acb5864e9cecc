/** The model's vectors against a decision.wasm, one comparison a kind. Each throws at the first difference. */
import { expect } from 'vitest';
import { type Decision, DecisionError } from '../../host/edge/decision.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import {
  type ConnectionVector,
  type DecisionVectors,
  inForceOf,
  keptOf,
  loadVectors,
  type RuleVector,
} from './load.js';

const vectors = loadVectors();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What a refused address comes to. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecisionError && error.code === 'ADDRESS_REFUSED') return null;
    throw error;
  }
}

function actionOf(owner: string | null, mayFallBack: boolean, { self }: ConnectionVector): ConnectionVector['action'] {
  if (owner === null) return 'refuse';
  if (owner === self) return 'serve';
  return mayFallBack ? 'handoffOrFallback' : 'handoff';
}

function compareDecisions(decision: Decision, decisions: DecisionVectors['decisions']): void {
  for (const { cluster, connections } of decisions) {
    const names = cluster.hosts.map((host) => host.name).sort();
    for (const connection of connections) {
      const bytes = encodeView(inForceOf(cluster), connection.self, keptOf(cluster));
      expect(decision.checkView(bytes)).toBeNull();
      const outcome = decision.decide(bytes, connection);
      const rule: RuleVector | undefined = cluster.rules[outcome.rule ?? -1];
      const owner = names[outcome.owner ?? -1] ?? null;
      const action = actionOf(owner, outcome.mayFallBack, connection);
      expect({ ...connection, rule: rule?.name ?? null, owner, refused: outcome.refused, action }).toEqual(connection);
    }
  }
}

export const COMPARISONS: Record<string, (decision: Decision) => void> = {
  'its version': (decision) => {
    expect(decision.version).toBe(vectors.decisionVersion);
  },

  'address text, also what is refused': (decision) => {
    for (const { text, bytes } of vectors.addresses) {
      expect([text, orNull(() => hex(decision.address(text)))]).toEqual([text, bytes]);
    }
    for (const { text, bytes, port } of vectors.endpoints) {
      const read = orNull(() => decision.endpoint(text));
      expect([text, read && hex(read.address), read?.port ?? null]).toEqual([text, bytes, port]);
    }
  },

  'hashes of 0 to 40 bytes': (decision) => {
    for (const { bytes, seed, hash } of vectors.hashes) {
      expect([bytes, seed, decision.hash(Buffer.from(bytes, 'hex'), seed)]).toEqual([bytes, seed, hash]);
    }
  },

  'keys, hashes and buckets of clients': (decision) => {
    for (const { client, key, hash, bucket, ...rest } of vectors.keys) {
      const [, address = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(client) ?? [];
      const got = decision.key({ ...rest, address, port: Number(port) });
      expect({ client, ...got, key: hex(got.key) }).toEqual({ client, key, hash, bucket });
    }
  },

  'every entry of the table of logarithms': (decision) => {
    vectors.logarithmTableHashes.forEach((expected, slice) => {
      const steps = Array.from({ length: Math.min(2048, 4097 - 2048 * slice) }, (_, i) => 2048 * slice + i);
      const entries = new Uint32Array(steps.map((step) => decision.logarithmEntry(step)));
      expect([slice, decision.hash(new Uint8Array(entries.buffer), 0)]).toEqual([slice, expected]);
    });
  },

  'logarithms of draws': (decision) => {
    for (const { draw, value } of vectors.logarithms) expect([draw, decision.logarithm(draw)]).toEqual([draw, value]);
  },

  'draws': (decision) => {
    for (const { bucket, name, hashSeed, draw } of vectors.draws) {
      const [score] = decision.scores(bucket, [{ name, loadWeight: 1 }], hashSeed);
      expect([bucket, name, score?.draw]).toEqual([bucket, name, draw]);
    }
  },

  'owners and next owners': (decision) => {
    for (const { hashSeed, weights, owners } of vectors.owners) {
      const hosts = Object.entries(weights).map(([name, loadWeight]) => ({ name, loadWeight }));
      for (const [bucket, owner, nextOwner] of owners) {
        expect({ bucket, ...decision.owners(bucket, hosts, hashSeed) }).toEqual({ bucket, owner, nextOwner });
        const ranked = decision.scores(bucket, hosts, hashSeed).map((score) => score.name);
        expect([ranked[0] ?? null, ranked[1] ?? null]).toEqual([owner, nextOwner]);
      }
    }
  },

  'whole decisions at any entry host, over encoded views': (decision) => compareDecisions(decision, vectors.decisions),

  'whole decisions about clients that are kept': (decision) => compareDecisions(decision, vectors.keptDecisions),
};
