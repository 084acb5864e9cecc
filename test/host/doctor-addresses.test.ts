/** nlb doctor: virtual IPs that are missing, in two places, left over from earlier, or somebody else's. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ClusterStatus } from '../../host/admin/status.js';
import type { Examined, HostFacts } from '../../host/doctor/facts.js';
import { judgeAddresses } from '../../host/doctor/judge-addresses.js';
import { notKnownOf } from '../../host/doctor/not-known.js';
import { HistoryFile } from '../../host/edge/history-file.js';
import { addressesLeft, tablesLeft } from '../../host/examine-left.js';
import type { ClusterFile, Mode } from '../../host/protocol/types.js';
import { freshDirectory, statusFixture } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const VIP = '10.0.0.100';
const base = fileOf(changed());
const inMode = (mode: Mode): ClusterFile => ({ ...base, mode, listenOn: 'virtualIp', virtualIps: [VIP] });

function examined(mode: Mode, change: (facts: Record<string, HostFacts>) => void = () => {}): Examined[] {
  const all: Record<string, HostFacts> = {};
  for (const [i, host] of ['mail1', 'mail2'].entries()) {
    const status: ClusterStatus = { ...statusFixture(), thisHost: host, state: 'converged' };
    const device = mode === 'routed' ? 'lo' : 'eth0';
    all[host] = {
      host,
      at: '2026-11-22T21:04:19.123Z',
      status,
      handoffs: [],
      services: [],
      onDisabledPorts: [],
      virtualIpsHere: [{ address: VIP, interface: device }],
      mac: `52:54:00:00:00:0${i + 1}`,
      virtualIpAnswers: [],
      left: { mode, addresses: [], tables: [] },
    };
  }
  change(all);
  return Object.values(all).map((facts) => ({ facts, clockAheadMs: 0, errorMs: 0 }));
}

const said = (mode: Mode, change?: (facts: Record<string, HostFacts>) => void): string[] =>
  judgeAddresses(inMode(mode), examined(mode, change)).map(({ check, text }) => `${check}: ${text}`);

describe('judgeAddresses()', () => {
  test.each(['routed', 'multicast'] as const)('finds nothing in mode %s where all is as it has to be', (mode) => {
    expect(said(mode)).toEqual([]);
    const cluster = { address: VIP, mac: '03:bf:0a:00:00:64' };
    const shared = (facts: Record<string, HostFacts>) => facts.mail1!.virtualIpAnswers!.push(cluster);
    expect(said('multicast', shared)).toEqual([]);
    const other = { address: VIP, mac: '52:54:00:00:00:02' };
    expect(said(mode, (facts) => facts.mail1!.virtualIpAnswers!.push(other))).toEqual([]);
  });

  test('in mode routed, names a virtual IP that is on a link beside lo', () => {
    expect(said('routed', (facts) => facts.mail2!.virtualIpsHere.push({ address: VIP, interface: 'eth0' }))).toEqual([
      'leftover: host mail2 has the virtual IP 10.0.0.100 on eth0 beside lo: hosts fight for it on that link',
    ]);
  });

  test('in mode routed, names a virtual IP that an earlier mode put on lo, which nobody does when the machine starts', () => {
    const found = said('routed', (facts) => {
      facts.mail2!.virtualIpsHere = [{ address: VIP, interface: 'lo', isOfMode: true }];
    });
    expect(found).toEqual([
      'leftover: host mail2 has 10.0.0.100 on lo from an earlier mode: it is gone when the machine is started anew',
    ]);
  });

  test('in mode multicast, names a host that does not have the virtual IP, unless it is stopped', () => {
    const text = 'virtualIp: host mail2 does not have 10.0.0.100 on its interface, so it takes no packet for it';
    expect(said('multicast', (facts) => facts.mail2!.virtualIpsHere.pop())).toEqual([text]);
    expect(said('multicast', (facts) => Object.assign(facts.mail2!.virtualIpsHere[0]!, { interface: 'lo' }))).toEqual([
      text,
    ]);
    expect(
      said('multicast', (facts) => {
        facts.mail2!.virtualIpsHere.pop();
        facts.mail2!.status.state = 'stopped';
      }),
    ).toEqual([]);
  });

  test.each(['routed', 'multicast'] as const)('in mode %s, names a stranger that answers for a virtual IP', (mode) => {
    const stranger = { address: VIP, mac: '52:54:00:ab:cd:ef' };
    expect(
      said(mode, (facts) => {
        for (const each of Object.values(facts)) each.virtualIpAnswers!.push(stranger);
      }),
    ).toEqual(['virtualIp: 10.0.0.100 is answered for by 52:54:00:ab:cd:ef, which is none of hosts mail1 and mail2']);
  });

  test('names what an earlier file and an earlier mode left, with how it is taken off', () => {
    const found = judgeAddresses(
      inMode('routed'),
      examined('routed', (facts) => {
        facts.mail1!.left = {
          mode: 'routed',
          addresses: [
            { address: '10.0.0.99', interface: 'eth0', wasInFile: true },
            { address: '10.0.0.98', interface: 'lo', wasInFile: false },
          ],
          tables: ['netdev envoy_nlb_handoff_mail_example_org'],
        };
      }),
    );
    expect(found.map(({ text, todo }) => `${text} -> ${todo}`)).toEqual([
      'host mail1 has 10.0.0.99 on eth0, which an earlier cluster file had as virtual IP and the one in force does not list -> take it off unless another cluster on this machine has it: ip address del 10.0.0.99 dev eth0',
      'host mail1 has 10.0.0.98 on lo, which is marked as a virtual IP of nlb and the one in force does not list -> take it off unless another cluster on this machine has it: ip address del 10.0.0.98 dev lo',
      'host mail1 has the nftables table netdev envoy_nlb_handoff_mail_example_org, which mode routed does not use: it still works on packets -> take it out: nft delete table netdev envoy_nlb_handoff_mail_example_org',
    ]);
  });
});

test('notKnownOf() says on which hosts the link and the kernel could not be asked', () => {
  const facts = examined('routed', (all) => {
    for (const each of Object.values(all)) {
      each.answersUnknown = 'this sidecar does not have CAP_NET_ADMIN';
      each.leftUnknown = 'this sidecar does not have CAP_NET_ADMIN';
    }
    delete all.mail2!.leftUnknown;
    delete all.mail2!.left;
  });
  expect(notKnownOf(inMode('routed'), facts, null).map(({ host, text }) => [host, text])).toEqual([
    [
      null,
      'hosts mail1 and mail2: who answers for the virtual IPs on the link: this sidecar does not have CAP_NET_ADMIN',
    ],
    ['mail1', 'host mail1: which nftables tables an earlier mode left: this sidecar does not have CAP_NET_ADMIN'],
    ['mail2', 'host mail2: what earlier files and modes left: its sidecar is of an earlier version'],
  ]);
});

test('addressesLeft() knows an address by an earlier file or by our label, and leaves those in force alone', () => {
  const entry = (address: string, family: 'IPv4' | 'IPv6' = 'IPv4') => ({ address, family }) as never;
  const listed = {
    lo: [entry('127.0.0.1'), entry('2001:db8::64', 'IPv6'), entry('10.0.0.12')],
    'lo:nlb': [entry(VIP)],
    eth0: [entry('10.0.0.11'), entry('10.0.0.77'), entry('10.0.0.99'), entry('fe80::1%eth0', 'IPv6')],
    'eth0:nlb': [entry('10.0.0.98')],
  };
  const former = [VIP, '10.0.0.99', '2001:db8::64', '10.0.0.12'];
  expect(addressesLeft(inMode('routed'), base.hosts[0]!, former, listed)).toEqual([
    { address: '2001:db8::64', interface: 'lo', wasInFile: true },
    { address: '10.0.0.99', interface: 'eth0', wasInFile: true },
    { address: '10.0.0.98', interface: 'eth0', wasInFile: false },
  ]);
});

test('tablesLeft() names the tables of this cluster that the mode does not use, and none of another cluster', () => {
  const names = ['handoff', 'multicast', 'address', 'refusal'].map((part) => `envoy_nlb_${part}_mail_example_org`);
  const tables = [...names, 'envoy_nlb_multicast_web_example_org', 'envoy_nlb_redirect_mail_example_org_mail1'].map(
    (name) => ({ family: 'inet', name }),
  );
  const left = (mode: Mode) => tablesLeft(inMode(mode), tables).map((table) => table.split('_')[2]);
  expect(left('routed')).toEqual(['handoff', 'multicast', 'address', 'refusal']);
  expect(left('arp')).toEqual(['multicast']);
  expect(left('multicast')).toEqual(['handoff', 'address', 'refusal']);
});

test('the view history tells the virtual IPs of the files it keeps, and of none that cannot be read', async () => {
  const directory = freshDirectory();
  const history = new HistoryFile(directory, () => {});
  expect(await history.virtualIps()).toEqual([]);
  const stored = (fingerprint: string) => ({ at: '2026-11-22T21:04:19.123Z', fingerprint, viewNumber: 1 }) as never;
  history.append(stored('aa00'), { ...base, virtualIps: ['10.0.0.99'] });
  history.append(stored('bb00'), { ...base, virtualIps: ['10.0.0.99', VIP] });
  await history.settled();
  writeFileSync(join(directory, 'history', 'cc00.json'), '{"virtualIps":');
  expect((await history.virtualIps()).sort()).toEqual(['10.0.0.100', '10.0.0.99']);
});
