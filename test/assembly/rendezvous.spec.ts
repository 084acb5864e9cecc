import * as vectors from '../../build/assembly-vectors/vectors';
import { jhash } from '../../assembly/decision/jhash';
import { logarithmEntry, negativeLogarithm } from '../../assembly/decision/logarithm';
import {
  DECISION_VERSION,
  WEIGHTED_HOST_SIZE,
  hostDraw,
  nextOwnerOf,
  ownerOf,
  writeHost,
} from '../../assembly/decision/rendezvous';
import { put, text } from './bytes';

const HOSTS = memory.data(32 * 20, 8);
const ENTRIES = memory.data(8192, 4);

/** Sets the hosts of a set of vectors; their number. */
function setHosts(wanted: u32): u32 {
  let first = 0;
  for (let set: u32 = 0; set < wanted; set++) first += vectors.SET_HOSTS[set];
  const count = vectors.SET_HOSTS[wanted];
  for (let i: u32 = 0; i < count; i++) {
    const length = put(vectors.SET_HOST_NAME[first + i]);
    writeHost(HOSTS, i, text(), length, vectors.SET_HOST_WEIGHT[first + i], vectors.SET_HASH_SEED[wanted]);
  }
  return count;
}

describe('scores', () => {
  test('the vectors are of this decision version', () => {
    expect(DECISION_VERSION).toBe(vectors.DECISION_VERSION_EXPECTED);
    expect(<u32>WEIGHTED_HOST_SIZE).toBe(20);
  });

  test('a host draws what the model draws', () => {
    for (let i = 0; i < vectors.DRAW_COUNT; i++) {
      writeHost(HOSTS, 0, text(), put(vectors.DRAW_NAME[i]), 1, vectors.DRAW_HASH_SEED[i]);
      expect(hostDraw(vectors.DRAW_BUCKET[i], HOSTS, 0)).toBe(vectors.DRAW_VALUE[i], vectors.DRAW_NAME[i]);
    }
  });

  test('every entry of the table of logarithms is rounded as exact ones are', () => {
    for (let slice = 0; slice < vectors.TABLE_HASHES.length; slice++) {
      const count = min(2048, 4097 - 2048 * slice);
      for (let i = 0; i < count; i++) store<u32>(ENTRIES + 4 * i, logarithmEntry(2048 * slice + i));
      expect(jhash(ENTRIES, 4 * count, 0)).toBe(vectors.TABLE_HASHES[slice]);
    }
  });

  test('logarithms of draws are the model\'s', () => {
    for (let i = 0; i < vectors.LOGARITHM_COUNT; i++) {
      const draw = vectors.LOGARITHM_DRAW[i];
      expect(negativeLogarithm(draw)).toBe(vectors.LOGARITHM_VALUE[i], draw.toString());
    }
  });
});

describe('owners', () => {
  test('ownerOf() and nextOwnerOf() name the hosts that the model names', () => {
    let set = u32.MAX_VALUE;
    let count: u32 = 0;
    for (let i = 0; i < vectors.OWNER_COUNT; i++) {
      if (vectors.OWNER_SET[i] != set) {
        set = vectors.OWNER_SET[i];
        count = setHosts(set);
      }
      const bucket = vectors.OWNER_BUCKET[i];
      const owner = ownerOf(bucket, HOSTS, count);
      expect(owner).toBe(vectors.OWNER_INDEX[i], bucket.toString());
      if (owner >= 0) expect(nextOwnerOf(bucket, HOSTS, count, owner)).toBe(vectors.OWNER_NEXT[i], bucket.toString());
    }
  });

  test('a tie goes to the first', () => {
    const length = put('twin');
    for (let i: u32 = 0; i < 2; i++) writeHost(HOSTS, i, text(), length, 50, 1);
    expect(ownerOf(7, HOSTS, 2)).toBe(0);
    expect(nextOwnerOf(7, HOSTS, 2, 0)).toBe(1);
  });

  test('nobody owns a bucket where nobody takes part', () => {
    writeHost(HOSTS, 0, text(), put('mail1'), 0, 1);
    expect(ownerOf(7, HOSTS, 1)).toBe(-1);
    expect(ownerOf(7, HOSTS, 0)).toBe(-1);
  });
});
