import { beforeAll, describe, expect, test } from 'vitest';
import { type Decision, loadDecision } from '../../host/edge/decision.js';
import { HandoffPlanner } from '../../host/kernel/handoff-plan.js';
import { frameChains, viewChains } from '../../host/kernel/handoff-ruleset.js';
import { EMPTY_STATE, type TableState, transactionOf } from '../../host/kernel/kernel-state.js';
import { hostLabel, hostOfLabel, pairLabel } from '../../host/kernel/labels.js';
import { removalOf } from '../../host/kernel/left-in-kernel.js';
import { ringOf } from '../../host/kernel/ring.js';
import { heldState } from '../../host/kernel/socket-sets.js';
import type { InForce, PortRule } from '../../host/protocol/types.js';

const T = 'netdev t';

function stateOf(over: Partial<TableState>): TableState {
  return { ...EMPTY_STATE, ...over };
}

const labels = (...elements: [string, string][]) => ({ type: 'typeof x : y;', elements: new Map(elements) });

describe('transactionOf()', () => {
  test('makes everything anew out of nothing, sets before the rules that look into them', () => {
    const after = stateOf({
      sets: new Map([['set lease', 'typeof iifname; flags timeout;']]),
      maps: new Map([['m', labels(['a', '1'], ['b', ''])]]),
      chains: new Map([
        ['entry', ['type filter hook ingress device "eth0" priority 0;', 'accept']],
        ['other', ['drop']],
      ]),
    });
    expect(transactionOf(T, EMPTY_STATE, after).text.split('\n')).toEqual([
      'add table netdev t',
      'add set netdev t lease { typeof iifname; flags timeout; }',
      'add map netdev t m { typeof x : y; }',
      'add element netdev t m { a : 1, b }',
      'add chain netdev t entry { type filter hook ingress device "eth0" priority 0; }',
      'add chain netdev t other',
      'add rule netdev t entry accept',
      'add rule netdev t other drop',
      '',
    ]);
  });

  test('writes nothing but the difference: elements one by one, chains as a whole, what is gone last', () => {
    const before = stateOf({
      maps: new Map([
        ['m', labels(['a', '1'], ['b', '2'])],
        ['old', labels(['x', '1'])],
      ]),
      chains: new Map([
        ['same', ['accept']],
        ['changed', ['accept']],
        ['gone', ['x map @old']],
      ]),
    });
    const after = stateOf({
      maps: new Map([['m', labels(['a', '1'], ['b', '3'], ['c', '4'])]]),
      chains: new Map([
        ['same', ['accept']],
        ['changed', ['drop']],
      ]),
    });
    const { text, elementCount } = transactionOf(T, before, after);
    expect(elementCount).toBe(3);
    expect(text.split('\n')).toEqual([
      'add table netdev t',
      'delete element netdev t m { b }',
      'add element netdev t m { b : 3, c : 4 }',
      'flush chain netdev t changed',
      'flush chain netdev t gone',
      'add rule netdev t changed drop',
      'delete chain netdev t gone',
      'delete map netdev t old',
      '',
    ]);
  });

  test('buckets: a ranking is a label of two hosts, an owner of one, and 0 is no element', () => {
    const maps = (...values: number[]) => new Map([['m', { type: 't', elements: Uint16Array.from(values) }]]);
    const before = stateOf({ maps: maps(0x0102, 0x0201, 3, 0) });
    const { text } = transactionOf(T, before, stateOf({ maps: maps(0x0102, 0x0103, 0, 2) }));
    expect(text).toContain(`delete element netdev t m { 1, 2 }`);
    expect(text).toContain(`add element netdev t m { 1 : ${pairLabel(1, 3)}, 3 : ${hostLabel(2)} }`);
  });
});

test('a label leads back to its host, and no card nor pair is taken for one', () => {
  expect(hostOfLabel(hostLabel(254))).toBe(254);
  expect(hostOfLabel(pairLabel(1, 2))).toBe(null);
  expect(hostOfLabel('02:42:ac:11:00:02')).toBe(null);
});

