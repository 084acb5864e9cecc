/** What a draining host waits for: read from the kernel's own lists, with the time each was first seen. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DrainLeft, leftCounts, LISTED_MAX } from '../../host/control/drain-left.js';
import { type OpenConnection, openConnections, parseConnection } from '../../host/edge/open-connections.js';
import type { RuleTraffic } from '../../host/edge/traffic.js';
import type { ClusterFile, HostConfig } from '../../host/protocol/types.js';
import { freshDirectory } from './cli-fixture.js';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const TAIL = '00000000:00000000 00:00000000 00000000  1000        0 48213 1 0000000000000000 20 4 30 10 -1';
/** 10.0.0.11:25 from 192.0.2.7:41234. */
const LINE = `   4: 0B00000A:0019 070200C0:A112 01 ${TAIL}`;
const PORTS = new Set([25]);

describe('parseConnection()', () => {
  test('reads both ends of an open connection, of IPv6 and IPv4-mapped ones too', () => {
    expect(parseConnection(LINE, PORTS)).toEqual({
      local: { address: '10.0.0.11', port: 25 },
      remote: { address: '192.0.2.7', port: 41234 },
    });
    const six = `   0: B80D0120000000000000000001000000:0019 B80D0120000000000000000007000000:A112 01 ${TAIL}`;
    expect(parseConnection(six, PORTS)?.remote).toEqual({ address: '2001:db8::7', port: 41234 });
    const mapped = `   0: 0000000000000000FFFF00000B00000A:0019 0000000000000000FFFF0000070200C0:A112 01 ${TAIL}`;
    expect(parseConnection(mapped, PORTS)?.remote.address).toBe('192.0.2.7');
  });

  test.each([
    ['a half closed one counts', LINE.replace(' 01 ', ' 08 '), true],
    ['TIME_WAIT does not', LINE.replace(' 01 ', ' 06 '), false],
    ['a listening socket does not', LINE.replace(' 01 ', ' 0A '), false],
    ['one that nobody holds any more does not', LINE.replace(' 48213 ', ' 0 '), false],
    ['another port does not', LINE.replace(':0019', ':001A'), false],
    ['the head does not', HEAD, false],
    ['half a line does not', LINE.slice(0, 40), false],
  ])('%s', (_what, line, isOpen) => {
    expect(parseConnection(line, PORTS) !== null).toBe(isOpen);
  });
});

test('openConnections() reads lines across its pieces, and a missing file as an empty one', async () => {
  const path = join(freshDirectory(), 'tcp');
  const lines = Array.from({ length: 5000 }, (_, i) =>
    LINE.replace(':A112', `:${(i + 1024).toString(16).toUpperCase().padStart(4, '0')}`),
  );
  writeFileSync(path, [HEAD, ...lines, ''].join('\n'));
  const ports = new Set<number>();
  await openConnections(PORTS, ({ remote }) => ports.add(remote.port), [path, `${path}6`]);
  expect(ports.size).toBe(5000);
});

const file = {
  listenOn: 'dedicatedIp',
  virtualIps: [],
  ports: {},
  portRules: [
    { name: 'smtp', portFirst: 25, portLast: 25, protocol: 'tcp', filteringMode: 'multiple', virtualIp: null },
  ],
} as unknown as ClusterFile;
const self: HostConfig = { name: 'mail1', priority: 1, dedicatedIp: '10.0.0.11' };
const from = (port: number, address = '192.0.2.7'): OpenConnection => ({
  local: { address: '10.0.0.11', port: 25 },
  remote: { address, port },
});

describe('DrainLeft', () => {
  test('lists who is seen longest first, at most 20, and forgets all when the drain is over', async () => {
    let now: OpenConnection[] = [from(1), from(2)];
    const left = new DrainLeft(async (_ports, see) => now.forEach(see));
    await left.look(0, true, file, self);
    now = [from(2), ...Array.from({ length: 30 }, (_, i) => from(100 + i))];
    await left.look(100, true, file, self);
    expect(left.oldest().map(({ clientPort }) => clientPort)).toEqual([1, 2]);
    await left.look(2000, true, file, self);
    expect(left.oldest().length).toBe(LISTED_MAX);
    expect(left.oldest()[0]).toEqual({
      client: '192.0.2.7',
      clientPort: 2,
      port: 25,
      rule: 'smtp',
      firstSeenMs: 0,
    });
    expect(left.oldest()[1]!.firstSeenMs).toBe(2000);
    await left.look(2500, false, file, self);
    expect(left.oldest()).toEqual([]);
  });

  test('knows the port that wide rules are redirected to, and no other address with the port of a rule', async () => {
    const redirected = { local: { address: '10.0.0.11', port: 7624 }, remote: { address: '192.0.2.8', port: 5 } };
    const elsewhere = { ...from(6), local: { address: '127.0.0.1', port: 25 } };
    const left = new DrainLeft(async (_ports, see) => [redirected, elsewhere].forEach(see));
    await left.look(0, true, file, self);
    expect(left.oldest().map(({ client, rule }) => [client, rule])).toEqual([['192.0.2.8', null]]);
  });
});

test('leftCounts() counts a connection that entered here and is served here once', () => {
  const rule = (enteredOpenCount: number, servedOpenCount: number) =>
    ({ enteredOpenCount, servedOpenCount }) as RuleTraffic;
  const traffic = new Map([
    ['smtp', rule(5, 4)],
    ['web', rule(1, 2)],
  ]);
  // 6 entered, 2 of them passed on: 4 of the 6 served are theirs.
  expect(leftCounts(traffic, 2)).toEqual({ entered: 6, handedHere: 2 });
  expect(leftCounts(new Map([['smtp', rule(3, 1)]]), 0)).toEqual({ entered: 3, handedHere: 0 });
});
