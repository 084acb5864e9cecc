/** nlb doctor: each known trouble once, named with host, values and what to do; and nothing where all is well. */
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { inForceOfFile } from '../../host/admin/explain.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import { dnsOf, type Resolving } from '../../host/cli/doctor-dns.js';
import type {
  DnsFacts,
  DoctorFinding,
  Examined,
  HostFacts,
  ReverseFacts,
  ServiceFacts,
} from '../../host/doctor/facts.js';
import { judge } from '../../host/doctor/judge.js';
import { notKnownOf } from '../../host/doctor/not-known.js';
import { examine } from '../../host/examine.js';
import { exposedSockets, isOfRule } from '../../host/examine-sockets.js';
import { serviceOf } from '../../host/protocol/config/index.js';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { fakeSidecar, freshDirectory, nlb, statusFixture } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const NOW = '2026-11-22T21:04:19.123Z';
const THIRD = '  - {name: mail3, priority: 3, dedicatedIp: 10.0.0.13}\nportRules:';
const file = fileOf(changed(['portRules:', THIRD]));
const NAMES = ['mail1', 'mail2', 'mail3'];

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

const OTHER_KEY = { since: NOW, text: 'wrong key at 10.0.0.99', cause: 'unverified', host: null, todo: 'look there' };

function statusOf(name: string): ClusterStatus {
  const status = statusFixture();
  const hosts = status.hosts.map((host) => ({
    ...host,
    state: 'converged' as const,
    isThisHost: host.name === name,
    isDefaultHost: host.name === 'mail1',
  }));
  const rules = status.rules.map((rule) => ({
    ...rule,
    hosts: rule.hosts.map((each) => ({ ...each, takesPart: true, absence: null, connectionCount: 0 })),
  }));
  return { ...status, thisHost: name, hosts, rules, lostSince: [], problems: [] };
}

const service = (change: Partial<ServiceFacts> = {}): ServiceFacts => ({
  rule: 'smtp',
  address: '127.0.0.1:2525',
  exposed: [],
  smtp: { offers: { SIZE: '52428800', STARTTLS: '' }, relays: false },
  certificateEnds: '2027-06-01T00:00:00.000Z',
  failure: null,
  ...change,
});

/** Three hosts that are well, with what `change` does to them. */
function cluster(change: (facts: Record<string, HostFacts>, examined: Record<string, Examined>) => void = () => {}) {
  const facts: Record<string, HostFacts> = {};
  const examined: Record<string, Examined> = {};
  for (const host of NAMES) {
    const others = NAMES.filter((name) => name !== host);
    facts[host] = {
      host,
      at: NOW,
      status: statusOf(host),
      handoffs: others.map((name) => ({ host: name, address: `10.0.0.1${name.at(-1)}`, failure: null })),
      services: [service()],
      onDisabledPorts: [],
      virtualIpsHere: [],
      left: { mode: 'routed', addresses: [], tables: [] },
    };
    examined[host] = { facts: facts[host]!, clockAheadMs: 3, errorMs: 5 };
  }
  change(facts, examined);
  return Object.values(examined);
}

/** What DNS says of an address: its names with where they lead, or why there is no answer. */
function back(address: string, names: Record<string, string[] | string>, failure: string | null = null): ReverseFacts {
  const each = Object.entries(names).map(([name, leads]) =>
    typeof leads === 'string' ? { name, addresses: null, failure: leads } : { name, addresses: leads, failure: null },
  );
  return { address, names: each, failure };
}

const DNS: DnsFacts = {
  addresses: ['10.0.0.11', '10.0.0.12', '10.0.0.13'],
  failure: null,
  reverse: [back('10.0.0.11', { 'mail.example.org': ['10.0.0.11', '10.0.0.12', '10.0.0.13'] })],
};
const found = (examined: Examined[], dns: DnsFacts | null = DNS): DoctorFinding[] =>
  judge(file, examined, [], dns, NOW);
const texts = (examined: Examined[], dns?: DnsFacts): string[] => found(examined, dns).map(({ text }) => text);

