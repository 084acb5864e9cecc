/** The view's bytes as the encoder writes them, read here by the drawing in docs/decisions/0003-view-layout.md alone. */
import { describe, expect, it } from 'vitest';
import { checksumOf, encodeView, HEADER_SIZE, HOST_SIZE, RULE_SIZE } from '../../host/protocol/view-bytes.js';
import { inForceOf, type TestRule } from '../filter/views.js';

const RULES: TestRule[] = [
  { name: 'smtp', parts: [10, 20, 30], virtualIp: '10.0.0.100', affinity: 'classC', ownerPatienceMs: 250 },
  { name: 'imap', parts: [3, 1, 2], portFirst: 1000, portLast: 1099, filteringMode: 'single', protocol: 'both' },
  { name: 'off', parts: [], portFirst: 9, portLast: 9, filteringMode: 'disabled', virtualIp: '2001:db8::1' },
];
const HOSTS = ['mail10', 'mail2', 'mail1'];

const textAt = (bytes: Uint8Array, at: number, size: number) =>
  new TextDecoder().decode(bytes.subarray(at, at + size)).replace(/\0+$/, '');

describe('encodeView()', () => {
  const inForce = inForceOf(RULES, HOSTS);
  const bytes = encodeView(inForce, 'mail2');
  const data = new DataView(bytes.buffer);

  it('writes the header', () => {
    expect(bytes.length).toBe(48 + 3 * 36 + 3 * 84);
    expect(textAt(bytes, 0, 4)).toBe('nlbv');
    expect([data.getUint16(4, true), data.getUint16(6, true)]).toEqual([2, 1]);
    expect(data.getUint32(8, true)).toBe(bytes.length);
    expect(data.getUint32(12, true)).toBe(checksumOf(bytes.subarray(16)));
    expect(data.getBigUint64(16, true)).toBe(7n);
    expect(Buffer.from(bytes.subarray(24, 32)).toString('hex')).toBe('0123456789abcdef');
    expect(data.getUint32(32, true)).toBe(0x5eed1234);
    expect([...bytes.subarray(36, 48)]).toEqual([64, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('writes the hosts by the bytes of their names, whatever their priority', () => {
    const hosts = [0, 1, 2].map((i) => {
      const at = HEADER_SIZE + i * HOST_SIZE;
      return { length: bytes[at], priority: bytes[at + 1], name: textAt(bytes, at + 2, 32) };
    });
    expect(hosts).toEqual([
      { length: 5, priority: 3, name: 'mail1' },
      { length: 6, priority: 1, name: 'mail10' },
      { length: 5, priority: 2, name: 'mail2' },
    ]);
  });

  it('writes the rules in the order of the file', () => {
    const rules = [0, 1, 2].map((i) => {
      const at = HEADER_SIZE + 3 * HOST_SIZE + i * RULE_SIZE;
      return {
        name: textAt(bytes, at + 1, 24),
        codes: [...bytes.subarray(at + 25, at + 28)],
        ports: [data.getUint16(at + 28, true), data.getUint16(at + 30, true)],
        patience: data.getUint32(at + 32, true),
        virtualIp: Buffer.from(bytes.subarray(at + 36, at + 52)).toString('hex'),
        parts: [...bytes.subarray(at + 52, at + 56)],
      };
    });
    const smtp = { name: 'smtp', codes: [1, 1, 2], ports: [25, 25], patience: 250, parts: [30, 10, 20, 0] };
    const imap = { name: 'imap', codes: [3, 2, 1], ports: [1000, 1099], patience: 1000, parts: [2, 3, 1, 0] };
    const off = { name: 'off', codes: [1, 3, 1], ports: [9, 9], patience: 1000, parts: [0, 0, 0, 0] };
    expect(rules).toEqual([
      { ...smtp, virtualIp: '00000000000000000000ffff0a000064' },
      { ...imap, virtualIp: '00000000000000000000000000000000' },
      { ...off, virtualIp: '20010db8000000000000000000000001' },
    ]);
  });

  it('leaves out hosts that were lost since the view was agreed', () => {
    const without = encodeView({ ...inForce, lostSince: ['mail1'] }, 'mail2');
    expect(without.length).toBe(bytes.length - HOST_SIZE);
    expect([without[37], without[38]]).toEqual([1, 2]);
    expect([...without.subarray(48 + 2 * 36 + 52, 48 + 2 * 36 + 55)]).toEqual([10, 20, 0]);
  });

  it('gives a host that does not take part nothing, whatever its weight', () => {
    const drained = inForceOf(RULES, HOSTS);
    drained.view.hosts[0]!.rules[0] = { loadWeight: 10, handlingPriority: 0, absence: 'draining' };
    const at = HEADER_SIZE + 3 * HOST_SIZE + 52;
    expect([...encodeView(drained, 'mail2').subarray(at, at + 3)]).toEqual([30, 0, 20]);
  });

  it('marks a host that is not in the view, or was lost, as outside', () => {
    expect(encodeView(inForce, 'mail9')[37]).toBe(255);
    expect(encodeView({ ...inForce, lostSince: ['mail2'] }, 'mail2')[37]).toBe(255);
  });

  it('writes view numbers beyond 32 bits', () => {
    const late = { ...inForce, view: { ...inForce.view, number: 2 ** 40 + 5 } };
    expect(new DataView(encodeView(late, 'mail2').buffer).getBigUint64(16, true)).toBe(2n ** 40n + 5n);
  });

  it('depends on nothing but what hosts decide by: the order of the list moves no byte', () => {
    const reversed = inForceOf(RULES, HOSTS);
    reversed.view.hosts.reverse();
    expect(encodeView(reversed, 'mail2')).toEqual(bytes);
  });

  it('refuses what the layout has no room for', () => {
    const many = Array.from({ length: 33 }, (_, i) => `h${i}`);
    expect(() => encodeView(inForceOf([], many), 'h0')).toThrow('a view of 33 hosts and 0 port rules, expected 1-32');
    expect(() => encodeView(inForceOf([], []), 'h0')).toThrow('a view of 0 hosts');
    expect(encodeView(inForceOf(Array(32).fill(RULES[2]), many.slice(0, 32)), 'h0').length).toBe(3888);
  });
});
