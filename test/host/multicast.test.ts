import { expect, test } from 'vitest';
import { type Acceptance, acceptanceOf, inBoth, type RuleAcceptance } from '../../host/kernel/acceptance.js';
import { multicastMac } from '../../host/protocol/cluster-mac.js';
import {
  arpLines,
  balance,
  multicastChains,
  type MulticastFrame,
  rememberText,
} from '../../host/kernel/multicast-ruleset.js';
import { changeText, clearedText, type Loaded, nameMaps, wholeText } from '../../host/kernel/ruleset-change.js';
import type { InForce, PortRule, RulePart } from '../../host/protocol/types.js';
import { makeFile } from '../sim/files.js';

const NOTHING: Loaded = { chains: new Map(), maps: new Map(), mapOf: new Map() };
const FRAME: MulticastFrame = {
  virtualIps: ['10.77.0.200', 'fd77::c8'],
  device: 'eth0',
  ownMac: '4e:43:84:77:2c:68',
  clusterMac: '03:bf:0a:4d:00:c8',
  dedicatedIp: '10.77.0.1',
  leaseMs: 1080,
  answers: true,
  renewal: { port: 9, begin: '8899aabbccddeeff', renew: '0011223344556677' },
};

function inForce(rules: Partial<PortRule>[], parts: Record<string, (RulePart | null)[]>): InForce {
  const { file } = makeFile({ hostCount: 2 });
  const [pattern] = file.portRules as [PortRule];
  const portRules = rules.map((rule, i) => ({
    ...pattern,
    name: `rule${i}`,
    portFirst: 25 + i,
    portLast: 25 + i,
    ...rule,
  }));
  const absent: RulePart = { loadWeight: 0, handlingPriority: 0, absence: 'serviceDown' };
  const hosts = Object.entries(parts).map(([name, each], i) => ({
    name,
    priority: i + 1,
    rules: each.map((part) => part ?? absent),
  }));
  const view = { number: 1, checksum: '0', fingerprint: '0', decisionVersion: 1, protocolVersion: 1, hosts };
  return { file: { ...file, portRules }, view, lostSince: [] };
}

const part = (loadWeight: number, handlingPriority = 0): RulePart => ({ loadWeight, handlingPriority, absence: null });
/** Buckets in turn. */
const owners = Uint8Array.from({ length: 65_536 }, (_, bucket) => bucket % 2);
const ownersOf = async () => owners;
const load = (acceptance: Acceptance, before: Loaded | null): Loaded => {
  const { maps, mapOf } = nameMaps(acceptance.rules, before);
  return { maps, mapOf, chains: multicastChains(FRAME, acceptance, ({ name }) => mapOf.get(name)!) };
};
const count = (rule?: RuleAcceptance) =>
  typeof rule?.takes === 'string' ? rule.takes : rule?.takes.filter(Boolean).length;

test('a host takes its own buckets, single-host rules it is first for, and as the default host what no rule covers', async () => {
  const now = inForce([{}, { filteringMode: 'single' }, { filteringMode: 'disabled' }, {}], {
    mail1: [part(50), part(0, 2), null, part(50)],
    mail2: [part(50), part(0, 1), null, null],
  });
  const first = await acceptanceOf(now, 'mail1', ownersOf);
  expect(first.rules.map(count)).toEqual([32_768, 'none', 'disabled', 'all']);
  expect(first.rest).toBe(true);
  const second = await acceptanceOf(now, 'mail2', ownersOf);
  expect(second.rules.map(count)).toEqual([32_768, 'all', 'disabled', 'none']);
  expect(second.rest).toBe(false);
  expect((await acceptanceOf({ ...now, lostSince: ['mail1'] }, 'mail2', ownersOf)).rest).toBe(true);
});

test('a rule that nobody takes part in is taken by the default host, whose Envoy refuses it', async () => {
  const now = inForce([{}], { mail1: [null], mail2: [null] });
  expect((await acceptanceOf(now, 'mail1', ownersOf)).rules.map(count)).toEqual(['all']);
  expect((await acceptanceOf(now, 'mail2', ownersOf)).rules.map(count)).toEqual(['none']);
});

test('a host that is outside takes nothing', async () => {
  const now = inForce([{}], { mail1: [part(50)], mail2: [part(50)] });
  const outside = await acceptanceOf(now, 'mail3', ownersOf);
  expect(outside.rules.map(count)).toEqual(['none']);
  expect(outside.rest).toBe(false);
});

test('until the others have let go, a host accepts only what it accepted before and still owns', () => {
  const buckets = (from: number, to: number) =>
    Uint8Array.from({ length: 65_536 }, (_, b) => Number(b >= from && b < to));
  const with_ = (takes: RuleAcceptance['takes'], name = 'smtp'): Acceptance => ({
    hashSeed: 1,
    ipv6PrefixLength: 64,
    rules: [{ name, virtualIp: null, portFirst: 25, portLast: 25, affinity: 'single', takes }],
    rest: true,
  });
  const both = (now: Acceptance | null, wanted: Acceptance) => count(inBoth(now, wanted).rules[0]);
  expect(both(with_(buckets(0, 100)), with_(buckets(50, 200)))).toBe(50);
  expect(both(with_('all'), with_(buckets(50, 200)))).toBe(150);
  expect(both(with_(buckets(0, 100)), with_('all'))).toBe(100);
  expect(both(with_('none'), with_('all'))).toBe('none');
  expect(both(with_('all'), with_('none'))).toBe('none');
  expect(both(with_('all'), with_('disabled'))).toBe('disabled');
  expect(both(with_('all', 'other'), with_('all'))).toBe('none');
  expect(both({ ...with_('all'), hashSeed: 2 }, with_('all'))).toBe('none');
  expect(both(null, with_('all'))).toBe('none');
  expect(inBoth(null, with_('all')).rest).toBe(false);
});

