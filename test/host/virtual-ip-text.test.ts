/** What `nlb display` says of the virtual IPs. */
import { expect, test } from 'vitest';
import type { VirtualIpStatus } from '../../host/virtual-ip/status.js';
import { virtualIpLines } from '../../host/cli/status-text.js';
import { statusFixture } from './cli-fixture.js';

const HELD: VirtualIpStatus = {
  addresses: ['10.0.0.100'],
  device: 'eth0',
  holder: 'mail2',
  since: '2026-11-22T21:04:19.000Z',
  isHeldHere: false,
  outgoing: 'dedicatedIp',
  leaseMs: 750,
  kernelProblem: null,
};

const linesOf = (virtualIp: Partial<VirtualIpStatus>, more = {}) =>
  virtualIpLines({ ...statusFixture(), mode: 'arp', virtualIp: { ...HELD, ...virtualIp }, ...more }).replaceAll(
    '\n',
    ' ',
  );

test('nlb display says who holds the virtual IPs, and for how long without a renewal', () => {
  const self = statusFixture().thisHost;
  const held = 'Virtual IPs 10.0.0.100: held by mail2 since 2026-11-22 21:04:19Z';
  const works = 'connections are passed on to their owners in the kernel';
  expect(linesOf({})).toBe(`${held} (eth0 on ${self}); ${works} `);
  expect(linesOf({ isHeldHere: true })).toBe(`${held} (eth0 on ${self}, lease 750 ms); ${works} `);
  expect(linesOf({ holder: null, since: null })).toContain('held by no host that is heard');
});

test('nlb display says of a stopped host that it has nothing of the virtual IPs, and no more', () => {
  const self = statusFixture().thisHost;
  const text = linesOf({ device: null }, { state: 'stopped' });
  expect(text).toMatch(new RegExp(`; ${self} is stopped and has nothing of them $`));
});
