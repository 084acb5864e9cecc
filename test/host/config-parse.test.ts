import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLUSTER_FILE_SCHEMA, fingerprintOf, parseClusterFile, serviceOf } from '../../host/protocol/config/index.js';
import { stickTimeText } from '../../host/protocol/config/stick-time.js';
import { changed, errorsOf, fileOf, LAWFUL, warningsOf } from './config-fixture.js';

const fingerprint = (text: string): string =>
  fingerprintOf(fileOf(text), (bytes) => createHash('sha256').update(bytes).digest());

describe('parseClusterFile() of a lawful file', () => {
  test('gives the hosts by priority, and every default written out', () => {
    const parsed = parseClusterFile(LAWFUL, 'c.yaml');
    const check = { kind: 'connect', expect: '', periodMs: 1000, timeoutMs: 1000, failuresMax: 3 };
    expect(parsed).toEqual({
      warnings: [],
      file: {
        clusterName: 'mail.example.org',
        mode: 'routed',
        listenOn: 'dedicatedIp',
        virtualIps: [],
        hashSeed: 0x5eed1234,
        ipv6PrefixLength: 64,
        heartbeat: { periodMs: 1000, missedMax: 5 },
        ports: { heartbeat: 7620, handoff: 7620, channel: 7621, page: 7622 },
        keyFile: 'cluster.key',
        hosts: [
          { name: 'mail1', priority: 1, dedicatedIp: '10.0.0.11' },
          { name: 'mail2', priority: 2, dedicatedIp: '10.0.0.12' },
        ],
        portRules: [
          {
            name: 'smtp',
            virtualIp: null,
            portFirst: 25,
            portLast: 25,
            protocol: 'tcp',
            filteringMode: 'multiple',
            affinity: 'single',
            loadWeights: { mail1: 50, mail2: 50 },
            handlingPriorities: {},
            ownerPatienceMs: 1000,
            service: { address: 'unix:/run/smtp.sock', proxyProtocol: 'v2', trustsNobodyByAddress: false, check },
          },
          {
            name: 'web',
            virtualIp: null,
            portFirst: 8000,
            portLast: 8099,
            protocol: 'tcp',
            filteringMode: 'single',
            affinity: 'none',
            loadWeights: {},
            handlingPriorities: { mail1: 1, mail2: 2 },
            ownerPatienceMs: 1000,
            service: { address: '{dedicatedIp}:9000', proxyProtocol: 'none', trustsNobodyByAddress: false, check },
          },
        ],
      },
    });
  });

  test('takes every setting that is written', () => {
    const text = changed(
      [
        'hosts:',
        'ipv6PrefixLength: 56\nkeyFile: /etc/k\nheartbeat: {periodMs: 100, missedMax: 7}\nports: {page: 80}\nhosts:',
      ],
      [
        'ports: 25\n',
        'ports: 25\n    affinity: network\n    loadWeight: {mail1: 60, mail2: 0}\n    ownerPatienceMs: 300\n',
      ],
      ['v2}', 'v2, check: {kind: banner, expect: 220, periodMs: 500, failuresMax: 2}}'],
    );
    const file = fileOf(text);
    expect([file.ipv6PrefixLength, file.keyFile, file.heartbeat, file.ports]).toEqual([
      56,
      '/etc/k',
      { periodMs: 100, missedMax: 7 },
      { heartbeat: 7620, handoff: 7620, channel: 7621, page: 80 },
    ]);
    const [rule] = file.portRules;
    expect([rule!.affinity, rule!.loadWeights, rule!.ownerPatienceMs]).toEqual([
      'classC',
      { mail1: 60, mail2: 0 },
      300,
    ]);
    const check = { kind: 'banner', expect: '220', periodMs: 500, timeoutMs: 500, failuresMax: 2 };
    expect(rule!.service!.check).toEqual(check);
  });

  test('takes a rule for one virtual IP beside one for all of them on the same port', () => {
    const text = changed(
      ['dedicatedIp\n', 'virtualIp\n'],
      ['hosts:', 'virtualIps: [10.0.0.9, 10.0.0.10]\nhosts:'],
      ['ports: 8000-8099', 'virtualIp: 10.0.0.10\n    ports: 20-30'],
      ['proxyProtocol: none', 'proxyProtocol: v1'],
    );
    expect(fileOf(text).portRules.map(({ virtualIp }) => virtualIp)).toEqual([null, '10.0.0.10']);
  });

  test("takes NLB's range from port 0 on, which no client can connect to, as one from port 1", () => {
    const [, rule] = fileOf(changed(['8000-8099', "'0-24'"], ['proxyProtocol: none', 'proxyProtocol: v1'])).portRules;
    expect([rule!.portFirst, rule!.portLast]).toEqual([1, 24]);
  });

  test('waits 250 ms for a silent owner under affinity none', () => {
    expect(fileOf(changed(['ports: 25', 'ports: 25\n    affinity: none'])).portRules[0]!.ownerPatienceMs).toBe(250);
  });

  test('takes how long clients stick, and leaves it out where they do not, so that fingerprints stay', () => {
    const ruleOf = (text: string) => fileOf(changed(['ports: 25', `ports: 25${text}`])).portRules[0]!;
    const times = ['1s', '90s', '30m', '24h'].map((time) => ruleOf(`\n    stickFor: ${time}`).stickForMs);
    expect(times).toEqual([1000, 90_000, 1_800_000, 86_400_000]);
    expect('stickForMs' in ruleOf('')).toBe(false);
    expect(['1s', '90s', '30m', '24h']).toEqual(times.map((ms) => stickTimeText(ms!)));
  });

  test('lets a disabled rule keep its service, and leads nowhere', () => {
    const rule = fileOf(changed(['ports: 25', 'ports: 25\n    filteringMode: disabled'])).portRules[0]!;
    expect([rule.filteringMode, rule.service, rule.loadWeights]).toEqual(['disabled', null, {}]);
  });

  test('writes IPv6 addresses one way', () => {
    const text = changed(['10.0.0.12', 'FD00:0:0::12'], ['10.0.0.11', 'fd00::0:11']);
    expect(fileOf(text).hosts.map((host) => host.dedicatedIp)).toEqual(['fd00::11', 'fd00::12']);
  });
});