describe('HandoffPlanner', () => {
  let decision: Decision;
  beforeAll(async () => {
    decision = await loadDecision();
  });

  function inForce(out: string[], names = ['a', 'b', 'c', 'd']): InForce {
    const loadWeights = Object.fromEntries(names.map((name) => [name, 50]));
    const rule = (affinity: string) => ({
      virtualIp: null,
      protocol: 'tcp',
      filteringMode: 'multiple',
      affinity,
      loadWeights,
    });
    const part = (name: string) => ({
      loadWeight: out.includes(name) ? 0 : 50,
      handlingPriority: 0,
      absence: out.includes(name) ? 'draining' : null,
    });
    return {
      file: {
        hashSeed: 7,
        hosts: names.map((name) => ({ name })),
        portRules: ['none', 'single'].map(rule) as unknown as PortRule[],
      },
      view: { hosts: names.map((name, i) => ({ name, priority: i + 1, rules: [part(name), part(name)] })) },
      lostSince: [],
    } as unknown as InForce;
  }

  const change = (before: TableState, after: TableState) => transactionOf(T, before, after).elementCount;
  const all = new Set(['a', 'b', 'c', 'd']);

  test('rules with the same hosts and weights share their maps; one host that goes changes no ranking', async () => {
    const planner = new HandoffPlanner(decision, 'a');
    const whole = await planner.plan(inForce([]), all);
    expect([...whole.maps.keys()].sort()).toEqual(['pairs_0', 'ranks_0', 'rest_0']);
    const without = await planner.plan(inForce(['b']), all);
    expect(without.rules.map(({ owner }) => owner)).toEqual(whole.rules.map(({ owner }) => owner));
    // Of 12 pairs the three that begin with b stand for their second host now: each is taken out and put in.
    expect(change(stateOf(whole), stateOf(without))).toBe(6);
    const back = await planner.plan(inForce([]), all);
    expect(change(stateOf(without), stateOf(back))).toBe(6);
  });

  test('two that go leave a rest of buckets, whose owners decision.wasm names', async () => {
    const planner = new HandoffPlanner(decision, 'a');
    const { maps } = await planner.plan(inForce(['b', 'c']), all);
    const rest = maps.get('rest_0')!.elements as Uint16Array;
    const owners = await decision.table(
      ['a', 'd'].map((name) => ({ name, loadWeight: 50 })),
      7,
    );
    const ranking = maps.get('ranks_0')!.elements as Uint16Array;
    const left = [...rest.keys()].filter((bucket) => rest[bucket] !== 0);
    expect(left.length / 65_536).toBeCloseTo(1 / 6, 1);
    for (const bucket of left) {
      expect([2, 3]).toContain(ranking[bucket]! >> 8);
      expect([2, 3]).toContain(ranking[bucket]! & 0xff);
      expect(rest[bucket]).toBe(owners[bucket] === 0 ? 1 : 4);
    }
  });

  test('what belongs to a host that cannot be reached is for the own Envoy to hand off', async () => {
    const planner = new HandoffPlanner(decision, 'a');
    const { maps } = await planner.plan(inForce([]), new Set(['a', 'c', 'd']));
    const pairs = maps.get('pairs_0')!.elements as Map<string, string>;
    expect(pairs.get(pairLabel(2, 3))).toBe(hostLabel(1));
    expect(pairs.get(pairLabel(3, 2))).toBe(hostLabel(3));
  });

  test('a host keeps its number through views and restarts, and a new one gets another', async () => {
    const planner = new HandoffPlanner(decision, 'b');
    await planner.plan(inForce([]), all);
    const restarted = new HandoffPlanner(decision, 'b');
    restarted.adopt(planner.hosts);
    await restarted.plan(inForce([], ['a', 'c', 'e']), all);
    expect(restarted.hosts).toEqual(new Map([...planner.hosts, ['e', 5]]));
  });
});

