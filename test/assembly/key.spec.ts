import * as vectors from '../../build/assembly-vectors/vectors';
import { ENDPOINT_PORT, parseEndpoint } from '../../assembly/decision/address';
import { jhash } from '../../assembly/decision/jhash';
import { bucketOf, hashOf, writeKey } from '../../assembly/decision/key';
import { bytesOf, hexOf, put, text } from './bytes';

const CLIENT = memory.data(18, 8);
const KEY = memory.data(20);

describe('jhash()', () => {
  test('gives the hashes of the model', () => {
    for (let i = 0; i < vectors.HASH_COUNT; i++) {
      const bytes = vectors.HASH_BYTES[i];
      expect(jhash(bytesOf(bytes), bytes.length / 2, vectors.HASH_SEED[i])).toBe(vectors.HASH_VALUE[i], bytes);
    }
  });
});

describe('keys', () => {
  test('writeKey() and bucketOf() give the keys and buckets of the model', () => {
    for (let i = 0; i < vectors.KEY_COUNT; i++) {
      const client = vectors.KEY_CLIENT[i];
      parseEndpoint(text(), put(client), CLIENT);
      const port = load<u16>(CLIENT, ENDPOINT_PORT);
      const length = writeKey(vectors.KEY_AFFINITY[i], CLIENT, port, vectors.KEY_PREFIX_LENGTH[i], KEY);
      expect(hexOf(KEY, length)).toBe(vectors.KEY_BYTES[i], client);
      expect(bucketOf(hashOf(KEY, length, vectors.KEY_HASH_SEED[i]))).toBe(vectors.KEY_BUCKET[i], client);
    }
  });
});