describe('judge()', () => {
  test('finds nothing in a cluster that is well', () => {
    expect(found(cluster())).toEqual([]);
  });

  test('names services that differ, the few first', () => {
    const examined = cluster((facts) => {
      facts.mail2!.services = [service({ smtp: { offers: { SIZE: '10240000' }, relays: true } })];
    });
    expect(texts(examined)).toEqual([
      'rule smtp: host mail2 offers SIZE 10240000, hosts mail1 and mail3 52428800',
      'rule smtp: host mail2 does not offer STARTTLS, hosts mail1 and mail3 do',
      'rule smtp: host mail2 relays for strangers, hosts mail1 and mail3 do not',
      'host mail2: the service of rule smtp takes mail from a stranger for a stranger: it is an open relay',
    ]);
  });

  test('names what differs behind STARTTLS alone, and what differs before it only once', () => {
    const behind = (offers: Record<string, string>, offersTls: Record<string, string>): ServiceFacts =>
      service({ smtp: { offers: { STARTTLS: '', ...offers }, offersTls, relays: false } });
    const examined = cluster((facts) => {
      facts.mail1!.services = [behind({ SIZE: '1000' }, { SIZE: '1000', AUTH: 'LOGIN PLAIN' })];
      facts.mail2!.services = [behind({ SIZE: '2000' }, { SIZE: '2000', AUTH: 'PLAIN' })];
      facts.mail3!.services = [behind({ SIZE: '2000' }, { SIZE: '2000', AUTH: 'LOGIN PLAIN' })];
    });
    expect(texts(examined)).toEqual([
      'rule smtp: host mail1 offers SIZE 1000, hosts mail2 and mail3 2000',
      'rule smtp: host mail2 offers AUTH PLAIN, hosts mail1 and mail3 LOGIN PLAIN (after STARTTLS)',
    ]);
  });

  test('names a certificate near its end, a service past Envoy and one on a disabled port', () => {
    const examined = cluster((facts) => {
      facts.mail1!.services = [service({ certificateEnds: '2026-11-30T00:00:00.000Z' })];
      facts.mail2!.services = [service({ certificateEnds: '2026-11-20T21:00:00.000Z' })];
      facts.mail3!.services = [service({ exposed: ['0.0.0.0:2525 (smtpd, process 812)'] })];
      facts.mail3!.onDisabledPorts = [{ rule: 'web', socket: '10.0.0.13:8000 (nginx, process 9)' }];
    });
    expect(texts(examined)).toEqual([
      'host mail1: the service of rule smtp shows a certificate that ends in 7 days',
      'host mail2: the service of rule smtp shows a certificate that ended 3 days ago',
      'host mail3: the service of rule smtp is reached past Envoy: it listens on 0.0.0.0:2525 (smtpd, process 812)',
      'host mail3: rule web is disabled, and something listens on its port: 10.0.0.13:8000 (nginx, process 9)',
    ]);
  });

  test('names a port that is closed one way, and a heartbeat that comes one way', () => {
    const examined = cluster((facts) => {
      facts.mail1!.handoffs[0]!.failure = 'no connection within 2000 ms';
      facts.mail1!.status.hosts[1]!.state = 'lost';
    });
    expect(texts(examined)).toEqual([
      'host mail1 does not hear the heartbeats of mail2, though it is heard there',
      'host mail1 does not reach the handoff port of mail2 (10.0.0.12:7620/tcp): no connection within 2000 ms',
    ]);
  });

  test('names several default hosts, differing files, a clock that is off, and what sidecars say themselves', () => {
    const examined = cluster((facts, all) => {
      for (const host of facts.mail3!.status.hosts) host.isDefaultHost = host.name === 'mail3';
      facts.mail3!.status.file.fingerprint = 'ffff000000000000';
      all.mail2!.clockAheadMs = -4200;
      for (const name of NAMES) facts[name]!.status.problems = [OTHER_KEY];
    });
    expect(texts(examined)).toEqual([
      'there are several default hosts: mail1 for hosts mail1 and mail2, mail3 for host mail3',
      'cluster files differ: hosts mail1 and mail2 a1c67144a90125c1, host mail3 ffff000000000000',
      'the clock of host mail2 is 4.2 s behind the others',
      'hosts mail1, mail2 and mail3 say: wrong key at 10.0.0.99',
    ]);
  });

  test('tells a lost host from one whose channel alone is closed', () => {
    const [one, two] = cluster();
    for (const { facts } of [one!, two!]) facts.status.hosts[2]!.state = 'lost';
    const silent = [{ host: 'mail3', reason: 'no answer' }];
    const lost = judge(file, [one!, two!], silent, null, NOW);
    expect(lost.map(({ check, text }) => `${check}: ${text}`)).toEqual(['lost: host mail3 is lost: no host hears it']);
    const closed = judge(file, cluster().slice(0, 2), silent, null, NOW);
    expect(closed.map(({ text, todo }) => `${text}; ${todo}`)).toEqual([
      'host mail3 does not answer on the host channel: no answer; let 7621/tcp through between the hosts, both ways',
    ]);
  });

  test('compares DNS with the cluster file, forward and back', () => {
    const dns: DnsFacts = {
      addresses: ['10.0.0.11', '10.0.0.12', '10.0.0.99'],
      failure: null,
      reverse: [
        back('10.0.0.11', { 'old.example.org': ['10.0.0.9'], 'gone.example.org': 'ENOTFOUND' }),
        back('10.0.0.12', {}, 'ENOTFOUND'),
        back('10.0.0.13', { 'old.example.org': ['10.0.0.9'], 'mail.example.org': ['10.0.0.12', '10.0.0.13'] }),
      ],
    };
    expect(texts(cluster(), dns)).toEqual([
      'mail.example.org does not lead to 10.0.0.13 in DNS',
      'mail.example.org leads to 10.0.0.99 in DNS, which no host of the cluster has',
      '10.0.0.11 leads to old.example.org, which leads to 10.0.0.9; to gone.example.org, which leads to no address (PTR in DNS), and not back to 10.0.0.11',
      '10.0.0.12 leads to no name in DNS (PTR): ENOTFOUND',
    ]);
    const none = { addresses: null, failure: 'ENOTFOUND', reverse: [] };
    expect(texts(cluster(), none)).toEqual(['mail.example.org has no address in DNS: ENOTFOUND']);
  });

  test('says of a question that DNS did not answer that it is not known, and finds nothing', () => {
    const dns: DnsFacts = {
      addresses: null,
      failure: 'ETIMEOUT',
      reverse: [
        back('10.0.0.11', {}, 'ESERVFAIL'),
        back('10.0.0.12', { 'old.example.org': ['10.0.0.9'], 'mail2.example.org': 'ETIMEOUT' }),
      ],
      notAsked: ['10.0.0.13'],
    };
    expect(texts(cluster(), dns)).toEqual([]);
    expect(notKnownOf(file, cluster(), dns).map(({ text }) => text)).toEqual([
      'where mail.example.org leads to in DNS: ETIMEOUT',
      'which name 10.0.0.11 has in DNS (PTR): ESERVFAIL',
      'whether mail2.example.org, the name of 10.0.0.12, leads back to it: ETIMEOUT',
      'the names of 10.0.0.13 (PTR): too many to ask at once',
    ]);
  });

  test('names an address that is left over, and a virtual IP that is missing', () => {
    const left = cluster((facts) => {
      facts.mail1!.virtualIpsHere = [{ address: '10.0.0.100', interface: 'eth0' }];
    });
    expect(texts(left)).toEqual([
      'host mail1 has 10.0.0.100 on eth0, and no rule listens there (listenOn: dedicatedIp)',
    ]);
    const virtual = { ...file, listenOn: 'virtualIp' as const, virtualIps: ['10.0.0.100'] };
    const said = judge(virtual, left, [], null, NOW).map(({ text }) => text);
    expect(said).toEqual([
      'host mail1 has the virtual IP 10.0.0.100 not on lo, but on another interface: hosts fight for it',
      'host mail2 has the virtual IP 10.0.0.100 nowhere',
      'host mail3 has the virtual IP 10.0.0.100 nowhere',
    ]);
  });
});

