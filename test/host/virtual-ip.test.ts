/** What mode arp puts into the kernel, as text, and what it finds there. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { linkLines, loopbackLines } from '../../host/virtual-ip/addresses.js';
import { findLinks, outOfSubnet } from '../../host/virtual-ip/link.js';
import { addressTables, leaseText, renewalText, takeText } from '../../host/virtual-ip/ruleset.js';
import { Sysctls } from '../../host/virtual-ip/sysctls.js';
import { changed, fileOf } from './config-fixture.js';

const ARP = 'mode: arp\nvirtualIps: [10.0.0.100, 2001:db8::100]\n';
const file = (more = '') => fileOf(changed(['mode: routed\nlistenOn: dedicatedIp\n', ARP + more]));
const self = file().hosts[0]!;
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-virtual-ip-'));
  directories.push(directory);
  return directory;
}

describe('addressTables()', () => {
  test('lets nobody answer for a virtual IP without a lease, in either family', () => {
    const text = addressTables({ name: 'envoy_nlb_t', virtualIps: ['10.0.0.100', '2001:db8::100'] }, null);
    expect(text).toContain('arp operation request arp daddr ip { 10.0.0.100 } iifname != @lease counter drop');
    expect(text).toContain('arp saddr ip { 10.0.0.100 } oifname != @lease counter drop');
    expect(text).toContain(
      'icmpv6 type nd-neighbor-solicit @th,64,128 { 0x20010db8000000000000000000000100 } iifname != @lease counter drop',
    );
    expect(text).not.toContain('timeout 750ms');
  });

  test('keeps the lease of a holder whose tables are made again, in the same transaction', () => {
    const text = addressTables({ name: 't', virtualIps: ['10.0.0.100'] }, { device: 'eth0', leaseMs: 750 });
    expect(text.endsWith(leaseText('t', 'eth0', 750))).toBe(true);
  });
});

test('a renewal and a take begin with what must not have run out, in one transaction', () => {
  expect(renewalText('t', 'eth0', 750)).toBe(
    `delete element arp t lease { "eth0" }; delete element ip6 t lease { "eth0" }; ${leaseText('t', 'eth0', 750)}`,
  );
  expect(takeText('t', 'eth0', 750)).toMatch(/^delete element arp t permit \{ "eth0" \}\nflush set arp t lease; add /);
});

test('virtual IPs are never a source by themselves, and stay on a link for as long as they are renewed', () => {
  expect(loopbackLines(['10.0.0.100'])[0]).toBe('addr replace 10.0.0.100/32 dev lo scope host label lo:nlb ');
  expect(linkLines(['10.0.0.100', '2001:db8::100'], 'eth0', 750)).toEqual([
    'addr replace 10.0.0.100/32 dev eth0 scope host label eth0:nlb valid_lft 3 preferred_lft 0',
    'addr replace 2001:db8::100/128 dev eth0 valid_lft 3 preferred_lft 0',
  ]);
  // A label has 15 characters as a name has.
  expect(linkLines(['10.0.0.100'], 'enp0s31f6.4094', 750)[0]).not.toContain('label');
});

describe('findLinks()', () => {
  const address = (text: string, prefixLength: number) => ({
    address: text,
    cidr: `${text}/${prefixLength}`,
    mac: '52:54:00:00:00:01',
    netmask: '',
    internal: false,
    family: 'IPv4' as const,
  });

  test('finds the interface of the dedicated IP, with what stands on it under a label', () => {
    const listed = {
      lo: [address('127.0.0.1', 8)],
      'lo:nlb': [address('10.0.0.100', 32)],
      eth1: [address(self.dedicatedIp, 24)],
      'eth1:nlb': [address('10.0.0.100', 32)],
    };
    const { link, loopback } = findLinks(file(), self, listed);
    expect([link?.device, [...(link?.addresses.keys() ?? [])]]).toEqual(['eth1', [self.dedicatedIp, '10.0.0.100']]);
    expect(loopback.has('10.0.0.100')).toBe(true);
    expect(outOfSubnet(file(), link!)).toEqual(['2001:db8::100']);
  });

  test('says which interface is not there', () => {
    expect(findLinks(file(), self, {}).why).toBe(`no interface that is up has the dedicated IP ${self.dedicatedIp}`);
    const named = findLinks(file('interface: eth7\n'), self, { eth0: [address(self.dedicatedIp, 24)] });
    expect([named.link, named.why]).toEqual([null, 'interface eth7 is down, is not there or has no address']);
  });
});

describe('Sysctls', () => {
  function kernel(values: Record<string, string>): string {
    const root = freshDirectory();
    for (const [path, value] of Object.entries(values)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), `${value}\n`);
    }
    return root;
  }

  test('sets what mode arp needs, and after a crash a later run sets it back', () => {
    const root = kernel({ 'ipv4/conf/eth0/arp_ignore': '0', 'ipv4/conf/eth0/arp_announce': '1' });
    const state = freshDirectory();
    const value = (name: string) => readFileSync(join(root, `ipv4/conf/eth0/${name}`), 'utf8').trim();
    expect(new Sysctls(state, root).set('eth0', ['10.0.0.100'])).toEqual([]);
    expect([value('arp_ignore'), value('arp_announce')]).toEqual(['1', '2']);
    new Sysctls(state, root).set('eth0', ['10.0.0.100']);
    new Sysctls(state, root).restore();
    expect([value('arp_ignore'), value('arp_announce')]).toEqual(['0', '1']);
  });

  test('leaves alone what is set for all interfaces, and says what it cannot set', () => {
    const all = { 'ipv4/conf/all/arp_ignore': '1', 'ipv4/conf/all/arp_announce': '2' };
    const root = kernel({ ...all, 'ipv4/conf/eth0/arp_ignore': '0', 'ipv4/conf/eth0/arp_announce': '0' });
    const sysctls = new Sysctls(freshDirectory(), root);
    expect(sysctls.set('eth0', ['10.0.0.100'])).toEqual([]);
    expect(readFileSync(join(root, 'ipv4/conf/eth0/arp_ignore'), 'utf8').trim()).toBe('0');
    expect(sysctls.set('eth9', ['10.0.0.100', '2001:db8::100'])).toEqual([
      'net.ipv6.conf.eth9.ndisc_notify is not there, expected 1, and cannot be set here (ENOENT): sysctl net.ipv6.conf.eth9.ndisc_notify=1',
    ]);
  });
});