describe('parseClusterFile() warns of', () => {
  test('one host alone', () => {
    const text = changed(['  - {name: mail2, priority: 2, dedicatedIp: 10.0.0.12}\n', '']);
    expect(warningsOf(text)).toEqual(['c.yaml:6:3: hosts names one host: nobody takes over when it is lost']);
  });

  test('virtual IPs on which nothing listens', () => {
    expect(warningsOf(changed(['hosts:', 'virtualIps: [10.0.0.100]\nhosts:']))).toEqual([
      'c.yaml:5:13: virtualIps has no effect: with listenOn dedicatedIp rules listen on the address of each host only',
    ]);
  });

  test("ports beyond 1,024 listeners, the widest first, and what of them is the sidecar's", () => {
    const wide = changed(['8000-8099', '7000-9023'], ['hosts:', 'ports: {redirect: 7700}\nhosts:']);
    expect(warningsOf(wide)).toEqual([
      'c.yaml:14:12: portRules[1].ports is 7000-9023, 2024 ports, beyond 1024 listeners: the kernel redirects them, which needs nft and CAP_NET_ADMIN on every host; 7620, 7621, 7622, 7700 are left out, which are ports of this file',
      'c.yaml:14:12: portRules[1].ports is 7000-9023, 2024 ports on the dedicated address of each host: it takes what the host itself has there (ssh, for one)',
    ]);
    expect(warningsOf(changed(['8000-8099', '8000-9022'], ['{dedicatedIp}', '127.0.0.1']))).toEqual([]);
  });

  test('failback never in a file of so many rules that nobody can stand in for another', () => {
    const withNever = (count: number, more = '') => {
      const rules = Array.from(
        { length: count - 2 },
        (_, i) => `  - {name: r${i}, ports: ${100 + i}, service: {address: 'unix:/s', proxyProtocol: v2}}\n`,
      );
      return changed(['ports: 25', `ports: 25\n    failback: never${more}`]) + rules.join('');
    };
    expect(warningsOf(withNever(23))).toEqual([
      'c.yaml:11:15: portRules[0].failback is never in a file of 23 port rules: with more than 22 a host on standby takes its part of all clients when another one leaves, also of hosts that stay; with stickFor beside it those seen lately stay where they are',
    ]);
    expect(warningsOf(withNever(22))).toEqual([]);
    expect(warningsOf(withNever(23, '\n    stickFor: 30m'))).toEqual([]);
    expect(warningsOf(withNever(23, '\n    affinity: none'))).toEqual([]);
  });

  test('other ports of the default host', () => {
    const text = changed(
      ['dedicatedIp\n', 'virtualIp\n'],
      ['hosts:', 'virtualIps: [10.0.0.9]\notherPorts: defaultHost\nhosts:'],
    );
    expect(warningsOf(text)).toEqual([
      'c.yaml:6:13: otherPorts is defaultHost: whatever listens on the default host for all addresses can be reached through the virtual IPs, and sees that host as its client; the kernel redirects them, which needs nft and CAP_NET_ADMIN on every host',
    ]);
  });

  test('a single-host rule that leaves a host out', () => {
    const text = changed(['filteringMode: single', 'filteringMode: single\n    handlingPriority: {mail2: 1}']);
    expect(warningsOf(text)).toEqual([
      'c.yaml:15:23: portRules[1].handlingPriority does not name mail1: never served there, even when the others are lost',
    ]);
    expect(fileOf(text).portRules[1]!.handlingPriorities).toEqual({ mail2: 1 });
  });
});