describe('ringOf()', () => {
  const there = (names: string[], lostSince: string[] = []) =>
    ({ view: { hosts: names.map((name, i) => ({ name, priority: i + 1 })) }, lostSince }) as unknown as InForce;
  const macs = new Map(['a', 'b', 'c'].map((name) => [name, `mac-${name}`]));

  test('goes by priority and leaves out who is lost or was never seen', () => {
    expect(ringOf(there(['a', 'b', 'c']), 'a', macs)).toEqual({ nextMac: 'mac-b', hostCount: 3 });
    expect(ringOf(there(['a', 'b', 'c']), 'c', macs)).toEqual({ nextMac: 'mac-a', hostCount: 3 });
    expect(ringOf(there(['a', 'b', 'c'], ['b']), 'a', macs)).toEqual({ nextMac: 'mac-c', hostCount: 2 });
    expect(ringOf(there(['a', 'x', 'c']), 'a', macs)).toEqual({ nextMac: 'mac-c', hostCount: 2 });
  });

  test('ends where this host is alone, and begins with those inside where it is outside', () => {
    expect(ringOf(there(['a'], []), 'a', macs)).toEqual({ nextMac: null, hostCount: 1 });
    expect(ringOf(there(['b', 'c']), 'a', macs)).toEqual({ nextMac: 'mac-b', hostCount: 3 });
  });
});

test('heldState() sorts connections by family', () => {
  const v4 = { remote: '192.0.2.1', remotePort: 40_000, local: '10.0.0.100', localPort: 25 };
  const v6 = { remote: '2001:db8::1', remotePort: 40_001, local: 'fd00::100', localPort: 25 };
  const { maps } = heldState([v4, v6]);
  expect([...maps.get('held_ip')!.elements.keys()]).toEqual(['192.0.2.1 . 40000 . 10.0.0.100 . 25']);
  expect([...maps.get('held_ip6')!.elements.keys()]).toEqual(['2001:db8::1 . 40001 . fd00::100 . 25']);
});

test('removalOf() leaves the flows, and has nothing to remove where there is no table', () => {
  const left = { exists: true, things: ['map flows_ip', 'map ranks_0', 'set lease'], chains: ['entry', 'tcp_ip'] };
  const lines = removalOf({ ...left, hosts: new Map(), macs: new Map() }, T).split('\n');
  expect(lines).toEqual([
    'flush table netdev t',
    'delete chain netdev t entry',
    'delete chain netdev t tcp_ip',
    'delete map netdev t ranks_0',
    'delete set netdev t lease',
    '',
  ]);
  expect(removalOf({ ...left, exists: false, hosts: new Map(), macs: new Map() }, T)).toBe('');
});

describe('the ruleset', () => {
  const frame = { device: 'eth0', ownMac: '02:00:00:00:00:01', self: 1, virtualIps: ['10.0.0.100'], hashSeed: 1 };

  test('touches no mark and no forwarding, and nothing but packets for a virtual IP', () => {
    const chains = [...frameChains(frame), ...viewChains(frame, [], 2, { nextMac: null, hostCount: 1 })];
    const text = chains.flatMap(([, lines]) => lines).join('\n');
    expect(text).not.toMatch(/\bmark\b/);
    const [, ...entry] = frameChains(frame).get('entry')!;
    expect(entry[0]).toBe('meta pkttype != host accept');
    for (const rule of entry.slice(1)) expect(rule).toMatch(/^ip daddr \{ 10\.0\.0\.100 \} /);
  });

  test('has rules of one virtual IP for its family only', () => {
    const rule = { portFirst: 25, portLast: 25, affinity: 'single', hashSeed: 1, ipv6PrefixLength: 64 } as const;
    const owner = { kind: 'host', host: 2 } as const;
    const rules = [
      { ...rule, virtualIp: '10.0.0.100', owner },
      { ...rule, virtualIp: null, portLast: 30, owner: { kind: 'disabled' } as const },
    ];
    const chains = viewChains(frame, rules, 2, { nextMac: null, hostCount: 1 });
    expect(chains.get('rules_ip')).toEqual([
      'ip daddr 10.0.0.100 tcp dport 25 goto rule_0_ip',
      'tcp dport 25-30 goto rule_1_ip',
      `ether daddr set ${hostLabel(2)}`,
    ]);
    expect(chains.get('rules_ip6')).toEqual(['tcp dport 25-30 goto rule_1_ip6', `ether daddr set ${hostLabel(2)}`]);
  });
});
