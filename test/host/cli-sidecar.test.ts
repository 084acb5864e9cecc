/** The verbs that ask a running sidecar, against one that says what it is told to. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fakeSidecar, freshDirectory, nlb, statusFixture } from './cli-fixture.js';
import { fileOf, LAWFUL } from './config-fixture.js';

const STATUS = 'GET /status';
const status = (change: object = {}) => ({ [STATUS]: { code: 200, body: { ...statusFixture(), ...change } } });

async function against(args: string[], answers: Record<string, { code: number; body: unknown }>) {
  const directory = freshDirectory();
  const sidecar = await fakeSidecar(directory, answers);
  const said = await nlb([...args, '--state-dir', directory]);
  await sidecar.close();
  return { ...said, asked: sidecar.asked, directory };
}

describe('nlb query', () => {
  test('says with whom this host is converged, and what became of the others', async () => {
    const { code, out, err } = await against(['query'], status());
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe(`Cluster mail.example.org
Host mail1 converged as DEFAULT with the following host(s) as part of the cluster: 1,3

  PRI  HOST     ADDRESS    STATE               SINCE
  1    mail1 *  10.0.0.11  converged, default  2026-11-22 21:04:19Z
  2    mail2    10.0.0.12  lost                2026-11-22 21:04:19Z
  3    mail3    10.0.0.13  converged           2026-11-22 21:04:19Z
  mail2: no heartbeat since 21:04:17
`);
  });

  test.each([
    ['converging', 1, 'Host mail1 is converging with the following host(s) as part of the cluster: 1,3'],
    ['starting', 1, 'Host mail1 is starting and has no view yet'],
    ['stopped', 1, 'Host mail1 is stopped and takes no part in the cluster'],
    ['alone', 1, 'Host mail1 converged as DEFAULT, alone, with the following host(s) as part of the cluster: 1,3'],
  ])('says %s with exit code %i', async (state, code, sentence) => {
    const said = await against(['query'], status({ state }));
    expect([said.code, said.out.split('\n')[1]]).toEqual([code, sentence]);
  });

  test('gives the same as JSON', async () => {
    const { out } = await against(['query', '--json'], status());
    const { clusterName, thisHost, state, view, drain, hosts } = statusFixture();
    expect(JSON.parse(out)).toEqual({
      clusterName,
      thisHost,
      state,
      view,
      drain,
      ruleDrains: [],
      hosts,
      contradictions: [],
    });
  });

  test('shows what a draining host waits for: how many, from where, for how long', async () => {
    const connection = { client: '192.0.2.7', clientPort: 41234, port: 25, rule: 'smtp', seenForS: 34 };
    const oldest = [connection, { ...connection, client: '2001:db8::7', rule: null, seenForS: 12_000 }];
    const drain = { since: statusFixture().startedAt, endsAt: null, enteredCount: 5, handedHereCount: 2, oldest };
    const { out } = await against(['query'], status({ drain }));
    expect(
      out.slice(out.indexOf('Draining')),
    ).toBe(`Draining since 2026-11-22 21:04:19Z: 7 left, 5 entered here, 2 handed here by
other hosts
  CLIENT               RULE  PORT  SEEN FOR
  192.0.2.7:41234      smtp  25    34 s
  [2001:db8::7]:41234  -     25    3 h 20 min
  and 3 more that entered here
`);
    const ended = { ...drain, endsAt: '2026-11-22T21:05:00.000Z', enteredCount: null, oldest: [] };
    expect((await against(['query'], status({ drain: ended }))).out).toContain(
      'Draining since 2026-11-22 21:04:19Z, until 2026-11-22 21:05:00Z at most: Envoy\ndoes not say',
    );
  });
});

describe('a rule that drains for so long at most', () => {
  const [smtp, ...others] = statusFixture().rules;
  const draining = { ...smtp!, control: 'draining', drainEndsAt: '2026-11-22T21:05:00.000Z', servedOpenCount: 2 };
  const answers = status({ rules: [draining, ...others] });

  test('is shown by query and queryport, with until when and what is left', async () => {
    const { out } = await against(['query'], answers);
    expect(out.replace(/\s+/g, ' ')).toContain(
      'Port rule smtp (25) drains here until 2026-11-22 21:05:00Z, then it is disabled: 2 connections left',
    );
    const ruleDrains = [{ name: 'smtp', drainEndsAt: draining.drainEndsAt, servedOpenCount: 2 }];
    expect(JSON.parse((await against(['query', '--json'], answers)).out)).toMatchObject({ ruleDrains });
    const port = await against(['queryport', '25'], {
      ...answers,
      'GET /in-force': { code: 200, body: { file: { virtualIps: [] } } },
    });
    expect(port.out + port.err).toContain('draining until 2026-11-22 21:05:00Z, then disabled');
  });
});

describe('nlb display', () => {
  test('shows hosts, rules, shares, Envoy and problems within 80 columns', async () => {
    const { code, out } = await against(['display'], status());
    expect(code).toBe(1);
    expect(out).toBe(`Cluster mail.example.org, mode routed
Host mail1 converged as DEFAULT with the following host(s) as part of the cluster: 1,3
View 7 (0123456789abcdef) since 2026-11-22 21:04:19Z, because hostHeard, less
mail2 (lost since)

Hosts (3), * is this host:
  PRI  HOST     ADDRESS    STATE               SINCE
  1    mail1 *  10.0.0.11  converged, default  2026-11-22 21:04:19Z
  2    mail2    10.0.0.12  lost                2026-11-22 21:04:19Z
  3    mail3    10.0.0.13  converged           2026-11-22 21:04:19Z
  mail2: no heartbeat since 21:04:17

Port rules (2):
  RULE  VIP  START  END   PROT  MODE      PRI  LOAD  AFFINITY
  smtp  All  25     25    TCP   Multiple       Eql   Single
  db    All  1000   1099  TCP   Single    2

Shares of new connections:
  RULE  HOST   TAKES PART        EXPECTED  MEASURED  CONNECTIONS
  smtp  mail1  yes                100.0 %    75.0 %           30
        mail2  no: lost             0.0 %    25.0 %           10
        mail3  no: service down     0.0 %     0.0 %            0
  db    mail1  yes                100.0 %         -            0
  smtp: 3 open entered here, 2 open served here, 1 fallback, refused: 2 nobody
  db: 0 open entered here, 0 open served here, 0 fallbacks, none refused

Envoy 1.40.0 (process 4711): serving, has the newest configuration
File /etc/envoy-nlb/cluster.yaml, revision 3, fingerprint a1c67144a90125c1
Heartbeat packets dropped: 4 wrongMac

Problems (1), newest first:
  2026-11-22 21:04:19Z  The service of port rule smtp does not answer on mail3
`);
    const tables = out.split('\n').filter((line) => !line.startsWith('Host mail1'));
    expect(tables.filter((line) => line.length > 80)).toEqual([]);
  });

  test('exits 0 where no problem is known', async () => {
    const { code, out } = await against(['display'], status({ problems: [] }));
    expect([code, out.endsWith('\nNo problems known\n')]).toEqual([0, true]);
  });
});

describe('verbs that change this host', () => {
  test.each([
    [['start'], 'POST /start'],
    [['start', '--now'], 'POST /start?now=true'],
    [['stop'], 'POST /stop'],
    [['drainstop'], 'POST /drainstop'],
    [['drainstop', '--timeout', '2m'], 'POST /drainstop?timeoutMs=120000'],
    [['suspend'], 'POST /suspend'],
    [['resume'], 'POST /resume'],
    [['forget', 'mail2'], 'POST /forget?name=mail2'],
    [['enable', 'all'], 'POST /enable?port=all'],
    [['disable', '25'], 'POST /disable?port=25'],
    [['drain', '80', '--vip', '10.0.0.100'], 'POST /drain?port=80&vip=10.0.0.100'],
    [['drain', '80', '--timeout', '30s'], 'POST /drain?port=80&timeoutMs=30000'],
    [['reload'], 'POST /reload'],
  ])('nlb %j asks %s', async (args, path) => {
    const answer = { ok: true, text: 'host mail1 does it' };
    const said = await against(args, { [path]: { code: 200, body: answer } });
    expect([said.code, said.out, said.err, said.asked]).toEqual([0, 'host mail1 does it\n', '', [path]]);
    const json = await against([...args, '--json'], { [path]: { code: 200, body: answer } });
    expect(JSON.parse(json.out)).toEqual(answer);
  });

  test('exit 4 with the reason when the sidecar refuses', async () => {
    const answers = { 'POST /reload': { code: 409, body: { ok: false, text: 'c.yaml:1:1: mode is missing' } } };
    const { code, out, err } = await against(['reload'], answers);
    expect([code, out, err]).toEqual([4, '', 'nlb reload: c.yaml:1:1: mode is missing\n']);
  });
});

describe('nlb queryport', () => {
  const inForce = { 'GET /in-force': { code: 200, body: { file: { virtualIps: ['10.0.0.100'] } } } };

  test('shows the rule, its state on this host, and what went through', async () => {
    const { code, out } = await against(['queryport', '25'], { ...status(), ...inForce });
    expect(code).toBe(0);
    expect(out).toBe(`Port rule smtp (25) on host mail1: enabled, takes part, 100.0 % of new connections
  Accepted here, served here                           30
  Accepted here, handed off                            10  (mail2 10, mail3 0)
    of these served here, the owner being silent        1
  Refused                                               2  (nobody 2)
  Handed to this host by others                         0
  Open, entered here                                    3
  Open, to the service here                             2
`);
  });

  test('exits 1 where the rule is disabled or draining there, or no rule holds the port', async () => {
    const [smtp, db] = statusFixture().rules;
    const drained = status({ rules: [{ ...smtp!, control: 'draining' }, db] });
    const said = await against(['queryport', '25'], { ...drained, ...inForce });
    expect([said.code, said.out.split('\n')[0]]).toEqual([
      1,
      'Port rule smtp (25) on host mail1: draining, takes part, 100.0 % of new connections',
    ]);
    const none = await against(['queryport', '26'], { ...status(), ...inForce });
    const text = 'No port rule holds port 26; there are smtp (25), db (1000-1099)';
    expect([none.code, none.err]).toEqual([1, `nlb queryport: ${text}\n`]);
    expect((await against(['queryport', 'x'], { ...status(), ...inForce })).code).toBe(2);
  });
});

describe('nlb params', () => {
  const view = { fingerprint: 'a1c67144a90125c1', protocolVersion: 1, decisionVersion: 1 };
  const paramsOf = (text: string, ...more: string[]) => {
    const answers = { ...status(), 'GET /in-force': { code: 200, body: { file: fileOf(text), view } } };
    return against(['params', ...more], answers);
  };
  const rowsOf = (out: string) => out.split('\n').map((line) => line.trim().split(/ {2,}/));

  test('shows the values in force beside the names of NLB', async () => {
    const { code, out } = await paramsOf(LAWFUL);
    expect(code).toBe(0);
    expect(rowsOf(out)).toEqual(
      expect.arrayContaining([
        ['cluster', 'mail.example.org', 'ClusterName'],
        ['mail1: priority', '1', 'HostPriority'],
        ['mail1: dedicatedIp', '10.0.0.11', 'DedicatedIPAddress'],
        ['mail1: initialState', 'started', 'ClusterModeOnStart'],
        ['mail1: persistedStates', 'started stopped suspended', 'PersistedStates'],
        ['mail1: state', 'converged', 'HostState'],
        ['heartbeat.periodMs', '1000', 'AliveMsgPeriod'],
        ['heartbeat.missedMax', '5', 'AliveMsgTolerance'],
        ['remoteControl', 'off', 'RemoteControlEnabled'],
        ['port rules', '2', 'NumberOfRules'],
        ['ipv6PrefixLength', '64'],
        ['smtp: stickFor', 'off', 'Timeout'],
      ]),
    );
    expect(out).toContain('Port rules (2):\n  RULE  VIP  START  END   PROT  MODE');
    expect(JSON.parse((await paramsOf(LAWFUL, '--json')).out).portRules).toHaveLength(2);
  });

  test('leaves out no setting of the file in force', async () => {
    const text = LAWFUL.replace(
      'mode: routed\nlistenOn: dedicatedIp',
      'mode: arp\nvirtualIps: [10.0.0.100]\nfailback: 02:00-04:30\noutgoing: virtualIp\ninterface: {mail1: eth7}\nremoteControl: {port: 7700, tokenFile: tokens.yaml}\nconnectionLog: {path: stdout}',
    )
      .replace('dedicatedIp: 10.0.0.11', 'dedicatedIp: 10.0.0.11, initialState: stopped, persistedStates: [suspended]')
      .replace(
        'ports: 25',
        'ports: 25\n    stickFor: 30m\n    failback: slowly 10m\n    loadWeight: {mail1: 60, mail2: 40}',
      );
    const rows = rowsOf((await paramsOf(text)).out);
    expect(rows).toEqual(
      expect.arrayContaining([
        ['mail1: interface', 'eth7', 'InterfaceName'],
        ['mail1: initialState', 'stopped', 'ClusterModeOnStart'],
        ['mail1: persistedStates', 'suspended', 'PersistedStates'],
        ['failback', '02:00-04:30'],
        ['outgoing', 'virtualIp'],
        ['otherPorts', 'defaultHost'],
        ['remoteControl.port', '7700', 'RemoteControlUDPPort'],
        ['connectionLog.path', 'stdout'],
        ['smtp: loadWeight', 'mail1 60, mail2 40', 'LoadWeight, EqualLoad'],
        ['smtp: stickFor', '30m', 'Timeout'],
        ['smtp: failback', 'slowly 10m'],
        ['smtp: service.proxyProtocol', 'v2'],
        ['web: handlingPriority', 'mail1 1, mail2 2', 'HandlingPriority'],
      ]),
    );
    // What a file may say at its top, whatever comes to it later: each has its row.
    const known = new Set(['clusterName', 'hosts', 'portRules', 'link']);
    const missing = Object.keys(fileOf(text)).filter(
      (key) => !known.has(key) && !rows.some(([row]) => row!.split('.')[0] === key),
    );
    expect(missing).toEqual([]);
  });
});

describe('nlb explain of a running sidecar', () => {
  test('hands the question over as it was written', async () => {
    const path = 'GET /explain?client=%5B2001%3Adb8%3A%3A1%5D%3A99&port=25&protocol=tcp&to=10.0.0.100';
    const refusal = { code: 400, body: { ok: false, text: 'to is 10.0.0.100, expected one of 10.0.0.11' } };
    const said = await against(['explain', '[2001:db8::1]:99', '--port', '25', '--to', '10.0.0.100'], {
      [path]: refusal,
    });
    expect([said.code, said.err, said.asked]).toEqual([2, `nlb explain: ${refusal.body.text}\n`, [path]]);
  });
});

describe('nlb explain --all', () => {
  const silent = { code: 502, body: { ok: false, text: 'host mail3 does not answer: nobody listens there' } };
  const question = ['explain', '192.0.2.7', '--port', '25', '--all'];
  const path = '/explain?client=192.0.2.7&port=25&protocol=tcp';
  const host = (name: string, place: string, absence: string | null = null) => {
    return { name, place, absence, loadWeight: 50, handlingPriority: 0, draw: null, logarithm: null, cost: null };
  };
  const told = (entryHost: string, change: object = {}) => ({
    code: 200,
    body: {
      text: `Client 192.0.2.7 on port 25/tcp belongs to mail1. Said by ${entryHost}.`,
      client: { address: '192.0.2.7', port: null },
      destination: { address: '10.0.0.11', port: 25, protocol: 'tcp' },
      entryHost,
      viewNumber: 7,
      rule: { name: 'smtp', filteringMode: 'multiple', affinity: 'single', ownerPatienceMs: 1000 },
      key: { bytesHex: 'c0 00 02 07', hash: 1, bucket: 2, hashSeed: 3 },
      owner: 'mail1',
      nextOwner: 'mail3',
      refused: null,
      mayFallBack: true,
      hosts: [host('mail1', 'owner'), host('mail3', 'nextOwner'), host('mail2', 'takesNoPart', 'lost')],
      ...change,
    },
  });
  const answers = (mail2: object, mail3: object) => ({
    ...status(),
    [`GET ${path}`]: told('mail1'),
    [`GET /hosts/mail2${path}`]: mail2 as never,
    [`GET /hosts/mail3${path}`]: mail3 as never,
  });

  test('gives one answer where every host decides alike', async () => {
    const said = await against(question, answers(told('mail2'), told('mail3')));
    expect([said.code, said.err]).toEqual([0, '']);
    expect(said.out).toMatch(/^Client 192\.0\.2\.7 on port 25\/tcp belongs to mail1\. Said by mail1\.\n/);
    expect(said.out.match(/^Client/gm)).toHaveLength(1);
    expect(said.out).toContain('\nDecided by view 7, as in force on mail1, mail2, mail3.\n');
  });

  test("gives each host's answer where they differ, asked once more, and exits 1", async () => {
    const hosts = [host('mail2', 'owner'), host('mail1', 'nextOwner'), host('mail3', 'later')];
    const other = told('mail3', { viewNumber: 6, owner: 'mail2', nextOwner: 'mail1', hosts });
    const said = await against(question, answers(told('mail2'), other));
    expect([said.code, said.err]).toEqual([1, '']);
    expect(said.out).toContain(
      'The hosts decide differently: mail1, mail2 (view 7 less mail2): mail1; mail3\n(view 6): mail2.\n\n--- mail1, mail2\n',
    );
    expect(said.out).toContain('\n--- mail3\n');
    expect(said.asked.filter((asked) => asked === `GET /hosts/mail3${path}`)).toHaveLength(2);
    const alike = await against([...question, '--json'], answers(told('mail2'), told('mail3', { viewNumber: 6 })));
    expect([alike.code, JSON.parse(alike.out)]).toEqual([
      1,
      {
        agree: false,
        text: 'The hosts take the same decision, yet not by the same view: mail1, mail2 (view 7 less mail2): mail1; mail3 (view 6 less mail2): mail1.',
        answers: ['mail1', 'mail2', 'mail3'].map((name) => ({
          host: name,
          explanation: told(name, name === 'mail3' ? { viewNumber: 6 } : {}).body,
        })),
        unanswered: [],
      },
    ]);
  });

  test('names a host that does not answer, and says once what is wrong with a question', async () => {
    const said = await against(question, answers(told('mail2'), silent));
    expect([said.code, said.err]).toEqual([3, 'mail3: host mail3 does not answer: nobody listens there\n']);
    expect(said.out).toContain('as in force on mail1, mail2.\n');
    const wrong = { code: 400, body: { ok: false, text: 'client is x, expected ADDRESS' } };
    const none = await against(question, { ...answers(wrong, wrong), [`GET ${path}`]: wrong });
    expect([none.code, none.out, none.err]).toEqual([2, '', 'nlb explain: client is x, expected ADDRESS\n']);
    const file = await nlb([...question, '--config', 'c.yaml']);
    expect([file.code, file.err]).toEqual([
      2,
      'nlb explain: --all and --config exclude each other: a file has no hosts to ask\n',
    ]);
  });
});

describe('a sidecar that does not answer', () => {
  test('is named with what is wrong with its socket, exit 3', async () => {
    const directory = freshDirectory();
    const socket = join(directory, 'nlb.sock');
    const missing =
      `nlb query: Cannot reach the sidecar at ${socket}: there is no ` +
      `such socket; is it running on this host (nlb run)?\n`;
    expect(await nlb(['query'], { NLB_STATE_DIR: directory })).toEqual({ code: 3, out: '', err: missing });
    writeFileSync(socket, '');
    expect((await nlb(['query', '--state-dir', directory])).code).toBe(3);
  });

  test('says what it said instead of an answer', async () => {
    const broken = await against(['query'], { [STATUS]: { code: 200, body: '<html>' } });
    expect(broken.err).toBe(
      `nlb query: Cannot reach the sidecar at ${broken.directory}/nlb.sock: it answers /status with something that is not JSON\n`,
    );
    const error = await against(['stop'], { 'POST /stop': { code: 500, body: { wrong: 1 } } });
    expect([error.code, error.err]).toEqual([
      3,
      `nlb stop: Cannot reach the sidecar at ${error.directory}/nlb.sock: it answers /stop with 500: {"wrong":1}\n`,
    ]);
  });
});

test('one of several sidecars is chosen by name or priority', async () => {
  const directory = freshDirectory();
  mkdirSync(join(directory, 'empty'));
  const second = statusFixture().hosts.map((host) => ({ ...host, isThisHost: host.name === 'mail3' }));
  const one = await fakeSidecar(join(directory, 'a'), status());
  const args = (...more: string[]) => ['query', '--json', '--state-dir', directory, ...more];
  expect(JSON.parse((await nlb(args())).out).thisHost).toBe('mail1');
  const two = await fakeSidecar(join(directory, 'b'), status({ thisHost: 'mail3', hosts: second }));
  const several = `nlb query: Several sidecars are under ${directory}: a, b. Choose one with --host\n`;
  expect(await nlb(args())).toEqual({ code: 2, out: '', err: several });
  expect(JSON.parse((await nlb(args('--host', 'mail3'))).out).thisHost).toBe('mail3');
  expect(JSON.parse((await nlb(args('--host', '1'))).out).thisHost).toBe('mail1');
  await Promise.all([one.close(), two.close()]);
});

describe('a host elsewhere', () => {
  const done = { code: 200, body: { ok: true, text: 'host mail2 leaves' } };
  const silent = { code: 502, body: { ok: false, text: 'host mail3 does not answer: nobody listens there' } };

  test('is asked through the sidecar of this one', async () => {
    const said = await against(['stop', '--host', 'mail2'], { ...status(), 'POST /hosts/mail2/stop': done });
    expect(said).toMatchObject({ code: 0, out: 'host mail2 leaves\n', err: '' });
    const byPriority = {
      ...status(),
      'GET /hosts/3/status': { code: 200, body: { ...statusFixture(), thisHost: 'mail3' } },
    };
    expect(JSON.parse((await against(['query', '--json', '--host', '3'], byPriority)).out).thisHost).toBe('mail3');
  });

  test('is named where it does not answer, exit 3, and where there is none of that name, exit 2', async () => {
    const answers = {
      ...status(),
      'POST /hosts/mail3/stop': silent,
      'POST /hosts/mail9/stop': { code: 404, body: { ok: false, text: 'There is no host mail9 in the cluster' } },
    };
    expect(await against(['stop', '--host', 'mail3'], answers)).toMatchObject({
      code: 3,
      err: 'nlb stop: host mail3 does not answer: nobody listens there\n',
    });
    expect(await against(['stop', '--host', 'mail9'], answers)).toMatchObject({
      code: 2,
      err: 'nlb stop: There is no host mail9 in the cluster\n',
    });
  });

  test('with --all every host answers for itself, and the highest exit code counts', async () => {
    const answers = {
      ...status(),
      'POST /reload': { code: 200, body: { ok: true, text: 'offered' } },
      'POST /hosts/mail2/reload': { code: 409, body: { ok: false, text: 'mistake' } },
      'POST /hosts/mail3/reload': silent,
    };
    const said = await against(['reload', '--all'], answers);
    expect(said).toMatchObject({
      code: 4,
      out: 'mail1: offered\n',
      err: 'mail2: mistake\nmail3: host mail3 does not answer: nobody listens there\n',
    });
    const json = await against(['reload', '--all', '--json'], answers);
    expect(JSON.parse(json.out)).toEqual([
      { host: 'mail1', exitCode: 0, answer: { ok: true, text: 'offered' } },
      { host: 'mail2', exitCode: 4, answer: { ok: false, text: 'mistake' } },
      { host: 'mail3', exitCode: 3, answer: silent.body },
    ]);
    expect(await against(['reload', '--all', '--host', 'mail2'], answers)).toMatchObject({ code: 2 });
  });

  test('nlb forget --all asks all but the host that is meant, and --all asks no forgotten one', async () => {
    const done = { code: 200, body: { ok: true, text: 'forgotten' } };
    const asks = { 'POST /forget?name=mail2': done, 'POST /hosts/mail3/forget?name=mail2': done };
    const said = await against(['forget', 'mail2', '--all'], { ...status(), ...asks });
    expect([said.code, said.out]).toEqual([0, 'mail1: forgotten\nmail3: forgotten\n']);
    const hosts = statusFixture().hosts.map((host) => (host.name === 'mail2' ? { ...host, state: 'forgotten' } : host));
    const stop = { 'POST /stop': done, 'POST /hosts/mail3/stop': done };
    expect((await against(['stop', '--all'], { ...status({ hosts }), ...stop })).code).toBe(0);
    const { out } = await against(['query'], status({ hosts }));
    expect(out).not.toContain('  2    mail2');
    expect(out).toContain('Forgotten until heard again: mail2 (still in the cluster file)');
  });

  test('nlb query --all says one line a host', async () => {
    const other = { code: 200, body: { ...statusFixture(), thisHost: 'mail2', state: 'alone' } };
    const answers = { ...status(), 'GET /hosts/mail2/status': other, 'GET /hosts/mail3/status': silent };
    const said = await against(['query', '--all'], answers);
    expect(said.code).toBe(3);
    expect(said.out.split('\n').map((line) => line.slice(0, 31))).toEqual([
      'mail1: Host mail1 converged as ',
      'mail2: Host mail2 converged as ',
      '',
    ]);
  });
});

describe('nlb clients', () => {
  const client = { hash: 0xcafe, host: 'mail1', ageMs: 0, isOpen: true, isKept: true };
  const rule = {
    rule: 'rdp',
    stickForMs: 1_800_000,
    count: 7,
    keptCount: 1,
    clients: [client, { ...client, hash: 1, host: 'mail2', ageMs: 250_000, isOpen: false, isKept: false }],
  };

  test('lists who is remembered, where, and who is kept', async () => {
    const { code, out, asked } = await against(['clients', '--rule', 'rdp', '--kept'], {
      'GET /clients?rule=rdp&kept=true': { code: 200, body: [rule] },
    });
    expect([code, asked]).toEqual([0, ['GET /clients?rule=rdp&kept=true']]);
    expect(out).toBe(`Rule rdp: 7 clients within 30m, 1 kept at their host
  HASH        HOST   LAST CONNECTION
  0x0000cafe  mail1  open             kept
  0x00000001  mail2  4 min ago
`);
  });

  test('says that no rule has stickFor, with exit code 1, and names a rule that is none with 2', async () => {
    const none = await against(['clients'], { 'GET /clients': { code: 200, body: [] } });
    expect([none.code, none.out]).toEqual([1, 'No port rule has stickFor: no clients are remembered\n']);
    const body = { ok: false, text: 'rule is x, expected one of rdp' };
    const wrong = await against(['clients', '--rule', 'x'], { 'GET /clients?rule=x': { code: 400, body } });
    expect([wrong.code, wrong.err]).toEqual([2, 'nlb clients: rule is x, expected one of rdp\n']);
  });
});

describe('nlb rollback, when the way of its answer is cut', () => {
  test('says that it may be in force and where to look, which it does not where nobody was asked', async () => {
    const directory = freshDirectory();
    const server = createServer((request) => request.socket.destroy());
    await new Promise<void>((resolve) => server.listen(join(directory, 'nlb.sock'), resolve));
    const socket = join(directory, 'nlb.sock');
    const { code, err } = await nlb(['rollback', '--confirm', '60s', '--state-dir', directory]);
    expect([code, err]).toEqual([
      3,
      `nlb rollback: Cannot reach the sidecar at ${socket}: socket hang up; whether it is in force is not known here, ` +
        'nlb revisions on one of the hosts tells; unless nlb confirm is said it is taken back after 60s\n',
    ]);
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    const nobody = await nlb(['rollback', '--confirm', '60s', '--state-dir', directory]);
    expect([nobody.code, nobody.err.includes('in force')]).toEqual([3, false]);
  });
});
