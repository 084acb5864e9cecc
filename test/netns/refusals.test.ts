/** Mode arp: a host without its Envoy does not refuse a client, it leaves it waiting. Real packets between two namespaces. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { portsOf, refusalTable } from '../../host/virtual-ip/refusals.js';
import { createNetwork, type Network, type NetworkHost, nft, whyNoNetwork } from './network.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: refusals: ${why}`);

const VIRTUAL_IPS = ['10.77.0.200', 'fd77::200'];
const TABLE = 'envoy_nlb_refusal_test';
/** Asks by connecting, and says `open`, `refused`, or `silence` after a second. */
const KNOCK = `
import socket, sys
knock = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
knock.settimeout(1)
try:
    knock.connect((sys.argv[1], int(sys.argv[2])))
    print('open')
except ConnectionRefusedError:
    print('refused')
except TimeoutError:
    print('silence')
`;

describe.skipIf(why !== null)('a host of mode arp without Envoy', () => {
  let network: Network;
  let host: NetworkHost;
  const knock = (from: NetworkHost, address: string, port: number) => {
    const command = ['netns', 'exec', from.namespace, 'python3', '-c', KNOCK, address, String(port)];
    return execFileSync('ip', command, { encoding: 'utf8' }).trim();
  };
  beforeAll(() => {
    network = createNetwork(1);
    host = network.hosts[0]!;
    for (const address of VIRTUAL_IPS) network.addVirtualIp(host, address, 'holder');
  });
  afterAll(() => network?.remove());

  it.each(VIRTUAL_IPS)('answers nothing at the ports of rules of %s, and refuses at all others', (address) => {
    const client = network.client;
    expect(knock(client, address, 25)).toBe('refused');
    nft(host.namespace, refusalTable(TABLE, VIRTUAL_IPS, ['25', '8000-8010']));
    expect(knock(client, address, 25)).toBe('silence');
    expect(knock(client, address, 8005)).toBe('silence');
    expect(knock(client, address, 113)).toBe('refused');
    // What runs on the host itself learns at once that nobody listens.
    expect(knock(host, address, 25)).toBe('refused');
    nft(host.namespace, refusalTable(TABLE, VIRTUAL_IPS, []));
    expect(knock(client, address, 25)).toBe('refused');
  });
});

it('the ports of rules stand once and in order, without those that nothing listens at', () => {
  const rule = { filteringMode: 'multiple', protocol: 'tcp' } as const;
  const ports = [
    { ...rule, portFirst: 8000, portLast: 8010 },
    { ...rule, portFirst: 25, portLast: 25 },
    { ...rule, portFirst: 25, portLast: 25 },
    { ...rule, portFirst: 8005, portLast: 8020 },
    { ...rule, portFirst: 26, portLast: 26 },
    { ...rule, portFirst: 110, portLast: 110, filteringMode: 'disabled' as const },
    { ...rule, portFirst: 53, portLast: 53, protocol: 'udp' as const },
  ];
  const portRules = ports as unknown as Parameters<typeof portsOf>[0]['portRules'];
  expect(portsOf({ portRules })).toEqual(['25-26', '8000-8020']);
});
