import { describe, expect, it } from 'vitest';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { connectionsMax } from '../../host/protocol/xds/bootstrap.js';
import * as xds from '../../host/protocol/xds/index.js';
import { STAT_TAGS } from '../../host/protocol/xds/stats.js';
import { clusterFile, service } from '../e2e/harness/cluster.js';

const paths = xds.envoyPaths('/var/lib/envoy-nlb');

const listenersOf = (file: ClusterFile, self = 'mail1') => xds.listeners(file, self, paths, paths);
const clusterNames = (file: ClusterFile, self = 'mail1') =>
  xds.envoyClusters(file, self, paths).map((cluster) => String(cluster.name));
const withRules = (...rules: Partial<PortRule>[]) => clusterFile('10.0.0', 3, rules);

describe('listeners()', () => {
  it('opens one listener for each port, and the handoff listener', () => {
    const names = listenersOf(withRules({ portFirst: 1000, portLast: 1002 })).map((listener) => listener.name);
    const ports = [1000, 1001, 1002].map((port) => `nlb.rule.smtp.10.0.0.1.${port}`);
    expect(names).toEqual([...ports, 'nlb.handoff']);
  });

  it('opens each virtual IP of a rule, and may do so before the address is there', () => {
    const rules = [{ name: 'all' }, { name: 'one', virtualIp: '10.0.0.101', portFirst: 26, portLast: 26 }];
    const file = { ...withRules(...rules), listenOn: 'virtualIp' as const, virtualIps: ['10.0.0.100', '10.0.0.101'] };
    const ofRules = listenersOf(file).filter((listener) => listener.name !== 'nlb.handoff');
    expect(ofRules.map((listener) => listener.name)).toEqual([
      'nlb.rule.all.10.0.0.100.2525',
      'nlb.rule.all.10.0.0.101.2525',
      'nlb.rule.one.10.0.0.101.26',
    ]);
    expect(ofRules.every((listener) => listener.freebind === true)).toBe(true);
  });

  it('leaves a port of one virtual IP to the rule of that virtual IP, be it a disabled one', () => {
    const rules: Partial<PortRule>[] = [
      { name: 'all', portFirst: 2525, portLast: 2526 },
      { name: 'one', virtualIp: '10.0.0.101' },
      { name: 'off', virtualIp: '10.0.0.102', filteringMode: 'disabled', service: null },
    ];
    const virtualIps = ['10.0.0.100', '10.0.0.101', '10.0.0.102'];
    const file = { ...withRules(...rules), listenOn: 'virtualIp' as const, virtualIps };
    expect(listenersOf(file).map((listener) => listener.name)).toEqual([
      'nlb.rule.all.10.0.0.100.2525',
      'nlb.rule.all.10.0.0.100.2526',
      'nlb.rule.all.10.0.0.101.2526',
      'nlb.rule.all.10.0.0.102.2526',
      'nlb.rule.one.10.0.0.101.2525',
      'nlb.handoff',
    ]);
  });

  it('opens nothing for disabled and UDP rules', () => {
    const file = withRules({ filteringMode: 'disabled', service: null }, { name: 'dns', protocol: 'udp' });
    expect(listenersOf(file).map((listener) => listener.name)).toEqual(['nlb.handoff']);
    expect(clusterNames(file)).toEqual([]);
  });

  it('and envoyClusters() say nothing of weights, handling priorities and host priorities', () => {
    const weighted = withRules({ loadWeights: { mail1: 1, mail2: 99, mail3: 0 } });
    const hosts = weighted.hosts.map((host) => ({ ...host, priority: 32 - host.priority }));
    const changed = { ...weighted, hosts };
    expect(listenersOf(changed)).toEqual(listenersOf(withRules({})));
    expect(xds.envoyClusters(changed, 'mail1', paths)).toEqual(xds.envoyClusters(withRules({}), 'mail1', paths));
  });

  it('refuses a host that the file does not list, by name', () => {
    expect(() => listenersOf(withRules({}), 'mail9')).toThrow(
      "Cannot make Envoy's configuration for host mail9, expected one of: mail1, mail2, mail3",
    );
  });
});

describe('envoyClusters()', () => {
  it('leads to each other host with and without fallback under multiple hosts', () => {
    expect(clusterNames(withRules({}))).toEqual([
      'nlb.service.smtp',
      'nlb.handoff.mail2.p1000',
      'nlb.handoff.mail3.p1000',
      'nlb.handoff.mail2.strict1000',
      'nlb.handoff.mail3.strict1000',
    ]);
  });

  it('knows no fallback under single host', () => {
    const file = withRules({ filteringMode: 'single', handlingPriorities: { mail1: 1, mail2: 2, mail3: 3 } });
    const names = clusterNames(file, 'mail3').filter((name) => name.startsWith('nlb.handoff.'));
    expect(names).toEqual(['nlb.handoff.mail1.strict1000', 'nlb.handoff.mail2.strict1000']);
  });

  it('are shared by rules of one patience', () => {
    const file = withRules({}, { name: 'imap', portFirst: 143, portLast: 143 }, { name: 'web', ownerPatienceMs: 250 });
    const ways = clusterNames(file).filter((name) => name.startsWith('nlb.handoff.mail2.'));
    expect(ways.map((name) => name.slice('nlb.handoff.mail2.'.length))).toEqual([
      'p1000',
      'strict1000',
      'p250',
      'strict250',
    ]);
  });

  it('lead to each other host also for connections that no rule covers, as the filter names them', () => {
    const ways = (...rules: Partial<PortRule>[]) =>
      clusterNames(withRules(...rules)).filter((name) => name.startsWith('nlb.handoff.mail2.'));
    const [fallback, strict] = ['nlb.handoff.mail2.p250', 'nlb.handoff.mail2.strict250'];
    expect(ways({ ownerPatienceMs: 250 })).toEqual([fallback, strict, 'nlb.handoff.mail2.strict1000']);
    expect(ways({ ownerPatienceMs: 1000, filteringMode: 'single' })).toEqual(['nlb.handoff.mail2.strict1000']);
  });

  it('ask for keepalive where the other end is another machine, not towards a service on this host', () => {
    const keptAlive = (address: string) => {
      const clusters = xds.envoyClusters(withRules({ service: service(address) }), 'mail1', paths);
      return clusters.filter((cluster) => cluster.upstream_connection_options !== undefined).map(({ name }) => name);
    };
    const others = ['p1000', 'strict1000'].flatMap((way) =>
      ['mail2', 'mail3'].map((host) => `nlb.handoff.${host}.${way}`),
    );
    for (const own of ['127.0.0.1:25', '[::1]:25', '{dedicatedIp}:25', 'unix:/run/smtp']) {
      expect(keptAlive(own), own).toEqual(others);
    }
    expect(keptAlive('10.0.0.2:25')).toEqual(['nlb.service.smtp', ...others]);
  });

  it('name a service that cannot be reached', () => {
    const file = withRules({ service: service('smtp.sock') });
    expect(() => xds.envoyClusters(file, 'mail1')).toThrow(
      'Cannot lead to service smtp.sock, expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH',
    );
  });
});

