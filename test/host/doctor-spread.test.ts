/** nlb doctor: everything on one host, and remote control that does not answer. */
import { describe, expect, test } from 'vitest';
import type { ClusterStatus, RuleHostStatus } from '../../host/admin/status.js';
import type { Examined, HostFacts } from '../../host/doctor/facts.js';
import { judge } from '../../host/doctor/judge.js';
import { judgeSpread } from '../../host/doctor/judge-spread.js';
import type { Affinity, ClusterFile } from '../../host/protocol/types.js';
import { statusFixture } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const NOW = '2026-11-22T21:04:19.123Z';
const file = fileOf(changed());
const rule = file.portRules.find(({ filteringMode }) => filteringMode === 'multiple')!;

const part = (host: string, connectionCount: number, change: Partial<RuleHostStatus> = {}): RuleHostStatus => ({
  host,
  control: 'enabled',
  takesPart: true,
  absence: null,
  loadWeight: 50,
  handlingPriority: 0,
  expectedShare: 0.5,
  connectionCount,
  measuredShare: null,
  ...change,
});

/** Two hosts: of each, how many connections entered there for mail1 and for mail2. */
function hosts(entered: [RuleHostStatus[], RuleHostStatus[]], more: (facts: HostFacts) => void = () => {}): Examined[] {
  return ['mail1', 'mail2'].map((host, i) => {
    const before = statusFixture();
    const rules = [{ ...before.rules[0]!, name: rule.name, hosts: entered[i]! }];
    const status: ClusterStatus = { ...before, thisHost: host, state: 'converged', rules, problems: [] };
    status.hosts = status.hosts.slice(0, 2).map((each) => ({ ...each, state: 'converged' }));
    const facts: HostFacts = {
      host,
      at: NOW,
      status,
      handoffs: [],
      services: [],
      onDisabledPorts: [],
      virtualIpsHere: [],
    };
    more(facts);
    return { facts, clockAheadMs: 0, errorMs: 0 };
  });
}

const said = (examined: Examined[], of: ClusterFile = file): string[] =>
  judgeSpread(of, examined).map(({ text }) => text);

const withAffinity = (affinity: Affinity): ClusterFile => ({
  ...file,
  portRules: file.portRules.map((each) => (each === rule ? { ...each, affinity } : each)),
});

describe('judgeSpread()', () => {
  test('finds nothing where connections fall as they should, nor where they are few', () => {
    expect(
      said(
        hosts([
          [part('mail1', 60), part('mail2', 40)],
          [part('mail1', 45), part('mail2', 55)],
        ]),
      ),
    ).toEqual([]);
    expect(
      said(
        hosts([
          [part('mail1', 50), part('mail2', 0)],
          [part('mail1', 45), part('mail2', 0)],
        ]),
      ),
    ).toEqual([]);
  });

  test('names a host that gets nearly all, and what affinity has to do with it', () => {
    const examined = hosts([
      [part('mail1', 480), part('mail2', 10)],
      [part('mail1', 500), part('mail2', 10)],
    ]);
    expect(said(examined, withAffinity('single'))).toEqual([
      'rule smtp: 980 of 1000 connections went to mail1, expected 50 %; with affinity single all clients behind one address are one client',
    ]);
    expect(said(examined, withAffinity('none'))).toEqual([
      'rule smtp: 980 of 1000 connections went to mail1, expected 50 %',
    ]);
  });

  test('takes it for well where weights want it so', () => {
    const shares: [Partial<RuleHostStatus>, Partial<RuleHostStatus>] = [
      { expectedShare: 0.95 },
      { expectedShare: 0.05 },
    ];
    const each = () => [part('mail1', 480, shares[0]), part('mail2', 10, shares[1])];
    expect(said(hosts([each(), each()]))).toEqual([]);
  });

  test('names a rule in which one host alone takes part, and why the others do not', () => {
    const out = { takesPart: false, absence: 'weightZero', expectedShare: 0 } as const;
    const each = (absence: RuleHostStatus['absence']) => [
      part('mail1', 10, { expectedShare: 1 }),
      part('mail2', 0, { ...out, absence }),
    ];
    expect(said(hosts([each('weightZero'), each('weightZero')]))).toEqual([
      'rule smtp leads every client to mail1: mail2 has load weight 0',
    ]);
    expect(said(hosts([each('lost'), each('lost')]))).toEqual([]);
  });

  test('names the only entry in mode routed, and not in the modes of one address', () => {
    const examined = hosts([
      [part('mail1', 250), part('mail2', 250)],
      [part('mail1', 0), part('mail2', 3)],
    ]);
    expect(said(examined)).toEqual([
      '500 of 503 connections entered at mail1: those that are open depend on that one machine',
    ]);
    expect(said(examined, { ...file, mode: 'arp' })).toEqual([]);
  });

  test('names connections that no port rule covers, which the default host gets', () => {
    const examined = hosts(
      [
        [part('mail1', 2), part('mail2', 2)],
        [part('mail1', 2), part('mail2', 2)],
      ],
      ({ status }) => {
        status.otherPorts = {
          servedHereCount: 150,
          handedOffCount: 50,
          refusedCounts: {},
          openCount: 0,
          servedOpenCount: 0,
        };
      },
    );
    expect(said(examined)).toEqual([
      '400 of 408 connections came to ports that no port rule covers: the default host gets them all',
    ]);
  });
});

test('judge() names remote control that does not answer, closed there or in between, and not of a host that is silent', () => {
  const remote = {
    ...file,
    remoteControl: { port: 7623, tokenFile: 't', certificate: null, privateKey: null, names: [] },
  };
  const none: [RuleHostStatus[], RuleHostStatus[]] = [[], []];
  const failing = (of: (from: string) => string[]) =>
    hosts(none, (facts) => {
      facts.remoteControls = file.hosts.map(({ name, dedicatedIp }) => {
        return { host: name, address: dedicatedIp, failure: of(facts.host).includes(name) ? 'ECONNREFUSED' : null };
      });
    });
  const found = (examined: Examined[], silent: string[] = []) =>
    judge(
      remote,
      examined,
      silent.map((host) => ({ host, reason: 'no answer' })),
      null,
      NOW,
    )
      .filter(({ check }) => check === 'remoteControl')
      .map(({ text, todo }) => `${text} -> ${todo}`);
  expect(found(failing(() => []))).toEqual([]);
  expect(found(failing(() => ['mail2']))).toEqual([
    'remote control of host mail2 (10.0.0.12:7623/tcp) does not answer hosts mail1 and mail2: ECONNREFUSED -> nlb display on mail2 says why it is not open',
  ]);
  expect(found(failing((from) => (from === 'mail1' ? ['mail2'] : [])))).toEqual([
    'remote control of host mail2 (10.0.0.12:7623/tcp) does not answer host mail1: ECONNREFUSED -> let 7623/tcp through to mail2',
  ]);
  expect(found(failing(() => ['mail2']).slice(0, 1), ['mail2'])).toEqual([]);
});
