/** The modes arp and multicast in the cluster file: what they imply, what they refuse, and what they fill in. */
import { describe, expect, test } from 'vitest';
import { fileItems } from '../../host/protocol/file-items.js';
import { changed, errorsOf, fileOf } from './config-fixture.js';

const ROUTED = 'mode: routed\nlistenOn: dedicatedIp\n';
const withLink = (lines: string, ...more: [string, string][]) => changed([ROUTED, lines], ...more);
const ARP = 'mode: arp\nvirtualIps: [10.0.0.100, 2001:db8::100]\n';

test('parseClusterFile() lets rules listen on the virtual IPs in mode arp, and gives its settings their defaults', () => {
  const file = fileOf(withLink(ARP));
  expect([file.mode, file.listenOn, file.virtualIps]).toEqual(['arp', 'virtualIp', ['10.0.0.100', '2001:db8::100']]);
  expect(file.link).toEqual({ interfaces: {}, failback: 'never', outgoing: 'dedicatedIp' });
});

test('parseClusterFile() leaves a file in mode routed as it was: its fingerprint must not change with the release', () => {
  expect('link' in fileOf(changed())).toBe(false);
});

test('parseClusterFile() reads interface, failback and outgoing', () => {
  const one = fileOf(withLink(`${ARP}interface: eth1\nfailback: 23:30-02:00\noutgoing: virtualIp\n`));
  expect(one.link).toEqual({
    interfaces: { mail1: 'eth1', mail2: 'eth1' },
    failback: { fromMinute: 1410, toMinute: 120 },
    outgoing: 'virtualIp',
  });
  const each = fileOf(withLink(`${ARP}interface: {mail2: ens3.25}\nfailback: immediate\n`));
  expect(each.link).toMatchObject({ interfaces: { mail2: 'ens3.25' }, failback: 'immediate' });
  expect(fileItems(each).get('failback')).toBe('immediate');
});

test('parseClusterFile() takes interface in mode multicast', () => {
  const file = fileOf(withLink('mode: multicast\nvirtualIps: [10.0.0.100]\ninterface: eth1\n'));
  expect([file.mode, file.listenOn, file.link?.interfaces]).toEqual(['multicast', 'virtualIp', expect.anything()]);
});

describe('parseClusterFile() says of', () => {
  const cases: { what: string; text: string; says: string[] }[] = [
    {
      what: 'mode arp on the dedicated addresses',
      text: withLink(`${ARP}listenOn: dedicatedIp\n`),
      says: [
        '4:11: listenOn is "dedicatedIp", expected virtualIp (or nothing: in mode arp rules listen on the virtual IPs)',
      ],
    },
    {
      what: 'other ports in mode arp',
      text: withLink(`${ARP}otherPorts: defaultHost\n`),
      says: ['4:1: otherPorts has no meaning in mode arp: what no rule covers always goes to the default host'],
    },
    {
      what: 'mode arp without a virtual IP',
      text: withLink('mode: arp\n'),
      says: ['1:1: virtualIps names no address, expected at least one address, because mode is arp'],
    },
    {
      what: 'keys of another mode',
      text: changed(['mode: routed', 'mode: routed\nfailback: never\ninterface: eth0']),
      says: [
        '3:1: failback has no meaning in mode routed: it belongs to mode arp',
        '4:1: interface has no meaning in mode routed: it belongs to the modes arp and multicast',
      ],
    },
    {
      what: 'who gets the address back, where every host has it',
      text: withLink('mode: multicast\nvirtualIps: [10.0.0.100]\noutgoing: virtualIp\ninterface: eth0\n'),
      says: ['4:1: outgoing has no meaning in mode multicast: it belongs to mode arp'],
    },
    {
      what: 'a virtual IP that is to be shared on loopback',
      text: withLink(ARP, ['10.0.0.11', '127.0.0.11']),
      says: [
        '7:45: hosts[1].dedicatedIp is "127.0.0.11", expected an address on a link that the hosts share: mode arp shares the virtual IPs there',
      ],
    },
    {
      what: 'an interface of a host that is not listed, and one that cannot be',
      text: withLink(`${ARP}interface: {mail3: eth0, mail1: "eth 0"}\n`),
      says: [
        '4:13: interface.mail3 names a host that is not in hosts, expected one of the hosts mail2, mail1',
        '4:33: interface.mail1 is "eth 0", expected a network interface such as eth0',
      ],
    },
    {
      what: 'a failback that is no time of day',
      text: withLink(`${ARP}failback: nightly\n`),
      says: ['4:11: failback is "nightly", expected never, immediate or a time of day such as 02:00-04:00'],
    },
    {
      what: 'a failback that ends where it begins',
      text: withLink(`${ARP}failback: 02:00-02:00\n`),
      says: ['4:11: failback is "02:00-02:00", expected a time of day that ends after it begins such as 02:00-04:00'],
    },
  ];
  test.each(cases)('$what', ({ text, says }) => {
    expect(errorsOf(text).map((line) => line.replace('c.yaml:', ''))).toEqual(says);
  });
});
