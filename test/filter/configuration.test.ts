/** Plugin configurations: kept apart, given back, refused whole. */
import { beforeAll, describe, expect, it } from 'vitest';
import { HEADER_SIZE, HOST_SIZE, RULE_SIZE } from '../../host/protocol/view-bytes.js';
import { BUILD_TIMEOUT_MS, buildFilter } from './build-filter.js';
import { ProxyHost } from './proxy-host.js';
import { altered, HOSTS, sealed, type TestRule, viewOf } from './views.js';

const CLIENT = '192.0.2.7:40000';
let wasm: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  wasm = (await buildFilter()).wasm;
}, BUILD_TIMEOUT_MS);

/** All connections go to one host. */
const allTo = (name: string): TestRule[] => [{ parts: HOSTS.map((host) => (host === name ? 50 : 0)) }];

describe('plugin configurations in one VM', () => {
  it('are kept apart while both have connections', () => {
    const host = new ProxyHost(wasm);
    const old = host.addRoot(viewOf(allTo('mail2')))!;
    const fresh = host.addRoot(viewOf(allTo('mail3')))!;
    for (let i = 0; i < 20; i++) {
      expect(host.connect(old, CLIENT).envoyCluster).toBe('nlb.handoff.mail2.strict1000');
      expect(host.connect(fresh, CLIENT).envoyCluster).toBe('nlb.handoff.mail3.strict1000');
    }
    host.removeRoot(old);
    expect(host.connect(fresh, CLIENT).envoyCluster).toBe('nlb.handoff.mail3.strict1000');
    expect(host.connect(old, CLIENT).closed).toBe(true);
  });

  it('give their memory back: 2,000 of them, 3 at a time', () => {
    const host = new ProxyHost(wasm);
    const rules = Array.from({ length: 32 }, (_, i) => ({
      name: `rule-${i}`,
      portFirst: i + 1,
      portLast: i + 1,
      parts: [10, 20, 30],
    }));
    const roots: number[] = [];
    let settledBytes = 0;
    for (let i = 0; i < 2000; i++) {
      roots.push(host.addRoot(viewOf(rules.slice(0, 1 + (i % 32))))!);
      host.connect(roots[0]!, CLIENT, '10.0.0.1:1');
      if (roots.length > 3) host.removeRoot(roots.shift()!);
      // The heap is full of holes at first and settles within 160 rounds, also over 20,000.
      if (i === 200) settledBytes = host.memory.length;
    }
    expect(host.memory.length).toBe(settledBytes);
  });

  it('share their counters: each name is defined once in a VM', () => {
    const host = new ProxyHost(wasm);
    for (let i = 0; i < 50; i++) host.connect(host.addRoot(viewOf(allTo('mail2')))!, CLIENT);
    expect(host.definedCount).toBe(host.counters.size);
    expect(host.counted()).toEqual({ 'smtp.handed_off.mail2': 50 });
  });

  it('are replaced in place when Envoy configures the same root context again', () => {
    const host = new ProxyHost(wasm);
    const root = host.addRoot(viewOf(allTo('mail2')))!;
    expect(host.configure(root, viewOf(allTo('mail3')))).toBe(true);
    expect(host.connect(root, CLIENT).envoyCluster).toBe('nlb.handoff.mail3.strict1000');
  });

  it('that are refused leave the old one in force, of the same root context and of another', () => {
    const host = new ProxyHost(wasm);
    const root = host.addRoot(viewOf(allTo('mail2')))!;
    const refused = altered(viewOf(allTo('mail3')), 38, 0);
    expect(host.configure(root, refused)).toBe(false);
    expect(host.addRoot(refused)).toBeNull();
    expect(host.logged.at(-1)).toContain('refused, what was in force stays');
    expect(host.connect(root, CLIENT).envoyCluster).toBe('nlb.handoff.mail2.strict1000');
  });

  it('say what came into force', () => {
    const host = new ProxyHost(wasm);
    host.addRoot(viewOf(allTo('mail2')));
    host.addRoot(viewOf(allTo('mail2'), 'mail9'));
    expect(host.logged).toEqual([
      'view 7 in force: 3 hosts, 1 port rules, this host is mail1',
      'view 7 in force: 3 hosts, 1 port rules, this host is outside',
    ]);
  });
});

const RULES: TestRule[] = [
  { name: 'smtp', parts: [50, 60, 70] },
  { name: 'imap', portFirst: 143, portLast: 143, filteringMode: 'single', parts: [1, 2, 3] },
  { name: 'off', portFirst: 200, portLast: 300, filteringMode: 'disabled', parts: [] },
];
const VIEW = viewOf(RULES);
const hostByte = (host: number, at: number) => HEADER_SIZE + host * HOST_SIZE + at;
const ruleByte = (rule: number, at: number) => HEADER_SIZE + 3 * HOST_SIZE + rule * RULE_SIZE + at;

