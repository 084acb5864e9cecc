import { expect, it } from 'vitest';
import { portRegex } from '../../host/protocol/xds/port-regex.js';

const RANGES: [first: number, last: number][] = [
  [1, 65535],
  [1024, 65535],
  [40000, 49999],
  [25, 25],
  [9, 10],
  [99, 1001],
  [12345, 54321],
  [65535, 65535],
];

it.each(RANGES)('portRegex() of %i-%i takes its ports, whole, and no other', (first, last) => {
  const regex = new RegExp(`^(?:${portRegex({ first, last })})$`);
  const taken = Array.from({ length: 65536 }, (_, port) => port).filter((port) => regex.test(String(port)));
  expect([taken[0], taken.at(-1), taken.length]).toEqual([first, last, last - first + 1]);
});

it('portRegex() is short: Envoy asks it for each connection', () => {
  expect(portRegex({ first: 40000, last: 49999 })).toBe('4[0-9][0-9][0-9][0-9]');
  expect(portRegex({ first: 1, last: 65535 }).length).toBeLessThan(200);
});