describe('in mode arp, judge()', () => {
  const arp = { ...file, mode: 'arp' as const, listenOn: 'virtualIp' as const, virtualIps: ['10.0.0.100'] };
  const said = (change: (facts: Record<string, HostFacts>) => void) => {
    const examined = cluster((facts) => {
      for (const [i, each] of Object.values(facts).entries()) {
        each.virtualIpsHere = [{ address: '10.0.0.100', interface: 'lo' }];
        each.mac = `52:54:00:00:00:0${i + 1}`;
        each.virtualIpAnswers = i === 0 ? [] : [{ address: '10.0.0.100', mac: '52:54:00:00:00:01' }];
        const virtualIp = { addresses: [], device: 'eth0', holder: 'mail1', since: null, leaseMs: 750 };
        const rest = { outgoing: 'dedicatedIp' as const, kernelProblem: null };
        each.status = { ...each.status, virtualIp: { ...virtualIp, ...rest, isHeldHere: i === 0 } };
      }
      change(facts);
    });
    return judge(arp, examined, [], null, NOW).map(({ text }) => text);
  };

  test('has nothing to say where one host holds the virtual IPs', () => {
    expect(said(() => {})).toEqual([]);
  });

  test('sees two holders: by what they say, by what they have, and by who answers', () => {
    expect(
      said((facts) => {
        facts.mail3!.status.virtualIp!.isHeldHere = true;
        facts.mail2!.virtualIpsHere.push({ address: '10.0.0.100', interface: 'eth0' });
        facts.mail3!.virtualIpAnswers = [{ address: '10.0.0.100', mac: '52:54:00:ab:cd:ef' }];
      }),
    ).toEqual([
      'the virtual IPs are held by mail1 and mail3, expected one host',
      'host mail2 has 10.0.0.100 on eth0 and does not hold it',
      '10.0.0.100 is answered for by 52:54:00:00:00:01 (mail1) and by 52:54:00:ab:cd:ef (no host of this cluster that answers)',
    ]);
  });

  test('names a host without the address on lo, and that nobody holds it', () => {
    expect(
      said((facts) => {
        facts.mail2!.virtualIpsHere = [];
        facts.mail1!.status.virtualIp!.isHeldHere = false;
      }),
    ).toEqual([
      'host mail2 does not have 10.0.0.100 on lo, so it cannot answer clients that are passed on to it',
      'no host that answers holds the virtual IPs',
    ]);
  });
});

