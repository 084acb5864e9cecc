/** nlb import: real outputs of Windows NLB (fixtures/nlb/SOURCES.txt says whence) into files that nlb check takes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ourName } from '../../host/import/carry-hosts.js';
import { freshDirectory, nlb } from './cli-fixture.js';
import { fileOf } from './config-fixture.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), 'fixtures/nlb');
const fixture = (name: string): string => join(FIXTURES, name);
const textOf = (name: string): string => readFileSync(fixture(name), 'utf8');

/** The fixture with each `from` replaced, as a file of its own. */
function edited(name: string, ...edits: [from: string, to: string][]): string {
  let text = textOf(name);
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`${name} does not have: ${from}`);
    text = text.replace(from, to);
  }
  const path = join(freshDirectory(), name);
  writeFileSync(path, text);
  return path;
}

/** Imported with --out and then checked with its key. */
async function imported(...args: string[]) {
  const out = join(freshDirectory(), 'cluster.yaml');
  const said = await nlb(['import', ...args, '--out', out]);
  if (said.code !== 0) throw new Error(said.err);
  const check = await nlb(['check', out]);
  return { said, check, file: fileOf(readFileSync(out, 'utf8')) };
}

describe('nlb import of nlb params', () => {
  test('makes a file that nlb check takes of a Windows Server 2003 host, and says what it left', async () => {
    const { said, check, file } = await imported(fixture('params-2003.txt'));
    expect(check.code).toBe(0);
    expect([file.clusterName, file.mode, file.listenOn, file.virtualIps]).toEqual([
      'cluster.domain.com',
      'multicast',
      'virtualIp',
      ['123.123.123.123'],
    ]);
    expect(file.hosts).toEqual([
      { name: 'ddmvm-2k3-s', priority: 1, dedicatedIp: '222.222.222.222', persistedStates: [] },
    ]);
    expect(file.portRules.map(({ name, portFirst, portLast }) => [name, portFirst, portLast])).toEqual([
      ['ports-1-100', 1, 100],
      ['ports-101-300', 101, 300],
      ['ports-301-65535', 301, 65535],
    ]);
    expect(file.portRules.map(({ service }) => service?.address)).toEqual(Array(3).fill('127.0.0.1:{port}'));
    expect(file.portRules.map(({ filteringMode, affinity }) => `${filteringMode} ${affinity}`)).toEqual([
      'multiple single',
      'multiple single',
      'multiple single',
    ]);
    expect(said.err.split('\n')).toEqual(
      expect.arrayContaining([
        'assumed: port rule 301-65535/both is carried whole, on the virtual IPs: the kernel redirects it, which needs nft and CAP_NET_ADMIN; or name the ports of the services: --port 25',
        'left behind: port rule 0-100/both its UDP half is not carried yet; TCP is',
        'assumed: operation mode multicast stays multicast: 123.123.123.123 keeps its MAC address, and routers their static ARP lines (nlb ip2mac). Every host needs nft and CAP_NET_ADMIN; --mode routed needs neither',
        'assumed: hosts only host ddmvm-2k3-s is known; give the output of every host, or --host NAME=ADDRESS for the others',
      ]),
    );
    expect(said.err).not.toContain('NumPackets');
  });

  test('joins the outputs of two hosts, with weights, priorities and a heartbeat of its own', async () => {
    const rules = (weight: number, priority: number): [string, string][] => [
      [
        'All                 0   100 Both Multiple      Eql Single',
        `All                25    25 TCP  Multiple     ${String(weight).padStart(4)} None`,
      ],
      [
        'All               101   300 Both Multiple      Eql Single',
        `All              3389  3389 TCP  Single   ${String(priority).padStart(3)}     `,
      ],
      [
        'All               301 65535 Both Multiple      Eql Single',
        'All                80    80 TCP  Disabled              ',
      ],
      ['AliveMsgPeriod            = 1000', 'AliveMsgPeriod            = 500'],
    ];
    const one = edited('params-2003.txt', ...rules(60, 2), ['ddmvm-2k3-s', 'WEB1']);
    const two = edited(
      'params-2003.txt',
      ...rules(40, 1),
      ['ddmvm-2k3-s', 'WEB2'],
      ['222.222.222.222', '222.222.222.223'],
      ['HostPriority              = 1', 'HostPriority              = 2'],
    );
    const { check, file } = await imported(one, two);
    expect(check.code).toBe(0);
    expect(file.hosts.map(({ name, priority, dedicatedIp }) => `${name} ${priority} ${dedicatedIp}`)).toEqual([
      'web1 1 222.222.222.222',
      'web2 2 222.222.222.223',
    ]);
    const [smtp, rdp, http] = file.portRules;
    expect([smtp!.name, smtp!.affinity, smtp!.loadWeights]).toEqual(['smtp', 'none', { web1: 60, web2: 40 }]);
    expect([rdp!.name, rdp!.filteringMode, rdp!.handlingPriorities]).toEqual(['rdp', 'single', { web1: 2, web2: 1 }]);
    expect([http!.filteringMode, http!.service]).toEqual(['disabled', null]);
    expect(file.heartbeat.periodMs).toBe(500);
  });

  test('names what two hosts say differently, and settings that somebody changed', async () => {
    const two = edited(
      'params-2003.txt',
      ['ddmvm-2k3-s', 'WEB2'],
      ['222.222.222.222', '222.222.222.223'],
      ['HostPriority              = 1', 'HostPriority              = 2'],
      [
        'All               101   300 Both Multiple      Eql Single',
        'All               101   300 Both Multiple      Eql None',
      ],
      ['RemoteControlEnabled      = DISABLED', 'RemoteControlEnabled      = ENABLED'],
      ['AliveMsgTolerance         = 5', 'AliveMsgTolerance         = 8'],
    );
    const { said, file } = await imported(fixture('params-2003.txt'), two);
    expect(said.err.split('\n')).toEqual(
      expect.arrayContaining([
        'contradiction: port rule 101-300/both affinity is single on host ddmvm-2k3-s and none on host WEB2: took single',
        'left behind: RemoteControlEnabled of host WEB2 is ENABLED: it is off here; a shared password over UDP is never spoken',
        'contradiction: AliveMsgTolerance is 5 and 8 on different hosts: took 8',
      ]),
    );
    expect(file.heartbeat.missedMax).toBe(8);
  });

  test('keeps a rule of one virtual IP, and then listens on the virtual IPs', async () => {
    const { check, file } = await imported(
      edited(
        'params-2003.txt',
        [
          'All                 0   100 Both Multiple      Eql Single',
          '123.123.123.124    25    25 TCP  Multiple      Eql Class C',
        ],
        ['All               101   300 Both Multiple      Eql Single', ''],
      ),
    );
    expect(check.code).toBe(0);
    expect([file.listenOn, file.virtualIps]).toEqual(['virtualIp', ['123.123.123.123', '123.123.123.124']]);
    expect(file.portRules[0]).toMatchObject({ virtualIp: '123.123.123.124', affinity: 'classC', portFirst: 25 });
  });
});

