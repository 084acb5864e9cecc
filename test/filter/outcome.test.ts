/** Every outcome of a connection and every reason, with each of Envoy's answers failing in turn. */
import { beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT_MS, buildFilter } from './build-filter.js';
import { type Connection, type HostCall, ProxyHost, STATUS } from './proxy-host.js';
import { type TestRule, viewOf } from './views.js';

const CLIENT = '192.0.2.7:40000';
let wasm: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  wasm = (await buildFilter()).wasm;
}, BUILD_TIMEOUT_MS);

/** A filter with one view in force, read by `self`. */
function filterWith(rules: TestRule[], self = 'mail1'): { host: ProxyHost; root: number } {
  const host = new ProxyHost(wasm);
  const root = host.addRoot(viewOf(rules, self));
  if (root === null) throw new Error(`view refused: ${host.logged.join('\n')}`);
  return { host, root };
}

const SERVED = { goesOn: true, envoyCluster: null, closed: false };
const REFUSED = { goesOn: false, envoyCluster: null, closed: true };
const handedTo = (envoyCluster: string) => ({ goesOn: true, envoyCluster, closed: false });
const outcome = ({ goesOn, envoyCluster, closed }: Connection) => ({ goesOn, envoyCluster, closed });

describe('the filter', () => {
  it('leaves the connection of an own client to tcp_proxy and sets nothing', () => {
    const { host, root } = filterWith([{ parts: [50, 0, 0] }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(SERVED);
    expect(host.calls.get('proxy_call_foreign_function')).toBeUndefined();
    expect(host.counted()).toEqual({ 'smtp.served_here': 1 });
  });

  it('hands off with fallback where this host takes part', () => {
    const { host, root } = filterWith([{ parts: [1, 100, 0], ownerPatienceMs: 250, affinity: 'none' }]);
    let handedOffCount = 0;
    for (let port = 1; port <= 100; port++) {
      const { envoyCluster } = host.connect(root, `192.0.2.7:${port}`);
      if (envoyCluster === null) continue;
      expect(envoyCluster).toBe('nlb.handoff.mail2.p250');
      handedOffCount++;
    }
    expect(handedOffCount).toBeGreaterThan(0);
    expect(host.counted()['smtp.handed_off.mail2']).toBe(handedOffCount);
  });

  it('hands off without fallback where this host takes no part', () => {
    const { host, root } = filterWith([{ parts: [0, 50, 0] }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(handedTo('nlb.handoff.mail2.strict1000'));
    expect(host.counted()).toEqual({ 'smtp.handed_off.mail2': 1 });
  });

  it('hands off without fallback under a single-host rule, also where this host would be next', () => {
    const { host, root } = filterWith([{ filteringMode: 'single', parts: [2, 1, 3], ownerPatienceMs: 30_000 }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(handedTo('nlb.handoff.mail2.strict30000'));
  });

  it('serves a single-host rule where it has the lowest handling priority of those that take part', () => {
    const { host, root } = filterWith([{ filteringMode: 'single', parts: [2, 0, 3] }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(SERVED);
  });

  it('hands everything off when this host is outside the view', () => {
    const { host, root } = filterWith([{ parts: [50, 0, 0] }], 'mail9');
    expect(outcome(host.connect(root, CLIENT))).toEqual(handedTo('nlb.handoff.mail1.strict1000'));
  });

  it('gives what no rule covers to the default host, by port, protocol and virtual IP', () => {
    const rules: TestRule[] = [{ parts: [0, 0, 50], virtualIp: '10.0.0.100' }];
    const first = filterWith(rules);
    expect(outcome(first.host.connect(first.root, CLIENT, '10.0.0.100:26'))).toEqual(SERVED);
    expect(outcome(first.host.connect(first.root, CLIENT, '10.0.0.101:25'))).toEqual(SERVED);
    expect(first.host.counted()).toEqual({ '_none.served_here': 2 });
    const second = filterWith([{ ...rules[0]!, protocol: 'udp' }], 'mail2');
    expect(outcome(second.host.connect(second.root, CLIENT))).toEqual(handedTo('nlb.handoff.mail1.strict1000'));
    expect(second.host.counted()).toEqual({ '_none.handed_off.mail1': 1 });
  });

  it('takes the rule of one virtual IP before the rule of all, in either order, IPv6 too', () => {
    const every: TestRule = { name: 'every', parts: [50, 0, 0], portFirst: 1, portLast: 1000 };
    const one: TestRule = { name: 'one', parts: [0, 50, 0], virtualIp: '2001:db8::100' };
    for (const rules of [
      [every, one],
      [one, every],
    ]) {
      const { host, root } = filterWith(rules);
      expect(outcome(host.connect(root, CLIENT, '[2001:db8::100]:25')).envoyCluster).toBe(
        'nlb.handoff.mail2.strict1000',
      );
      expect(outcome(host.connect(root, CLIENT, '[2001:db8::101]:25'))).toEqual(SERVED);
      expect(outcome(host.connect(root, CLIENT, '[2001:db8::100]:1000'))).toEqual(SERVED);
      expect(host.counted()).toEqual({ 'every.served_here': 2, 'one.handed_off.mail2': 1 });
    }
  });

  it('takes an IPv4-mapped destination for its IPv4 address', () => {
    const { host, root } = filterWith([{ parts: [50, 0, 0], virtualIp: '10.0.0.100' }]);
    host.connect(root, CLIENT, '[::ffff:10.0.0.100]:25');
    expect(host.counted()).toEqual({ 'smtp.served_here': 1 });
  });

  it('reads the client only under a multiple-hosts rule', () => {
    const { host, root } = filterWith([{ filteringMode: 'single', parts: [1, 2, 3] }]);
    host.calls.clear();
    host.connect(root, CLIENT);
    expect(host.calls.get('proxy_get_property')).toBe(1);
  });
});

describe('a refused connection is closed with an end of file and counted', () => {
  it('rule_disabled', () => {
    const { host, root } = filterWith([{ filteringMode: 'disabled', parts: [] }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ 'smtp.refused.rule_disabled': 1 });
  });

  it.each(['multiple', 'single'] as const)('nobody_takes_part, filtering mode %s', (filteringMode) => {
    const { host, root } = filterWith([{ filteringMode, parts: [0, 0, 0] }]);
    expect(outcome(host.connect(root, CLIENT))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ 'smtp.refused.nobody_takes_part': 1 });
  });

  it('client_unreadable, where this host takes no part', () => {
    const { host, root } = filterWith([{ parts: [0, 50, 50] }]);
    expect(outcome(host.connect(root, null))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ 'smtp.refused.client_unreadable': 1 });
  });

  it('handoff_failed, under a single-host rule', () => {
    const { host, root } = filterWith([{ filteringMode: 'single', parts: [2, 1, 3] }]);
    host.failures.set('proxy_call_foreign_function', STATUS.internalFailure);
    expect(outcome(host.connect(root, CLIENT))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ 'smtp.refused.handoff_failed': 1 });
  });

  it('handoff_failed, where no rule covers it', () => {
    const { host, root } = filterWith([], 'mail2');
    host.failures.set('proxy_call_foreign_function', STATUS.notFound);
    expect(outcome(host.connect(root, CLIENT))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ '_none.refused.handoff_failed': 1 });
  });

  it('destination_unreadable', () => {
    const { host, root } = filterWith([{ parts: [50, 0, 0] }]);
    expect(outcome(host.connect(root, CLIENT, null))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ '_none.refused.destination_unreadable': 1 });
  });

  it('no_view', () => {
    const host = new ProxyHost(wasm);
    expect(host.addRoot(new Uint8Array(3))).toBeNull();
    expect(outcome(host.connect(99, CLIENT))).toEqual(REFUSED);
    expect(host.counted()).toEqual({ '_none.refused.no_view': 1 });
  });

  it('unknown_connection', () => {
    const { host } = filterWith([{ parts: [50, 0, 0] }]);
    expect(outcome(host.connectUnannounced())).toEqual(REFUSED);
    expect(host.counted()).toEqual({ '_none.refused.unknown_connection': 1 });
  });
});

describe('this host serves in the owner’s stead, counted as fallback, where it takes part', () => {
  it('client_unreadable: garbage, missing, too long, a unix socket', () => {
    const { host, root } = filterWith([{ parts: [1, 50, 50] }]);
    const unreadable = [null, '', '/run/x.sock', '1.2.3:4', '192.0.2.7', '[::1]', ':', 'é\0', '9'.repeat(9000)];
    for (const source of unreadable) expect(outcome(host.connect(root, source)), String(source)).toEqual(SERVED);
    expect(host.counted()).toEqual({ 'smtp.fallback.client_unreadable': unreadable.length });
  });

  it('handoff_failed', () => {
    const { host, root } = filterWith([{ parts: [1, 100, 100] }]);
    host.failures.set('proxy_call_foreign_function', STATUS.badArgument);
    for (let i = 1; i < 100; i++) expect(outcome(host.connect(root, `192.0.2.${i}:1`))).toEqual(SERVED);
    expect(host.counted()['smtp.fallback.handoff_failed']).toBeGreaterThan(80);
  });
});

describe('the connection log', () => {
  const RULES: TestRule[] = [
    { parts: [10, 50, 50] },
    { name: 'off', portFirst: 26, portLast: 26, filteringMode: 'disabled', parts: [] },
  ];

  it('costs no call where there is none', () => {
    const { host, root } = filterWith(RULES);
    for (let i = 0; i < 50; i++) host.end(host.connect(root, `192.0.2.${i}:9`, `10.0.0.1:${25 + (i % 3)}`));
    expect(host.calls.get('proxy_set_property')).toBeUndefined();
  });

  it('is told view, rule, bucket, owner and outcome of each connection where there is one', () => {
    const host = new ProxyHost(wasm);
    host.properties.set('plugin_root_id', 'nlb.log');
    const root = host.addRoot(viewOf(RULES, 'mail1'))!;
    const toldOf = (source: string, port: number) => {
      host.told.clear();
      const { envoyCluster } = host.connect(root, source, `10.0.0.1:${port}`);
      return { envoyCluster, told: Object.fromEntries([...host.told].map(([key, value]) => [key.slice(4), value])) };
    };
    for (let i = 0; i < 40; i++) {
      const { envoyCluster, told } = toldOf(`192.0.2.${i}:9`, 25);
      const owner = envoyCluster === null ? 'mail1' : envoyCluster.split('.')[2];
      const outcome = envoyCluster === null ? 'served_here' : 'handed_off';
      expect(told).toEqual({ view: '7', rule: 'smtp', outcome, owner, bucket: expect.stringMatching(/^\d{1,5}$/) });
    }
    expect(toldOf('192.0.2.1:9', 26).told).toEqual({ view: '7', rule: 'off', outcome: 'refused.rule_disabled' });
    expect(toldOf('192.0.2.1:9', 27).told).toMatchObject({ rule: '_none', owner: 'mail1', outcome: 'served_here' });
  });
});

describe('no answer of Envoy makes a trap', () => {
  const calls: HostCall[] = [
    'proxy_get_buffer_bytes',
    'proxy_get_property',
    'proxy_call_foreign_function',
    'proxy_close_stream',
    'proxy_define_metric',
    'proxy_increment_metric',
    'proxy_log',
    'proxy_set_property',
  ];
  it.each(calls)('%s fails with each status code, before and after the view is in force', (call) => {
    for (let status = 1; status <= 12; status++) {
      const { host, root } = filterWith([
        { parts: [10, 50, 50] },
        { name: 'off', portFirst: 26, portLast: 26, filteringMode: 'disabled', parts: [] },
      ]);
      host.failures.set(call, status);
      for (let i = 0; i < 50; i++) host.end(host.connect(root, `192.0.2.${i}:9`, `10.0.0.1:${25 + (i % 3)}`));
      const other = host.addRoot(viewOf([{ parts: [50, 50, 50] }]));
      if (call === 'proxy_get_buffer_bytes') expect(other).toBeNull();
      else host.connect(other!, CLIENT);
      host.failures.clear();
      expect(host.addRoot(viewOf([{ parts: [50, 0, 0] }]))).not.toBeNull();
    }
  });

  it('a connection that Envoy does not close goes no further than the filter', () => {
    const { host, root } = filterWith([{ filteringMode: 'disabled', parts: [] }]);
    host.failures.set('proxy_close_stream', STATUS.internalFailure);
    expect(outcome(host.connect(root, CLIENT))).toEqual({ goesOn: false, envoyCluster: null, closed: false });
  });

  it('counters that cannot be made are not counted, and decide nothing', () => {
    const host = new ProxyHost(wasm);
    host.failures.set('proxy_define_metric', STATUS.internalFailure);
    const root = host.addRoot(viewOf([{ parts: [50, 0, 0] }]));
    expect(outcome(host.connect(root!, CLIENT))).toEqual(SERVED);
    expect(host.calls.get('proxy_increment_metric')).toBeUndefined();
  });
});