test('dnsOf() asks forward, back and forward again, and leaves test addresses on loopback alone', async () => {
  const asked: string[] = [];
  const none = (code: string) => Promise.reject(Object.assign(new Error(), { code }));
  const resolver: Resolving = {
    resolve4: (async (name: string) => {
      asked.push(name);
      return name === 'mail.example.org' ? ['10.0.0.11'] : none('ENOTFOUND');
    }) as Resolving['resolve4'],
    resolve6: (async (name: string) => {
      asked.push(name);
      return name === 'six.example.org' ? ['2001:DB8:0::C'] : none('ENODATA');
    }) as Resolving['resolve6'],
    cancel: () => {},
    reverse: async (address) => {
      if (address === '2001:db8::c') return ['six.example.org'];
      return address === '10.0.0.11' ? ['mail.example.org', 'gone.example.org'] : none('ENOTFOUND');
    },
  };
  const virtualIps = ['10.0.0.11', '127.0.0.12', '2001:db8::c'];
  const local = { ...file, listenOn: 'virtualIp' as const, virtualIps };
  expect(await dnsOf(local, new AbortController().signal, resolver)).toEqual({
    addresses: ['10.0.0.11'],
    failure: null,
    reverse: [
      back('10.0.0.11', { 'mail.example.org': ['10.0.0.11'], 'gone.example.org': 'ENOTFOUND' }),
      back('2001:db8::c', { 'six.example.org': ['2001:db8::c'] }),
    ],
  });
  expect(asked.sort()).toEqual([
    'gone.example.org',
    'mail.example.org',
    'mail.example.org',
    'mail.example.org',
    'six.example.org',
  ]);
});

test('examine() sees a service that listens for everybody, and one on the port of a disabled rule', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  closings.push(() => server.close());
  const { port } = server.address() as { port: number };
  const text = changed(
    ['ports: 25', `ports: 8025`],
    ["'unix:/run/smtp.sock'", `'127.0.0.1:${port}'`],
    ['ports: 8000-8099', `ports: ${port}`],
    ['filteringMode: single', 'filteringMode: disabled'],
    ["    service: {address: '{dedicatedIp}:9000', proxyProtocol: none}\n", ''],
    ['10.0.0.12', '127.0.99.2'],
    ['10.0.0.11', '127.0.99.1'],
  );
  const of = fileOf(text);
  const facts = await examine(of.hosts[0]!, of, statusOf('mail1'), NOW);
  const socket = `0.0.0.0:${port} (`;
  expect(facts.services.map(({ exposed }) => exposed.map((each) => each.slice(0, socket.length)))).toEqual([[socket]]);
  expect(facts.onDisabledPorts.map((each) => [each.rule, each.socket.slice(0, socket.length)])).toEqual([
    ['web', socket],
  ]);
  expect(facts.handoffs).toEqual([{ host: 'mail2', address: '127.0.99.2', failure: 'ECONNREFUSED' }]);
});