describe('the table of port rules', () => {
  const head = '      VIP       Start  End  Prot   Mode   Pri Load Affinity';
  const dashes = '--------------- ----- ----- ---- -------- --- ---- --------';
  const rows: [string, string][] = [
    ['All                 0   100 Both Multiple      Eql Single', 'FIRST'],
    ['All               101   300 Both Multiple      Eql Single\n', ''],
    ['All               301 65535 Both Multiple      Eql Single\n', ''],
  ];
  const rulesOf = async (...edits: [string, string][]) => {
    const { said, check, file } = await imported(
      edited('params-2003.txt', ...rows, ...edits),
      '--proxy-protocol',
      'v2',
    );
    expect(check.code).toBe(0);
    const rules = file.portRules.map((rule) => {
      return [rule.virtualIp, rule.portFirst, rule.filteringMode, rule.affinity, rule.stickForMs];
    });
    const about = (line: string) => /^(left behind|contradiction): (the table of )?port rules /.test(line);
    return { rules, said: said.err.split('\n').filter(about) };
  };

  test('is read by its own widths and columns, also with an address that is wider than its column', async () => {
    const wide = [
      'VIP                       Start End   Prot Mode     Pri Load Affinity TimeOut',
      '------------------------- ----- ----- ---- -------- --- ---- -------- -------',
      'All                          25    25 TCP  Multiple       60 Single        20',
      '2001:4898:e8:3018:bd82:dde1:6615:7b0    80    80 TCP  Single     2',
    ].join('\n');
    expect(await rulesOf([head, ''], [dashes, ''], ['FIRST', wide], ['PortRules (3)', 'PortRules (2)'])).toEqual({
      rules: [
        [null, 25, 'multiple', 'single', 20 * 60_000],
        ['2001:4898:e8:3018:bd82:dde1:6615:7b0', 80, 'single', 'none', undefined],
      ],
      said: [],
    });
  });

  test('names a row that cannot be read, and a column that nothing here has', async () => {
    const first = `All                25    25 TCP  Multiple      Eql Single        7\nAll 80 80 TCP Multiple Eql Single`;
    const changes: [string, string][] = [
      [head, `${head} Colour`],
      [dashes, `${dashes} ------`],
      ['FIRST', first.replace('Single        7', 'Single      red')],
    ];
    expect(await rulesOf(...changes, ['PortRules (3)', 'PortRules (2)'])).toEqual({
      rules: [[null, 25, 'multiple', 'single', undefined]],
      said: [
        'left behind: the table of port rules of host ddmvm-2k3-s has a column colour (red) that nlb import does not know',
        'left behind: port rules of host ddmvm-2k3-s are 2 by its output, and 1 of them could be read; this line could not be read: All 80 80 TCP Multiple Eql Single',
      ],
    });
  });

  test('of one host that is not there, or has a rule less, is said', async () => {
    const other: [string, string][] = [
      ['ddmvm-2k3-s', 'WEB2'],
      ['222.222.222.222', '222.222.222.223'],
      ['HostPriority              = 1', 'HostPriority              = 2'],
    ];
    const less: [string, string] = ['All               101   300 Both Multiple      Eql Single\n', ''];
    const two = edited('params-2003.txt', ...other, less, ['PortRules (3)', 'PortRules (2)']);
    const lines = (await imported(fixture('params-2003.txt'), two)).said.err.split('\n');
    expect(lines).toContain('contradiction: port rule 101-300/both is not on host WEB2: took it for all hosts');
    const none = edited('params-2003.txt', ...other, ['PortRules (3)', ''], [dashes, '']);
    expect((await imported(fixture('params-2003.txt'), none)).said.err.split('\n')).toContain(
      'left behind: port rules of host WEB2 are not in its output: those of the other hosts are taken for it',
    );
  });
});

