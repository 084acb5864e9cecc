/** The shared MAC addresses of a virtual IP, against the documented samples, and the verb that tells them. */
import { describe, expect, test } from 'vitest';
import { clusterMac, igmpGroup, maskedSourceMac } from '../../host/protocol/cluster-mac.js';
import { parseAddress } from '../../host/protocol/config/index.js';
import { fakeSidecar, freshDirectory, nlb } from './cli-fixture.js';

const address = (text: string) => parseAddress(text)!;

describe('clusterMac()', () => {
  test('has the bytes of an IPv4 address behind the prefix of each mode', () => {
    const virtualIp = address('10.0.0.100');
    expect(clusterMac(virtualIp, 'unicast')).toBe('02-BF-0A-00-00-64');
    expect(clusterMac(virtualIp, 'multicast')).toBe('03-BF-0A-00-00-64');
    expect(clusterMac(virtualIp, 'igmp')).toBe('01-00-5E-7F-00-64');
    expect(igmpGroup(virtualIp)).toBe('239.255.0.100');
    expect(maskedSourceMac(virtualIp, 12)).toBe('02-0C-0A-00-00-64');
  });

  test('makes four bytes of an IPv6 address by XOR, as the documented sample shows', () => {
    const virtualIp = address('2001:4898:e8:3018:bd82:dde1:6615:7b0');
    expect(clusterMac(virtualIp, 'unicast')).toBe('02-BF-FB-7E-A2-D1');
    expect(clusterMac(virtualIp, 'multicast')).toBe('03-BF-FB-7E-A2-D1');
    expect([clusterMac(virtualIp, 'igmp'), igmpGroup(virtualIp)]).toEqual([null, null]);
  });

  test('takes an IPv4-mapped address for its IPv4 address', () => {
    expect(clusterMac(address('::ffff:10.0.0.100'), 'unicast')).toBe('02-BF-0A-00-00-64');
  });
});

describe('nlb ip2mac', () => {
  const file = (virtualIps: string[]) => ({ code: 200, body: { file: { mode: 'routed', virtualIps } } });
  const asking = async (virtualIps: string[], ...args: string[]) => {
    const directory = freshDirectory();
    const sidecar = await fakeSidecar(directory, { 'GET /in-force': file(virtualIps) });
    const said = await nlb(['ip2mac', ...args, '--state-dir', directory]);
    await sidecar.close();
    return said;
  };

  test('tells the addresses of the cluster, and in mode routed that its hosts share none', async () => {
    const { code, out } = await asking(['10.0.0.100', '2001:db8::64']);
    expect(code).toBe(0);
    expect(out).toBe(`Virtual IP 10.0.0.100
  Unicast    02-BF-0A-00-00-64
  Multicast  03-BF-0A-00-00-64
  IGMP       01-00-5E-7F-00-64, group 239.255.0.100

Virtual IP 2001:db8::64
  Unicast    02-BF-20-01-0D-DC
  Multicast  03-BF-20-01-0D-DC
  IGMP       none: its groups are IPv4

The cluster is in mode routed: its hosts share no MAC address, each card keeps
its own. These are what it would have.
`);
  });

  test('prints in mode multicast what routers and switches may need, all virtual IPs under the address of the first', async () => {
    const directory = freshDirectory();
    const body = { file: { mode: 'multicast', virtualIps: ['10.0.0.100', '2001:db8::64'] } };
    const sidecar = await fakeSidecar(directory, { 'GET /in-force': { code: 200, body } });
    const { code, out } = await nlb(['ip2mac', '--state-dir', directory]);
    await sidecar.close();
    expect(code).toBe(0);
    expect(
      out.slice(out.indexOf('In mode')),
    ).toBe(`In mode multicast all virtual IPs have 03-BF-0A-00-00-64. Where a router does not learn it:
  Linux
    ip neigh replace 10.0.0.100 lladdr 03:bf:0a:00:00:64 nud permanent dev eth0
    ip neigh replace 2001:db8::64 lladdr 03:bf:0a:00:00:64 nud permanent dev eth0
  Windows
    netsh interface ipv4 add neighbors "Ethernet" 10.0.0.100 03-bf-0a-00-00-64
    netsh interface ipv6 add neighbors "Ethernet" 2001:db8::64 03-bf-0a-00-00-64
  Cisco IOS, the router
    arp 10.0.0.100 03bf.0a00.0064 ARPA
    ipv6 neighbor 2001:db8::64 Vlan10 03bf.0a00.0064
  Cisco IOS, a switch that is to spare the ports without a host
    mac address-table static 03bf.0a00.0064 vlan 10 interface Gi1/0/1 Gi1/0/2
`);
  });

  test('tells those of any address without a sidecar, and refuses what is none', async () => {
    const directory = freshDirectory();
    const said = await nlb(['ip2mac', '192.0.2.7', '--json', '--state-dir', directory]);
    expect(JSON.parse(said.out)).toEqual({
      mode: null,
      addresses: [
        {
          virtualIp: '192.0.2.7',
          unicast: '02-BF-C0-00-02-07',
          multicast: '03-BF-C0-00-02-07',
          igmp: '01-00-5E-7F-02-07',
          igmpGroup: '239.255.2.7',
        },
      ],
    });
    const wrong = await nlb(['ip2mac', 'no such name', '--state-dir', directory]);
    expect([wrong.code, wrong.err.split(' (')[0]]).toEqual([
      2,
      'nlb ip2mac: no such name is no IP address, and DNS knows no host of that name',
    ]);
  });

  test('exits 1 where the cluster has no virtual IP', async () => {
    const { code, out } = await asking([]);
    expect([code, out.startsWith('The cluster has no virtual IP')]).toEqual([1, true]);
  });
});