describe('exposedSockets() of a wide rule whose service follows the port', () => {
  const text = changed(
    ['dedicatedIp\n', 'virtualIp\n'],
    ['hosts:', 'virtualIps: [10.0.0.100]\nhosts:'],
    ['ports: 8000-8099', 'ports: 1024-65535'],
    ["'{dedicatedIp}:9000', proxyProtocol: none", "'127.0.0.1:{port}', proxyProtocol: v2, check: {kind: none}"],
  );
  const listening = (...at: [address: string, port: number][]) =>
    at.map(([address, port]) => ({ address, port, inode: '1' }));
  const all = listening(['0.0.0.0', 8443], ['127.0.0.1', 8444], ['0.0.0.0', 22], ['10.0.0.11', 9000], ['::', 7777]);
  const exposed = (of: ClusterFile, own: string[]): string[] => {
    const rule = of.portRules.find(({ portLast }) => portLast === 65535)!;
    const self = of.hosts[0]!;
    const { address } = serviceOf(rule, self)!;
    const sockets = exposedSockets({ file: of, rule, self, service: address }, all, new Set(own));
    return sockets.map((socket) => `${socket.address} ${socket.port}`);
  };

  test('names what listens for everybody in its range, where an address of the host does not lead to Envoy', () => {
    const of = fileOf(text);
    expect(exposed(of, ['127.0.0.1', '10.0.0.100', '10.0.0.11'])).toEqual(['0.0.0.0 8443', ':: 7777']);
    expect(exposed(of, ['127.0.0.1', '10.0.0.100', 'fe80::1'])).toEqual([]);
    expect(exposed(of, ['127.0.0.1', '10.0.0.100', '2001:db8::11'])).toEqual([':: 7777']);
  });

  test('names nothing where the rule listens on the only address there is', () => {
    const of = { ...fileOf(text), listenOn: 'dedicatedIp' as const };
    expect(exposed(of, ['127.0.0.1', '::1', '10.0.0.11'])).toEqual([]);
    expect(exposed(of, ['127.0.0.1', '::1', '10.0.0.11', '192.168.7.1'])).toEqual(['0.0.0.0 8443', ':: 7777']);
  });
});

test('a disabled rule is asked on its virtual IP, and not on one that has rules of its own', () => {
  const text = changed(
    ['dedicatedIp\n', 'virtualIp\n'],
    ['hosts:', 'virtualIps: [10.0.0.101, 10.0.0.102]\nhosts:'],
    ['ports: 25', 'ports: 2525\n    virtualIp: 10.0.0.101'],
    ['ports: 8000-8099', 'ports: 1024-65535\n    filteringMode: disabled'],
    ["    filteringMode: single\n    service: {address: '{dedicatedIp}:9000', proxyProtocol: none}\n", ''],
  );
  const file = fileOf(text);
  const [ofOne, ofAll] = file.portRules as [PortRule, PortRule];
  const addresses = ['10.0.0.101', '10.0.0.102', '0.0.0.0'];
  expect(addresses.filter((address) => isOfRule(file, ofOne, address))).toEqual(['10.0.0.101', '0.0.0.0']);
  expect(addresses.filter((address) => isOfRule(file, ofAll, address))).toEqual(['10.0.0.102', '0.0.0.0']);
});

test('nlb doctor asks every host, prints findings with what to do, and exits 1', async () => {
  const directory = freshDirectory();
  const facts = cluster((all) => {
    all.mail1!.services = [service({ exposed: ['0.0.0.0:2525 (smtpd, process 812)'] })];
    const relayUnknown = 'to RCPT TO:<doctor@example.com> it said "450 4.2.0 Greylisted"';
    all.mail2!.services[0]!.smtp = { ...service().smtp!, relays: null, relayUnknown };
  }).map((each) => each.facts);
  const at = new Date().toISOString();
  const answers = {
    'GET /status': { code: 200, body: statusOf('mail1') },
    'GET /in-force': { code: 200, body: inForceOfFile(file, 1) },
    'GET /examination': { code: 200, body: { ...facts[0]!, at } },
    'GET /hosts/mail2/examination': { code: 200, body: { ...facts[1]!, at } },
    'GET /hosts/mail3/examination': { code: 502, body: { ok: false, text: 'host mail3 does not answer' } },
  };
  const sidecar = await fakeSidecar(directory, answers);
  const said = await nlb(['doctor', '--no-dns', '--state-dir', directory]);
  const json = await nlb(['doctor', '--no-dns', '--state-dir', directory, '--json']);
  await sidecar.close();
  expect([said.code, said.err]).toEqual([1, '']);
  expect(said.out).toBe(`Looked at mail1, mail2: 2 findings

1. host mail3 does not answer on the host channel: host mail3 does not answer
   -> let 7621/tcp through between the hosts, both ways
2. host mail1: the service of rule smtp is reached past Envoy: it listens on
0.0.0.0:2525 (smtpd, process 812)
   -> let it listen on 127.0.0.1 or a unix socket, or keep strangers off by the
   -> firewall

Not found out:
 - host mail2: whether the service of rule smtp relays for strangers: to RCPT
 - TO:<doctor@example.com> it said "450 4.2.0 Greylisted"
`);
  expect(JSON.parse(json.out)).toMatchObject({
    ok: false,
    hosts: ['mail1', 'mail2'],
    findings: [{ check: 'channel' }, { check: 'pastEnvoy' }],
    notKnown: [{ check: 'relay', host: 'mail2' }],
  });
});