describe('the state of a host', () => {
  const stateOf = async (...edits: [string, string][]) => {
    const { said, check, file } = await imported(edited('params-2003.txt', ...edits));
    expect(check.code).toBe(0);
    const { initialState, persistedStates } = file.hosts[0]!;
    return {
      initialState,
      persistedStates,
      said: said.err.split('\n').filter((line) => /^left behind: host ddmvm/.test(line)),
    };
  };
  const onStart = (state: string): [string, string] => [
    'ClusterModeOnStart        = STARTED',
    `ClusterModeOnStart        = ${state}`,
  ];
  const then = (state: string): [string, string] => [
    'HostState                 = STARTED',
    `HostState                 = ${state}`,
  ];
  const kept = (states: string): [string, string] => [
    'PersistedStates           = NONE',
    `PersistedStates           = ${states}`,
  ];

  test('at a start of the machine comes over as it was set, with the states that are kept', async () => {
    expect(await stateOf()).toEqual({ initialState: undefined, persistedStates: [], said: [] });
    expect(await stateOf(onStart('STOPPED'), then('STOPPED'), kept('SUSPENDED'))).toEqual({
      initialState: 'stopped',
      persistedStates: ['suspended'],
      said: [],
    });
    expect(await stateOf(kept('STARTED STOPPED SUSPENDED'))).toMatchObject({ persistedStates: undefined, said: [] });
    expect(await stateOf(kept('FOO'))).toEqual({
      initialState: undefined,
      persistedStates: undefined,
      said: [
        'left behind: host ddmvm-2k3-s keeps its state by foo, which nlb import does not know: here every state is kept',
      ],
    });
  });

  test('is not taken from what it happened to be when it was captured, and that is said', async () => {
    expect(await stateOf(onStart('STOPPED'))).toMatchObject({
      initialState: 'stopped',
      said: [
        'left behind: host ddmvm-2k3-s was started when this was captured: at its first start here it is stopped (initialState)',
      ],
    });
    expect(await stateOf(then('STOPPED'))).toMatchObject({
      initialState: undefined,
      said: [
        'left behind: host ddmvm-2k3-s was stopped when this was captured: at its first start here it is started (initialState)',
      ],
    });
  });
});