describe('patienceOf()', () => {
  it.each([100, 250, 1000, 5000])('gives up an owner silent for between 1.0 and 1.2 times %i ms', (ownerPatienceMs) => {
    const { checkFailuresMax, checkIntervalMs, checkTimeoutMs } = xds.patienceOf(ownerPatienceMs);
    const soonestMs = checkFailuresMax * checkTimeoutMs + (checkFailuresMax - 1) * checkIntervalMs;
    expect(soonestMs).toBe(ownerPatienceMs);
    expect(soonestMs + checkIntervalMs).toBe(1.2 * ownerPatienceMs);
  });

  it('goes on trying for longer than a refusing owner takes to be given up', () => {
    const { backOffBaseMs, backOffMaxMs, connectAttemptsMax, checkIntervalMs } = xds.patienceOf(1000);
    const meanMs = backOffBaseMs / 2 + ((connectAttemptsMax - 2) * backOffMaxMs) / 2;
    const deviationMs = backOffMaxMs * Math.sqrt((connectAttemptsMax - 2) / 12);
    expect(meanMs - 5 * deviationMs).toBeGreaterThan(3 * checkIntervalMs);
  });
});

describe('connectionsMax()', () => {
  it('is half of the open files that listening and Envoy itself leave', () => {
    expect(connectionsMax(withRules({}), { openFilesMax: 20_000, workerCount: 2 })).toBe(9898);
    const range = withRules({ portFirst: 1000, portLast: 2023 });
    expect(connectionsMax(range, { openFilesMax: 20_000, workerCount: 2 })).toBe(8875);
  });

  it('says what is missing where nothing is left', () => {
    const limits = { openFilesMax: 2000, workerCount: 2 };
    expect(() => connectionsMax(withRules({ portFirst: 1000, portLast: 2023 }), limits)).toThrow(
      'Cannot serve 1024 ports with an open-files limit of 2000, expected more than 2250 (ulimit -Hn)',
    );
  });
});

describe('stat names', () => {
  const kept = new RegExp(`^(?:${xds.STATS_KEPT.join('|')})$`);
  const ofRule = ['entered', 'handedToUs', 'fallbacks', 'enteredOpen', 'servedOpen', 'refusedAtLimit'] as const;
  const ofHost = ['healthy', 'handedOffOpen'] as const;
  const names = [
    ...ofRule.map((name) => xds.STAT[name]('smtp-in')),
    ...ofHost.map((name) => xds.STAT[name]('nlb.handoff.mail2.p1000')),
    ...[xds.STAT.ldsVersion, xds.STAT.ldsRejected, xds.STAT.cdsVersion, xds.STAT.cdsRejected],
    ...[xds.STAT.ecdsVersion, xds.STAT.ecdsRejected, `${xds.STAT.filterPrefix}smtp.served_here`],
  ];

  it.each(names)('%s is made', (name) => {
    expect(name).toMatch(kept);
  });

  it('of what nobody reads are not made', () => {
    expect('cluster.nlb.service.smtp.upstream_cx_length_ms').not.toMatch(kept);
    expect('listener.nlb_rule.smtp.downstream_cx_length_ms').not.toMatch(kept);
  });

  it.each([
    ['wasmcustom.nlb.smtp.handed_off.mail2', { nlb_rule: 'smtp', nlb_host: 'mail2' }],
    ['wasmcustom.nlb._none.served_here', { nlb_rule: '_none' }],
    ['tcp.nlb_fallback.smtp.owner_silent.downstream_cx_total', { nlb_rule: 'smtp' }],
    ['cluster.nlb.handoff.mail2.p250.membership_healthy', { nlb_host: 'mail2' }],
    ['cluster.nlb.service.smtp.upstream_cx_active', { nlb_service: 'smtp' }],
  ])('%s has its labels', (name, labels) => {
    // Envoy's rule: the first group is cut out of the name, the second is the label's value.
    const found = STAT_TAGS.map(({ tag_name, regex }) => [tag_name, new RegExp(regex).exec(name)?.[2]] as const);
    expect(Object.fromEntries(found.filter(([, value]) => value !== undefined))).toEqual(labels);
  });
});