test('rules with the same hosts and weights share one map, and a change writes what differs alone', async () => {
  const two = inForce([{}, {}], { mail1: [part(50), part(50)], mail2: [part(50), part(50)] });
  const before = load(await acceptanceOf(two, 'mail1', ownersOf), null);
  expect([...before.maps.keys()]).toEqual(['own_0']);
  expect(changeText('t', before, before)).toBe('');
  const shifted = owners.slice();
  shifted[0] = 1;
  shifted[1] = 0;
  const after = load(await acceptanceOf(two, 'mail1', async () => shifted), before);
  expect(changeText('t', before, after)).toBe(
    'delete element inet t own_0 { 0 }\nadd element inet t own_0 { 1 : goto take }\n',
  );
});

test('a rule that comes and goes changes its own chains, and its map with it', async () => {
  const one = await acceptanceOf(inForce([{}], { mail1: [part(50)], mail2: [part(50)] }), 'mail1', ownersOf);
  const none = { ...one, rules: [] };
  const empty = load(none, null);
  const full = load(one, empty);
  const come = changeText('t', empty, full);
  expect(come).toContain('add map inet t own_0');
  expect(come).toContain('add rule inet t new_ip tcp dport 25 goto rule_0_ip');
  const gone = changeText('t', full, empty);
  expect(gone).toContain('flush chain inet t new_ip');
  expect(gone).toMatch(/delete chain inet t rule_0_ip\n[\s\S]*delete map inet t own_0\n$/);
  expect(gone).not.toContain('take');
});

test('no rule of the ruleset sets a mark or a tracking state: both belong to the machine', async () => {
  const now = inForce([{ affinity: 'none' }, { affinity: 'classC' }], {
    mail1: [part(50), part(50)],
    mail2: [part(50), part(50)],
  });
  const text = wholeText('t', [], load(await acceptanceOf(now, 'mail1', ownersOf), null)) + arpLines(FRAME).join('\n');
  expect(text).not.toMatch(/mark set|ct |notrack|reject/);
  expect(text).toContain('jhash ip saddr . tcp sport mod 65536');
  expect(text).toContain('jhash ip6 saddr & ffff:ffff:ffff:ffff:0:0:0:0 mod 65536');
});

test('what an earlier run made is taken out, and the connections that packets are remembered of stay', () => {
  expect(clearedText('t', ['entry'], ['own_0'])).toBe(
    'flush chain inet t entry\nflush map inet t own_0\ndelete chain inet t entry\ndelete map inet t own_0\n',
  );
  expect(changeText('t', NOTHING, NOTHING)).toBe('');
});

test('a host that must not answer for the virtual IPs says nothing of them, and goes on answering its open connections', () => {
  const [silent, saying] = [false, true].map((answers) => arpLines({ ...FRAME, answers }).join('\n'));
  expect(silent).toContain('arp operation reply drop');
  expect(silent).toContain('arp operation request arp saddr ip set 10.77.0.1');
  expect(saying).not.toContain('drop');
  const none: Acceptance = { hashSeed: 0, ipv6PrefixLength: 64, rules: [], rest: false };
  const leaving = (answers: boolean) => multicastChains({ ...FRAME, answers }, none, () => '').get('leaving')!;
  const drop = leaving(false).findIndex((line) => /nd-neighbor-advert .* drop$/.test(line));
  expect(drop).toBeGreaterThan(0);
  expect(drop).toBeLessThan(leaving(false).findIndex((line) => /nd-neighbor-advert .* set /.test(line)));
  expect(leaving(true).join()).not.toMatch(/nd-neighbor-advert [^,]* drop/);
});

test('connections that this host has are told to new rules, each family to its set', () => {
  const [one, other] = [
    { local: '10.77.0.200', localPort: 25, remote: '192.0.2.7', remotePort: 4711 },
    { local: 'fd77::c8', localPort: 25, remote: '2001:db8::7', remotePort: 4712 },
  ];
  expect(rememberText('t', [one!, other!])).toBe(
    'add element inet t flows_ip { 192.0.2.7 . 4711 . 10.77.0.200 . 25 }\nadd element inet t flows_ip6 { 2001:db8::7 . 4712 . fd77::c8 . 25 }\n',
  );
  expect(rememberText('t', [])).toBe('');
});

test('the checksum of an IPv6 answer with the address of the cluster is that with the own one', () => {
  const words = (mac: string) => [0, 4, 8].map((at) => Number.parseInt(mac.replaceAll(':', '').slice(at, at + 4), 16));
  const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0) % 0xffff;
  for (const ownMac of ['4e:43:84:77:2c:68', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:01', '03:bf:0a:4d:00:c8']) {
    const more = Number.parseInt(balance(ownMac, FRAME.clusterMac), 16);
    expect(sum([...words(FRAME.clusterMac), more])).toBe(sum(words(ownMac)));
  }
});

test('the address of the cluster is made of its first virtual IP', () => {
  expect(multicastMac(['10.77.0.200', 'fd77::c8'])).toBe('03:bf:0a:4d:00:c8');
});
