/** Hosts that stand in for another (docs/decisions/0022), as filter.wasm reads and refuses them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeView, SEAT_SIZE } from '../../host/protocol/view-bytes.js';
import { BUILD_TIMEOUT_MS, buildFilter } from './build-filter.js';
import { ProxyHost } from './proxy-host.js';
import { altered, inForceOf, SELF, sealed, type TestRule, viewOf } from './views.js';

const RULES: TestRule[] = [
  { name: 'smtp', parts: [0, 50, 50] },
  { name: 'single', parts: [1, 2, 3], filteringMode: 'single', portFirst: 26, portLast: 26 },
];

/** mail2 and mail3 stand in for `seats`, in rule smtp. */
function viewWith(...seats: [string, string]): Uint8Array {
  const inForce = inForceOf(RULES);
  seats.forEach((standsInFor, i) => {
    const host = inForce.view.hosts[i + 1]!;
    host.rules[0] = { ...host.rules[0]!, standsInFor };
  });
  return encodeView(inForce, SELF);
}

let wasm: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  wasm = (await buildFilter()).wasm;
}, BUILD_TIMEOUT_MS);

const clients = Array.from({ length: 200 }, (_, i) => `198.51.100.${i}:4711`);
const takersBy = (view: Uint8Array) => {
  const host = new ProxyHost(wasm);
  const root = host.addRoot(view)!;
  return clients.map((client) => host.connect(root, client).envoyCluster?.split('.')[2]);
};

describe('a host that stands in for another', () => {
  it('takes the clients which that one had, and the other way round where two changed places', () => {
    const own = takersBy(viewOf(RULES));
    const crossed = takersBy(viewWith('mail3', 'mail2'));
    const other: Record<string, string> = { mail2: 'mail3', mail3: 'mail2' };
    expect(new Set(own)).toEqual(new Set(['mail2', 'mail3']));
    expect(crossed).toEqual(own.map((name) => other[name!]));
  });

  it('may stand in for one that the view does not have', () => {
    expect(new Set(takersBy(viewWith('gone1', 'zone2')))).toEqual(new Set(['mail2', 'mail3']));
  });
});

describe('seats that do not check out are refused with their view', () => {
  const at = (offset: number) => viewOf(RULES).length + offset;
  const faults: [string, () => Uint8Array, string][] = [
    ['of no rule', () => altered(viewWith('x', 'y'), at(0), 2), 'host of a seat is 2'],
    [
      'of a rule without weights',
      () => altered(viewWith('x', 'y'), at(SEAT_SIZE), 1),
      'host of a seat is 2, expected a host',
    ],
    ['of a host without a part', () => altered(viewWith('x', 'y'), at(1), 0), 'host of a seat is 0, expected a host'],
    [
      'not ascending',
      () => altered(viewWith('x', 'y'), at(1), 2),
      'host of a seat is 2, expected rules and hosts ascending',
    ],
    ['without a name', () => altered(viewWith('x', 'y'), at(2), 0), 'length of the name of a seat is 0'],
    ['padding', () => altered(viewWith('x', 'y'), at(3), 1), 'byte to be zero is 1'],
    ['cut', () => viewWith('x', 'y').slice(0, -4), 'length is'],
    ['beyond the bound', () => altered(viewWith('x', 'y'), 45, 5), 'number of seats is 1282, expected at most 1024'],
  ];

  it.each(faults)('%s', (_, bytes, says) => {
    const host = new ProxyHost(wasm);
    expect(host.addRoot(sealed(Uint8Array.from(bytes())))).toBeNull();
    expect(host.logged.at(-1)).toContain(says);
  });

  it('whatever the bytes are: every byte in turn becomes 12 others; no trap', () => {
    const bytes = viewWith('x', 'y');
    const host = new ProxyHost(wasm);
    for (const i of [44, 45, ...Array.from({ length: 2 * SEAT_SIZE }, (_, offset) => at(offset))]) {
      for (const value of [0, 1, 2, 3, 4, 5, 31, 33, 100, 128, 200, 255]) {
        const root = host.addRoot(altered(bytes, i, value));
        if (root === null) continue;
        host.connect(root, clients[0]!);
        host.removeRoot(root);
      }
    }
  });
});