/** Every fault there is: the bytes that have it, and what the log says. */
const FAULTS: [string, Uint8Array, string][] = [
  ['too short for a header', VIEW.slice(0, 20), 'length is 20'],
  ['empty', new Uint8Array(), 'cannot be read, expected 1 to 368560 bytes'],
  ['too long', new Uint8Array(368_561), 'cannot be read, expected 1 to 368560 bytes'],
  ['cut', VIEW.slice(0, -1), `length is ${VIEW.length - 1}`],
  ['not a view', altered(VIEW, 0, 0x4e), 'expected "nlbv"'],
  ['another layout', altered(VIEW, 4, 1), 'layout version is 1, expected 2'],
  ['another decision', altered(VIEW, 6, 9), 'decision version is 9, expected '],
  ['altered', Uint8Array.from(VIEW, (byte, i) => (i === 60 ? byte ^ 1 : byte)), 'checksum of the bytes is'],
  ['prefix 0', altered(VIEW, 36, 0), 'IPv6 prefix length is 0, expected 1 to 128'],
  ['prefix 129', altered(VIEW, 36, 129), 'IPv6 prefix length is 129, expected 1 to 128'],
  ['no hosts', altered(VIEW, 38, 0), 'number of hosts is 0, expected 1 to 32'],
  ['33 hosts', altered(VIEW, 38, 33), 'number of hosts is 33, expected 1 to 32'],
  ['33 rules', altered(VIEW, 39, 33), 'number of port rules is 33, expected 0 to 32'],
  ['more rules than bytes', altered(VIEW, 39, 4), `length is ${VIEW.length}, expected what header and counts say`],
  ['self is no host', altered(VIEW, 37, 3), 'index of this host is 3, expected one of the hosts, or 255'],
  ['reserved byte', altered(VIEW, 46, 1), 'byte to be zero is 46'],
  ['a seat that is not there', altered(VIEW, 44, 1), `length is ${VIEW.length}`],
  ['host name empty', altered(VIEW, hostByte(1, 0), 0), 'host 1 (counted from 0): length of the name is 0'],
  ['host name too long', altered(VIEW, hostByte(1, 0), 33), 'host 1 (counted from 0): length of the name is 33'],
  ['host name with a dot', altered(VIEW, hostByte(2, 3), 0x2e), 'host 2 (counted from 0): length of the name is 5'],
  ['host name goes on behind its end', altered(VIEW, hostByte(2, 20), 0x61), 'host 2 (counted from 0): '],
  ['host names twice', altered(VIEW, hostByte(1, 6), 0x31), 'place among the names is 1, expected names ascending'],
  ['host names descend', altered(VIEW, hostByte(0, 6), 0x39), 'place among the names is 1, expected names ascending'],
  ['host padding', altered(VIEW, hostByte(0, 34), 1), 'host 0 (counted from 0): byte to be zero'],
  ['host priority 0', altered(VIEW, hostByte(0, 1), 0), 'host priority is 0, expected 1 to 32'],
  ['host priority 33', altered(VIEW, hostByte(0, 1), 33), 'host priority is 33, expected 1 to 32'],
  ['host priority twice', altered(VIEW, hostByte(1, 1), 1), 'host priority is 1, expected one that no other host has'],
  ['rule name empty', altered(VIEW, ruleByte(0, 0), 0), 'port rule 0 (counted from 0): length of the name is 0'],
  ['rule name in capitals', altered(VIEW, ruleByte(0, 1), 0x53), 'port rule 0 (counted from 0): length of the name'],
  ['rule name twice', viewOf([RULES[0]!, { ...RULES[1]!, name: 'smtp' }]), 'rule of the same name is 0, expected none'],
  ['protocol 0', altered(VIEW, ruleByte(0, 25), 0), 'protocol is 0, expected 1 tcp, 2 udp or 3 both'],
  ['protocol 4', altered(VIEW, ruleByte(0, 25), 4), 'protocol is 4'],
  ['filtering mode 0', altered(VIEW, ruleByte(0, 26), 0), 'filtering mode is 0'],
  ['filtering mode 4', altered(VIEW, ruleByte(0, 26), 4), 'filtering mode is 4'],
  ['affinity 3', altered(VIEW, ruleByte(0, 27), 3), 'affinity is 3, expected 0 none, 1 single or 2 class C'],
  ['ports descend', viewOf([{ ...RULES[0]!, portFirst: 30, portLast: 29 }]), 'first port is 30, expected not above'],
  ['patience', viewOf([{ ...RULES[0]!, ownerPatienceMs: 600_001 }]), 'ownerPatienceMs is 600001, expected at most'],
  ['rules overlap', viewOf([RULES[0]!, { ...RULES[1]!, portFirst: 20 }]), 'rule with ports in common is 0, expected'],
  ['load weight 101', altered(VIEW, ruleByte(0, 53), 101), 'load weight is 101, expected 0 to 100'],
  ['handling priority 33', altered(VIEW, ruleByte(1, 53), 33), 'handling priority is 33, expected 1 to 32'],
  ['handling priority twice', altered(VIEW, ruleByte(1, 53), 3), 'handling priority is 3, expected one that no other'],
  ['part of no host', altered(VIEW, ruleByte(0, 55), 1), 'part for host is 3, expected parts for hosts of the view'],
  ['part in a disabled rule', altered(VIEW, ruleByte(2, 52), 1), 'port rule 2 (counted from 0): part for host is 0'],
];