describe('the operation mode', () => {
  const multicast: [string, string] = ['MulticastSupportEnable    = ENABLED', 'MulticastSupportEnable    = DISABLED'];
  const igmp: [string, string] = ['IGMPSupport               = DISABLED', 'IGMPSupport               = ENABLED'];
  const modeOf = async (...args: string[]) => {
    const { said, check, file } = await imported(...args, '--port', '25');
    const line = said.err.split('\n').filter((each) => each.includes('operation mode'));
    return { code: check.code, mode: file.mode, listenOn: file.listenOn, said: line };
  };

  test('unicast becomes arp, which leaves the virtual IP where it is', async () => {
    expect(await modeOf(edited('params-2003.txt', multicast))).toEqual({
      code: 0,
      mode: 'arp',
      listenOn: 'virtualIp',
      said: [
        'assumed: operation mode unicast becomes arp: one host holds 123.123.123.123 and its kernel passes each packet to the owner; no MAC address is shared and no switch flooded. Every host needs nft and CAP_NET_ADMIN; --mode routed needs neither',
      ],
    });
  });

  test('IGMP multicast becomes multicast, and what is lost by it is said', async () => {
    expect(await modeOf(edited('params-2003.txt', igmp))).toEqual({
      code: 0,
      mode: 'multicast',
      listenOn: 'virtualIp',
      said: [
        'assumed: operation mode igmpmulticast becomes multicast: no host joins an IGMP group, so a switch floods or needs static lines, and the MAC address of 123.123.123.123 is another one (nlb ip2mac). Every host needs nft and CAP_NET_ADMIN; --mode routed needs neither',
      ],
    });
  });

  test('is the one that was asked for with --mode, and routed where nothing says it', async () => {
    expect(await modeOf(fixture('params-2003.txt'), '--mode', 'routed')).toEqual({
      code: 0,
      mode: 'routed',
      listenOn: 'dedicatedIp',
      said: [
        "assumed: operation mode multicast becomes routed: give the cluster's name one DNS address for each host instead of 123.123.123.123",
      ],
    });
    const nodes = ['node-list.txt', 'dips.txt', 'rules.txt'].map(fixture);
    expect((await modeOf(...nodes, '--cluster', 'mail.contoso.com')).said).toEqual([
      "assumed: operation mode is routed, as Get-NlbCluster is not in what was given: give the cluster's name one DNS address for each host instead of the cluster IP",
    ]);
    const missing = await nlb(['import', ...nodes, '--cluster', 'a.example', '--port', '25', '--mode', 'arp']);
    expect([missing.code, missing.err]).toEqual([
      1,
      expect.stringContaining('missing: operation mode arp needs the virtual IPs; add the output of Get-NlbCluster\n'),
    ]);
    const wrong = await nlb(['import', fixture('params-2003.txt'), '--mode', 'unicast']);
    expect([wrong.code, wrong.err]).toEqual([2, 'nlb import: --mode is unicast, expected arp, multicast, routed\n']);
  });

  test('that hosts tell differently is a contradiction', async () => {
    const two = edited(
      'params-2003.txt',
      multicast,
      ['ddmvm-2k3-s', 'WEB2'],
      ['222.222.222.222', '222.222.222.223'],
      ['HostPriority              = 1', 'HostPriority              = 2'],
    );
    const { mode, said } = await modeOf(fixture('params-2003.txt'), two);
    expect([mode, said[0]]).toEqual([
      'multicast',
      'contradiction: operation mode is multicast and unicast on different hosts: took multicast',
    ]);
  });
});

