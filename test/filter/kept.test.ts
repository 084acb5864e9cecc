/** Kept clients in a view: where they go, what is refused, and what their memory comes to. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decision } from '../../host/edge/decision.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { KEPT_MAX, type KeptClient } from '../../host/protocol/view-kept.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { BUILD_TIMEOUT_MS, buildFilter } from './build-filter.js';
import { ProxyHost } from './proxy-host.js';
import { altered, inForceOf, SELF, sealed, type TestRule, viewOf } from './views.js';

const CLIENT = '192.0.2.7:40000';
const RULES: TestRule[] = [
  { name: 'web', portFirst: 80, portLast: 80, affinity: 'none', parts: [50, 50, 50] },
  { name: 'rdp', parts: [0, 0, 50] },
];
let wasm: Uint8Array<ArrayBuffer>;
let decision: Decision;
beforeAll(async () => {
  wasm = (await buildFilter()).wasm;
  decision = await freshDecision();
}, BUILD_TIMEOUT_MS);

const hashOf = (address: string) =>
  decision.key({ affinity: 'single', address, port: 0, hashSeed: 0x5eed1234, ipv6PrefixLength: 64 }).hash;

/** Rule 1 gives all to mail3, and mail2 takes part with next to nothing. */
const inForce = () => inForceOf([RULES[0]!, { ...RULES[1]!, parts: [0, 1, 100] }]);
const viewWith = (clients: KeptClient[]) => encodeView(inForce(), SELF, new Map([[1, clients]]));
const mixed = (i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 0;
const some = (count: number): KeptClient[] =>
  Array.from({ length: count }, (_, i) => ({ hash: mixed(i), host: 'mail2' }));

describe('kept clients', () => {
  it('go to the host where they are kept, and the others to their owners', () => {
    const host = new ProxyHost(wasm);
    const root = host.addRoot(viewWith([...some(500), { hash: hashOf('192.0.2.7'), host: 'mail2' }]))!;
    expect(host.logged.at(-1)).toMatch(/this host is mail1, 501 kept clients$/);
    expect(host.connect(root, CLIENT).envoyCluster).toBe('nlb.handoff.mail2.strict1000');
    const without = host.addRoot(viewWith([]))!;
    expect(host.connect(without, CLIENT).envoyCluster).toBe('nlb.handoff.mail3.strict1000');
  });

  it('are left out of the bytes where their host takes no part, and no bytes are left where there are none', () => {
    const bytes = encodeView(
      inForce(),
      SELF,
      new Map([
        [
          1,
          [
            { hash: 7, host: 'mail1' },
            { hash: 8, host: 'gone' },
          ],
        ],
      ]),
    );
    expect(bytes).toEqual(encodeView(inForce(), SELF));
    expect(() => viewWith(some(KEPT_MAX + 1))).toThrow('with 65537 kept clients, expected at most 65536');
  });

  it('are forgotten by all views but the newest two, which may still get connections', () => {
    const host = new ProxyHost(wasm);
    const kept = viewWith([{ hash: hashOf('192.0.2.7'), host: 'mail2' }]);
    const [oldest, older, newest] = [host.addRoot(kept)!, host.addRoot(kept)!, host.addRoot(kept)!];
    const clusters = [oldest, older, newest].map((root) => host.connect(root, CLIENT).envoyCluster?.split('.')[2]);
    expect(clusters).toEqual(['mail3', 'mail2', 'mail2']);
  });

  it('cost memory for three views at most, however many older ones have open connections', () => {
    const host = new ProxyHost(wasm);
    const bytes = viewWith(some(KEPT_MAX));
    expect(bytes.length).toBeLessThanOrEqual(331_696);
    for (let i = 0; i < 5; i++) host.addRoot(bytes);
    const settled = host.memory.length;
    for (let i = 0; i < 30; i++) expect(host.addRoot(bytes)).not.toBeNull();
    expect(host.memory.length).toBe(settled);
  });
});

describe('kept clients that do not check out are refused with their view', () => {
  const clients: KeptClient[] = [
    { hash: 5, host: 'mail2' },
    { hash: 9, host: 'mail3' },
    { hash: 11, host: 'mail2' },
  ];
  const plainLength = viewOf(RULES).length;
  const at = (offset: number) => plainLength + offset;
  const faults: [string, () => Uint8Array, string][] = [
    [
      'more of a rule than there are',
      () => altered(viewWith(clients), at(4), 4),
      'port rule 1 (counted from 0): number of kept clients is 4',
    ],
    ['less than the header says', () => altered(viewWith(clients), at(4), 2), 'number of kept clients is 2'],
    [
      'under affinity none',
      () => altered(altered(viewWith(clients), at(0), 3), at(4), 0),
      'port rule 0 (counted from 0): number of kept clients is 3, expected at most 65536, as many as the header says, and none without affinity',
    ],
    [
      'not ascending',
      () => altered(viewWith(clients), at(8 + 4), 5),
      'port rule 1 (counted from 0): hash of a kept client is 5, expected hashes ascending',
    ],
    [
      'at a host without a part',
      () => altered(viewWith(clients), at(8 + 12), 0),
      'host of a kept client is 0, expected a host that takes part',
    ],
    ['at no host', () => altered(viewWith(clients), at(8 + 12), 200), 'host of a kept client is 200'],
    ['padding', () => altered(viewWith(clients), at(8 + 15), 1), 'byte to be zero is 1'],
    ['cut', () => viewWith(clients).slice(0, -4), 'length is'],
    ['beyond the bound', () => altered(viewWith(clients), 42, 2), 'number of kept clients is 131075'],
  ];

  it.each(faults)('%s', (_, bytes, says) => {
    const host = new ProxyHost(wasm);
    expect(host.addRoot(sealed(Uint8Array.from(bytes())))).toBeNull();
    expect(host.logged.at(-1)).toContain(says);
  });

  it('whatever the bytes are: every byte in turn becomes 12 others; no trap', () => {
    const bytes = viewWith(clients);
    const host = new ProxyHost(wasm);
    for (let i = 40; i < bytes.length; i = i === 43 ? plainLength : i + 1) {
      for (const value of [0, 1, 2, 3, 4, 5, 31, 33, 100, 128, 200, 255]) {
        const root = host.addRoot(altered(bytes, i, value));
        if (root === null) continue;
        host.connect(root, CLIENT);
        host.removeRoot(root);
      }
    }
  });
});
