/** Mode multicast: a sidecar that was stopped in the midst of a sign of life renews nothing with what it sends when it goes on. */
import { describe, expect, test } from 'vitest';
import { multicastChains, packetSets } from '../../host/kernel/multicast-ruleset.js';
import { wholeText } from '../../host/kernel/ruleset-change.js';
import { waitFor } from '../e2e/harness/wait.js';
import { VIRTUAL_IP } from './cluster.js';
import { inside } from './inside.js';
import { createNetwork, type NetworkHost, whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
const NAME = 't';

describe.skipIf(why !== null)('the lease of mode multicast', () => {
  test('is renewed soon after the renewal was begun, and not later', async () => {
    const network = createNetwork(1);
    try {
      const [host] = network.hosts as [NetworkHost];
      const frame = {
        virtualIps: [VIRTUAL_IP],
        device: 'eth0',
        ownMac: '4e:43:84:77:2c:68',
        clusterMac: '03:bf:0a:4d:00:c8',
        dedicatedIp: host.address,
        leaseMs: 3000,
        answers: true,
        renewal: { port: 9, begin: '8899aabbccddeeff', renew: '1122334455667788' },
      };
      const chains = multicastChains(frame, { hashSeed: 0, ipv6PrefixLength: 64, rules: [], rest: false }, () => '');
      network.nft(host, wholeText(NAME, packetSets(frame.leaseMs), { chains, maps: new Map(), mapOf: new Map() }));
      const has = (set: string) => inside(host, 'nft', 'list', 'set', 'inet', NAME, set).includes('elements');
      const send = (token: string) =>
        inside(host, 'bash', '-c', `printf '${token.replace(/../g, '\\x$&')}' >/dev/udp/127.0.0.1/9 || true`);
      send(frame.renewal.renew);
      expect([has('begun'), has('lease')]).toEqual([false, false]);
      send(frame.renewal.begin);
      await waitFor('the begin to run out', () => !has('begun'), LIMIT_MS);
      send(frame.renewal.renew);
      expect(has('lease')).toBe(false);
      const isRenewed = () => {
        send(frame.renewal.begin);
        send(frame.renewal.renew);
        return has('lease');
      };
      await waitFor('a renewal that comes soon', isRenewed, LIMIT_MS);
    } finally {
      network.remove();
    }
  });
});