describe('serviceOf()', () => {
  test('fills in address and name of the host', () => {
    const rule = fileOf(changed(['unix:/run/smtp.sock', 'unix:/run/{name}/smtp.sock'])).portRules;
    const host = { name: 'mail1', priority: 1, dedicatedIp: '10.0.0.11' };
    expect(serviceOf(rule[0]!, host)!.address).toBe('unix:/run/mail1/smtp.sock');
    expect(serviceOf(rule[1]!, host)!.address).toBe('10.0.0.11:9000');
    expect(serviceOf(rule[1]!, { ...host, dedicatedIp: 'fd00::11' })!.address).toBe('[fd00::11]:9000');
    expect(serviceOf({ ...rule[1]!, service: null }, host)).toBe(null);
    const following = { ...rule[1]!.service!, address: '127.0.0.1:{port}' };
    expect(serviceOf({ ...rule[1]!, service: following }, host)!.address).toBe('127.0.0.1:{port}');
    expect(serviceOf({ ...rule[0]!, service: following }, host)!.address).toBe('127.0.0.1:25');
  });
});

describe('fingerprintOf()', () => {
  const same = [
    ['comments and blank lines', changed(['mode: routed', '# here\n\nmode: routed'])],
    ['a default written out', changed(['hosts:', 'keyFile: cluster.key\nipv6PrefixLength: 64\nhosts:'])],
    ['the order of hosts', LAWFUL.replace(/( {2}- .*mail2.*\n)( {2}- .*mail1.*\n)/, '$2$1')],
    ['the other name of an affinity', changed(['ports: 25', 'ports: 25\n    affinity: single'])],
    ['the hash seed in decimal', changed(['0x5eed1234', String(0x5eed1234)])],
    ['quotes and Windows line ends', changed(['mode: routed', 'mode: "routed"']).replaceAll('\n', '\r\n')],
  ] as const;
  test.each(same)('stays under %s', (_, text) => expect(fingerprint(text)).toBe(fingerprint(LAWFUL)));

  const other = [
    ['a name', changed(['name: mail2', 'name: mail3'])],
    ['a priority', changed(['priority: 2', 'priority: 3'])],
    ['the hash seed', changed(['0x5eed1234', '0x5eed1235'])],
    ['a port', changed(['ports: 25', 'ports: 26'])],
    ['a weight', changed(['ports: 25', 'ports: 25\n    loadWeight: {mail1: 50, mail2: 51}'])],
    ['a service', changed(['smtp.sock', 'smtp2.sock'])],
    ['a period', changed(['hosts:', 'heartbeat: {periodMs: 999}\nhosts:'])],
  ] as const;
  test.each(other)('changes with %s', (_, text) => expect(fingerprint(text)).not.toBe(fingerprint(LAWFUL)));

  test('is 16 hex digits, the same in every release that keeps the form', () => {
    expect(fingerprint(LAWFUL)).toBe('a1c67144a90125c1');
  });
});

test('the schema is a lawful JSON Schema, which is not looked at again at each start', () => {
  const ajv = new Ajv2020({ allowUnionTypes: true });
  expect(ajv.validateSchema(CLUSTER_FILE_SCHEMA), ajv.errorsText()).toBe(true);
});

test('docs/cluster-file.schema.json is the schema that the check uses', () => {
  const published = readFileSync('docs/cluster-file.schema.json', 'utf8');
  expect(published).toBe(`${JSON.stringify(CLUSTER_FILE_SCHEMA, null, 2)}\n`);
});

test('parseClusterFile() never throws, whatever it is given', () => {
  const seed = Date.now() & 0xffffffff;
  console.log(`seed ${seed}`);
  const edit = fc.record({ at: fc.nat(LAWFUL.length), cut: fc.nat(40), put: fc.string({ maxLength: 20 }) });
  const mutated = fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut), LAWFUL));
  const values = fc.anything().map((value) => JSON.stringify(value) ?? '');
  fc.assert(
    fc.property(fc.oneof(mutated, values, fc.string()), (text) => {
      const parsed = parseClusterFile(text, 'c.yaml');
      if ('errors' in parsed) expect(parsed.errors.length).toBeGreaterThan(0);
      for (const line of errorsOf(text)) expect(line).toMatch(/^c\.yaml:[1-9][0-9]*:[1-9][0-9]*: ./);
    }),
    { seed, numRuns: 1000 },
  );
});