describe('the largest lawful view', () => {
  const hosts = Array.from({ length: 32 }, (_, i) => `h${String(i).padStart(2, '0')}-${'x'.repeat(28)}`);
  const rules: TestRule[] = Array.from({ length: 32 }, (_, i) => ({
    name: `rule-${String(i).padStart(2, '0')}-${'y'.repeat(16)}`,
    portFirst: i * 2048,
    portLast: i * 2048 + 2047,
    filteringMode: i === 31 ? 'single' : 'multiple',
    parts: hosts.map((_, host) => (i === 31 ? 32 - host : host === 31 ? 100 : 0)),
    ownerPatienceMs: 600_000,
  }));
  const bytes = altered(viewOf(rules, hosts[0], hosts), 36, 128);

  it('is taken, and its longest names reach Envoy whole', () => {
    const host = new ProxyHost(wasm);
    const root = host.addRoot(bytes)!;
    expect(host.logged).toEqual([`view 7 in force: 32 hosts, 32 port rules, this host is ${hosts[0]}`]);
    const last = `nlb.handoff.${hosts[31]}.strict600000`;
    for (const port of [0, 2047, 2048, 63_487, 63_488, 65_535]) {
      expect(host.connect(root, CLIENT, `10.0.0.1:${port}`).envoyCluster).toBe(last);
    }
    expect(host.counted()[`${rules[31]!.name}.handed_off.${hosts[31]}`]).toBe(2);
    // Served here, one for each other host, fallbacks and refusals; without a rule: no fallbacks.
    expect(host.definedCount).toBe(32 * (1 + 31 + 2 + 4) + (1 + 31 + 4));
  });

  it('has a place for its hosts and rules that one more of either does not fit into', () => {
    const host = new ProxyHost(wasm);
    expect(bytes.length).toBe(3888);
    expect(host.addRoot(altered(bytes, 38, 33))).toBeNull();
    expect(host.addRoot(altered(bytes, 39, 33))).toBeNull();
    expect(host.addRoot(Uint8Array.from([...bytes, 0]))).toBeNull();
  });
});

describe('a view that does not check out is refused whole', () => {
  it.each(FAULTS)('%s', (_, bytes, says) => {
    const host = new ProxyHost(wasm);
    expect(host.addRoot(bytes)).toBeNull();
    expect(host.logged.at(-1)).toContain(says);
  });

  it('whatever the bytes are: every byte in turn becomes 12 others, 2,000 random views; no trap', () => {
    const host = new ProxyHost(wasm);
    let seed = 20_261_122;
    const random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 8;
    };
    const values = [0, 1, 2, 3, 4, 5, 31, 33, 100, 101, 128, 255];
    for (let at = 0; at < VIEW.length; at++) for (const value of values) useOnce(host, altered(VIEW, at, value));
    for (let i = 0; i < 2000; i++) {
      const bytes = Uint8Array.from(VIEW);
      for (let j = 0; j < 1 + (i % 8); j++) bytes[random() % bytes.length] = random() & 255;
      useOnce(host, sealed(bytes));
    }
  });
});

/** Decides a few connections by the view, if the filter takes it at all. */
function useOnce(host: ProxyHost, bytes: Uint8Array): void {
  const root = host.addRoot(bytes);
  if (root === null) return;
  for (const port of [25, 143, 250, 9]) host.connect(root, CLIENT, `10.0.0.1:${port}`);
  host.removeRoot(root);
}