describe('nlb import of the cmdlets', () => {
  const whole = ['cluster.txt', 'nodes.txt', 'rule-list.txt'].map(fixture);
  const dips = ['--host', 'node1=3.53.4.1', '--host', 'node2=3.53.4.2', '--cluster', 'cluster1.contoso.com'];

  test('makes a file that nlb check takes, with the handling priority of each node', async () => {
    const { check, file } = await imported(...whole, ...dips, '--port', '25', '--service', '25=127.0.0.1:2525');
    expect(check.code).toBe(0);
    expect(file.hosts.map(({ name, priority, dedicatedIp }) => `${name} ${priority} ${dedicatedIp}`)).toEqual([
      'node1 1 3.53.4.1',
      'node2 2 3.53.4.2',
    ]);
    expect([file.mode, file.virtualIps]).toEqual(['arp', ['3.53.100.100']]);
    expect(file.portRules).toHaveLength(1);
    expect(file.portRules[0]).toMatchObject({
      name: 'smtp',
      filteringMode: 'single',
      handlingPriorities: { node1: 1, node2: 2 },
      service: { address: '127.0.0.1:2525' },
    });
  });

  test('carries the Timeout of extended affinity over as stickFor', async () => {
    const rules = edited('rules.txt', ['Multiple  Single    0', 'Multiple  Single    20']);
    const given = [fixture('node-list.txt'), fixture('dips.txt'), rules];
    const { said, file } = await imported(...given, '--cluster', 'mail.contoso.com', '--port', '25');
    expect(file.portRules.map(({ stickForMs }) => stickForMs)).toEqual([20 * 60_000]);
    expect(said.err).not.toContain('Timeout');
  });

  test('reads tables and lists, also in the UTF-16 that PowerShell writes', async () => {
    const text = ['node-list.txt', 'dips.txt', 'rules.txt'].map(textOf).join('\n\n');
    const path = join(freshDirectory(), 'all.txt');
    writeFileSync(path, Buffer.from(`\uFEFF${text}`, 'utf16le'));
    const { said, file } = await imported(path, '--cluster', 'mail.contoso.com', '--port', '443');
    expect(file.hosts.map(({ name, priority, dedicatedIp }) => `${name} ${priority} ${dedicatedIp}`)).toEqual([
      'node02 1 3.53.4.2',
      'node01 2 3.53.4.1',
    ]);
    expect(file.portRules[0]).toMatchObject({ name: 'https', filteringMode: 'multiple', affinity: 'single' });
    expect(file.hosts.map(({ persistedStates }) => persistedStates)).toEqual([undefined, ['suspended']]);
    expect(said.err).toContain(
      'assumed: what is kept of Node02 over a start of the machine is not in what was given: here every state is kept, and persistedStates: [] keeps none\n',
    );
    expect(said.err).toContain('assumed: host Node02 has no priority in what was given: 1 is the next free one\n');
  });

  test('says of a rule that was disabled or draining there how it is again', async () => {
    const given = (...rules: string[]) => [fixture('node-list.txt'), fixture('dips.txt'), ...rules];
    const about = (text: string) => text.split('\n').filter((line) => line.includes('when this was captured'));
    const table = await imported(...given(fixture('rules-disabled.txt')), '--cluster', 'mail.contoso.com');
    expect(about(table.said.err)).toEqual([
      'left behind: port rule 80-80/both was disabled when this was captured: here it is enabled; once it runs: nlb disable 80',
    ]);
    const list = edited('rule-list.txt', ['PortState        : Enabled', 'PortState        : Draining']);
    expect(about((await imported(...whole.slice(0, 2), list, ...dips, '--port', '25')).said.err)).toEqual([
      'left behind: port rule 25-25/both was draining on host node1 when this was captured: here it is enabled; once it runs: nlb drain 25 --host node1',
    ]);
  });

  test('takes what Get-NlbClusterDriverInfo says for the host of that priority, and says what it is not', async () => {
    const info = edited('driver-info.txt', ['MaxConnectionDescriptors : 262144', 'MaxConnectionDescriptors : 524288']);
    const given = [...['cluster.txt', 'nodes.txt', 'rule-list.txt'].map(fixture), info, ...dips, '--port', '25'];
    const { said, file } = await imported(...given);
    expect(file.hosts.map(({ persistedStates }) => persistedStates)).toEqual([undefined, ['suspended']]);
    expect(said.err).toContain('left behind: MaxConnectionDescriptors is 524288: there is no driver here');
    const history = edited('driver-info.txt', [
      'PersistedHostStates      : True',
      'PersistedHostStates      : True\n\nTime  FromState\n----  ---------\nnow   Unknown',
    ]);
    const other = await imported(...given.slice(0, 3), history, ...dips, '--port', '25');
    expect(other.said.err).toContain('left behind: a list or table of Time, FromState is none that nlb import knows\n');
  });

  test('writes nothing while something is missing, and names it', async () => {
    const out = join(freshDirectory(), 'cluster.yaml');
    const said = await nlb(['import', ...whole.slice(1), '--out', out]);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err.split('\n').filter((line) => line.startsWith('missing: '))).toEqual([
      "missing: host node1 has no dedicated IP in what was given; add Get-NlbClusterNodeDip's output, or --host node1=ADDRESS",
      "missing: host node2 has no dedicated IP in what was given; add Get-NlbClusterNodeDip's output, or --host node2=ADDRESS",
      'missing: port rules are all left out; name the ports of the services: --port 25',
      'missing: ClusterName is not there, expected a full internet name: --cluster mail.example.org',
    ]);
    expect(() => readFileSync(out)).toThrow('ENOENT');
  });
});

test('nlb import prints the file where no --out is given, and all of it as JSON', async () => {
  const plain = await nlb(['import', fixture('params-2003.txt')]);
  expect(plain.out).toContain('cluster: cluster.domain.com\n');
  const json = JSON.parse((await nlb(['import', fixture('params-2003.txt'), '--json'])).out);
  expect([json.ok, json.mistakes]).toEqual([true, []]);
  expect(json.findings[0]).toMatchObject({ item: 'hosts', kind: 'assumed' });
});

test('nlb import refuses what is no output of NLB, and a file that is there', async () => {
  const other = join(freshDirectory(), 'other.txt');
  writeFileSync(other, 'nothing here\n');
  const said = await nlb(['import', other]);
  const expected = `nlb import: ${other} holds no output of nlb params, nlb display or the NLB cmdlets\n`;
  expect([said.code, said.err]).toEqual([2, expected]);
  expect((await nlb(['import', fixture('params-2003.txt'), '--out', other])).code).toBe(4);
});

test('names of Windows hosts become names of ours', () => {
  expect(['WEB1.corp.example', 'DDMVM_2K3', '-x-'].map(ourName)).toEqual(['web1', 'ddmvm-2k3', 'x']);
});
