/**
 * The same decision everywhere: the owner that Envoy's filter names, the one that the holder's kernel passes packets on to, the one
 * whose kernel accepts in mode multicast, and the one of the Python model are one host, for 2,000 client addresses, by real packets
 * through real Envoys.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { ArpLab, asked, SMTP, TABLE } from './arp-lab.js';
import { whyNoNetwork } from './network.js';
import type { Greeting } from './sessions.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: the same decision everywhere: ${why}`);

const CLIENTS = 2000;
const named = (greetings: Greeting[]) => greetings.map(({ host, error }) => host ?? error);

/** Says of every packet for a virtual IP that it was passed on already, so that the kernel decides nothing and the filter all. */
const FILTER_ALONE = `table netdev test_filter_alone {
  chain entry {
    type filter hook ingress device "eth0" priority -200; policy accept;
    ip daddr 10.77.0.200 meta l4proto tcp @th,100,3 set 1
    ip6 daddr fd77::200 meta l4proto tcp @th,100,3 set 1
  }
}
`;

describe.skipIf(why !== null)('the same decision everywhere', () => {
  let lab: ArpLab | undefined;
  afterEach(() => {
    lab?.remove();
    lab = undefined;
  });

  it(`for ${CLIENTS} clients the holder's kernel, Envoy's filter and the model name one owner, IPv4 and IPv6`, async () => {
    lab = await ArpLab.start(3);
    const { cluster } = lab;
    const all = asked(CLIENTS, SMTP);
    const model = lab.modelOwners(['n1', 'n2', 'n3'], all);
    const holder = await lab.holder();
    const nft = (...args: string[]) => lab!.nft(holder, ...args);
    const passedOn = () => Number(/packets (\d+)/.exec(nft('list', 'set', 'netdev', TABLE, 'passed_on'))![1]);
    const before = passedOn();
    const byKernel = await lab.visit(all);
    expect(named(byKernel)).toEqual(model);
    expect(passedOn() - before).toBeGreaterThan(CLIENTS);
    expect(byKernel.every(({ seen }, i) => seen === all[i]!.from)).toBe(true);

    cluster.network.nft(holder, FILTER_ALONE);
    const byFilter = await lab.visit(all);
    expect(named(byFilter)).toEqual(model);
    expect(byFilter.every(({ seen }, i) => seen === all[i]!.from)).toBe(true);
    expect(new Set(model).size).toBe(3);
  });

  it(`for ${CLIENTS} clients the kernels of mode multicast and the model name one owner, IPv4 and IPv6`, async () => {
    lab = await ArpLab.start(3, 'multicast');
    const all = asked(CLIENTS, SMTP);
    const model = lab.modelOwners(['n1', 'n2', 'n3'], all);
    const byKernel = await lab.visit(all);
    expect(named(byKernel)).toEqual(model);
    expect(byKernel.every(({ seen }, i) => seen === all[i]!.from)).toBe(true);
    expect(new Set(model).size).toBe(3);
  });
});
