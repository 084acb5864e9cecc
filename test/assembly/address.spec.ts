import * as vectors from '../../build/assembly-vectors/vectors';
import {
  ADDRESS_BAD,
  ADDRESS_BAD_PORT,
  ADDRESS_NO_PORT,
  ADDRESS_OK,
  ADDRESS_SCOPED,
  ENDPOINT_PORT,
  parseAddress,
  parseEndpoint,
} from '../../assembly/decision/address';
import { hexOf, put, text } from './bytes';

const OUT = memory.data(18);

function codeOf(endpoint: string): i32 {
  return parseEndpoint(text(), put(endpoint), OUT);
}

describe('address text', () => {
  test('parseAddress() reads and refuses what the model reads and refuses', () => {
    for (let i = 0; i < vectors.ADDRESS_COUNT; i++) {
      const code = parseAddress(text(), put(vectors.ADDRESS_TEXT[i]), OUT);
      const bytes = code == ADDRESS_OK ? hexOf(OUT, 16) : '';
      expect(bytes).toBe(vectors.ADDRESS_BYTES[i], vectors.ADDRESS_TEXT[i]);
    }
  });

  test('parseEndpoint() reads and refuses what the model reads and refuses', () => {
    for (let i = 0; i < vectors.ENDPOINT_COUNT; i++) {
      const code = codeOf(vectors.ENDPOINT_TEXT[i]);
      expect(code == ADDRESS_OK ? hexOf(OUT, 16) : '').toBe(vectors.ENDPOINT_BYTES[i], vectors.ENDPOINT_TEXT[i]);
      const port = code == ADDRESS_OK ? i32(load<u16>(OUT, ENDPOINT_PORT)) : -1;
      expect(port).toBe(vectors.ENDPOINT_PORT[i], vectors.ENDPOINT_TEXT[i]);
    }
  });

  test('parseEndpoint() says why it refuses', () => {
    expect(codeOf('x:25')).toBe(ADDRESS_BAD);
    expect(codeOf('[fe80::1%eth0]:25')).toBe(ADDRESS_SCOPED);
    expect(codeOf('192.0.2.1')).toBe(ADDRESS_NO_PORT);
    expect(codeOf('[::1]')).toBe(ADDRESS_NO_PORT);
    expect(codeOf('192.0.2.1:65536')).toBe(ADDRESS_BAD_PORT);
  });
});
