import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isHostAddress, parseAddress, parseServiceAddress } from '../../host/protocol/config/index.js';
import { nearest } from '../../host/protocol/config/hints.js';

describe('parseAddress()', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ])('writes %s as %s', (text, written) => expect(parseAddress(text)?.text).toBe(written));

  test.each([
    '',
    '10.0.0',
    '10.0.0.1.1',
    '10.0.0.01',
    '10.0.0.256',
    ' 10.0.0.1',
    '10.0.0.1/24',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '::12345',
    '::g',
    'fe80::1%eth0',
    '[::1]',
    '1.2.3.4::',
    '::1.2.3.4:5',
  ])('does not read "%s"', (text) => expect(parseAddress(text)).toBe(null));

  test('reads what Node.js reads, scopes apart', () => {
    const seed = Date.now() & 0xffffffff;
    console.log(`seed ${seed}`);
    const part = fc.constantFrom('0', '1', '00', 'ffff', 'FF', '10', '255', '256', '10.0.0.1', '', 'g');
    const separator = fc.constantFrom(':', '::', '.', ':', '.');
    const text = fc.array(fc.tuple(part, separator), { minLength: 1, maxLength: 9 }).map((pairs) =>
      pairs
        .map(([left, right]) => left + right)
        .join('')
        .replace(/[:.]$/, ''),
    );
    fc.assert(
      fc.property(fc.oneof(text, fc.ipV4(), fc.ipV6()), (each) => {
        expect(parseAddress(each) !== null).toBe(isIP(each) !== 0);
        const written = parseAddress(each)?.text;
        if (written !== undefined) expect(parseAddress(written)).toEqual(parseAddress(each));
      }),
      { seed, numRuns: 20_000 },
    );
  });
});

test.each(['0.0.0.0', '0.1.2.3', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', 'fe80::1'])(
  'isHostAddress() refuses %s',
  (text) => expect(isHostAddress(parseAddress(text)!)).toBe(false),
);

describe('parseServiceAddress()', () => {
  test.each([
    ['127.0.0.1:25', { kind: 'tcp', address: '127.0.0.1', port: 25 }],
    ['[FD00::1]:65535', { kind: 'tcp', address: 'fd00::1', port: 65535 }],
    ['unix:/run/a b.sock', { kind: 'unix', path: '/run/a b.sock' }],
  ])('reads %s', (text, target) => expect(parseServiceAddress(text)).toEqual(target));

  test.each([
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '0.0.0.0:25',
    'fd00::1:25',
    'unix:',
    'unix:/',
    'unix:/run/',
    '25',
  ])('does not read %s', (text) => expect(parseServiceAddress(text)).toBe(null));
});

test('nearest() forgives two letters, one in a short word, and none too many', () => {
  const known = ['hosts', 'mode', 'virtualIps', 'ports'];
  expect(
    ['host', 'HOSTS', 'mod', 'moda', 'mxxe', 'virtual_ips', 'prots', 'colour'].map((word) => nearest(word, known)),
  ).toEqual(['hosts', 'hosts', 'mode', 'mode', null, 'virtualIps', 'ports', null]);
});
