/**
 * Every way in which hosts can contradict each other, provoked on real sidecars: the cluster serves on, the odd host takes no
 * part, and both sides say what it is and what to do, in the same words in `query`, `display`, `doctor`, the log and the API.
 * The clock of mail2 is 400 days ahead throughout: no clock decides anything.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { greeting } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { contradiction, diagnosis, eventually, type Said, says, saysEverywhere, sorted } from './said.js';
import { PORTS, SidecarCluster, SidecarHost } from './sidecar-cluster.js';

const AHEAD_MS = 400 * 86_400_000;
const SHIFTED_CLOCK = `const Real = Date; globalThis.Date = class extends Real {
  constructor(...given) { given.length === 0 ? super(Real.now() + ${AHEAD_MS}) : super(...given); }
  static now() { return Real.now() + ${AHEAD_MS}; } };`;

const NET = '127.0.66';
const cluster = new SidecarCluster(NET, 3, true);
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];
/** Machines that the cluster file does not know, both at the fourth address. */
const strangers = new SidecarCluster(NET, 4, true);
const mail4 = strangers.hosts[3]!;
const falseMail2 = new SidecarHost(strangers, 'mail2', mail4.ip);
/** Quick heartbeats; the doctor need not wait for a service that is no whole mail server. */
const quick = (text: string): string =>
  text.replace('periodMs: 500, missedMax', 'periodMs: 250, missedMax').replace(/check: .*/, 'check: {kind: connect}');
const FILE = quick(cluster.fileText('equal'));
const everybody = [...cluster.hosts, mail4, falseMail2];

beforeAll(async () => {
  for (const host of everybody) {
    host.moreArguments = ['--log', 'json'];
    if (host.cluster === strangers) mkdirSync(host.stateDir, { mode: 0o700 });
    else writeFileSync(host.filePath, FILE);
  }
  mail2.environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SHIFTED_CLOCK)}` };
  writeFileSync(join(dirname(mail3.filePath), 'other.key'), `1 ${'6b'.repeat(32)}\n`, { mode: 0o600 });
  writeFileSync(join(dirname(mail3.filePath), 'second.key'), `2 ${'6b'.repeat(32)}\n`, { mode: 0o600 });
  await cluster.start();
});
afterAll(async () => {
  strangers.hosts.splice(0, 4, mail4, falseMail2);
  await strangers.stop();
  await cluster.stop();
});

const ofMail3 = (text: string): Said =>
  contradiction(
    'mail3',
    `host mail3${text}, the cluster has `,
    'put the cluster file of this host on mail3 and run nlb reload there',
  );
const ofOthers = (text: string): Said[] =>
  ['mail1', 'mail2'].map((host) =>
    contradiction(
      host,
      `host ${host}${text}, this host has `,
      `put the cluster file of ${host} here and run nlb reload`,
    ),
  );
const differs = (item: string, theirs: string, ours: string) => ({
  mail1: { ...ofMail3(`${item} ${theirs}`), text: `host mail3${item} ${theirs}, the cluster has ${ours}` },
  mail3: ofOthers(`${item} ${ours}`).map((said) => ({ ...said, text: `${said.text}${theirs}` })),
});
const listed = (name: string) => ({
  mail1: { ...ofMail3(''), text: `host mail3: its file lists ${name}, that of the cluster does not` },
  mail3: ofOthers('').map((said) => {
    return { ...said, text: `host ${said.host}: its file does not list ${name}, that of this host does` };
  }),
});
const unlisted = (name: string) => ({
  mail1: { ...ofMail3(''), text: `host mail3: its file does not list ${name}, that of the cluster does` },
  mail3: ofOthers('').map((said) => {
    return { ...said, text: `host ${said.host}: its file lists ${name}, that of this host does not` };
  }),
});
const outside = (text: string): Said => ({
  cause: 'outside',
  host: 'mail3',
  text: `this host is outside: ${text}`,
  todo: 'nlb display names the difference; this host comes in by itself when it is gone',
  event: 68,
});
const unverified = (host: string, ip: string, why: string, todo: string): Said => {
  return { cause: 'unverified', host, text: `host ${host}: packets from ${ip} are dropped: ${why}`, todo };
};

/** By which host each of six clients is served through an entry host. */
async function served(entry: SidecarHost): Promise<string[]> {
  const lines = [1, 2, 3, 4, 5, 6].map((i) => greeting(`${NET}.${100 + i}`, { host: entry.ip, port: PORTS.rule }));
  return (await Promise.all(lines)).map((line) => /^220 (\S+)/.exec(line)?.[1] ?? line);
}

/** Through both hosts of the cluster, by these two alone, and by the same. */
async function servesOn(): Promise<string[]> {
  await waitFor('mail3 is in no view', async () => {
    const statuses = await Promise.all([mail1, mail2].map((host) => host.status()));
    return statuses.every(
      ({ rules, lostSince, envoy }) =>
        envoy.tookConfiguration &&
        lostSince.length === 0 &&
        !rules[0]!.hosts[2]!.takesPart &&
        rules[0]!.hosts[0]!.takesPart,
    );
  });
  const owners = await served(mail1);
  expect(new Set(owners)).toEqual(new Set(['mail1', 'mail2']));
  expect(await served(mail2)).toEqual(owners);
  return owners;
}

/** The sidecar of a host anew, with this file and without a memory. */
async function startAnew(host: SidecarHost, file: string): Promise<number> {
  await host.end('SIGKILL');
  for (const name of ['state.json', 'identity.json']) rmSync(join(host.stateDir, name), { force: true });
  writeFileSync(host.filePath, file);
  const logFrom = host.log().length;
  host.run();
  return logFrom;
}

const KEYS = 'make the key files the same (scp -p); a sidecar reads a changed one by itself';
const OTHER_CLUSTER = 'take the address out of one of the two cluster files, or make `cluster` the same';
const fromAll = (why: string, todo: string) => ({
  mail1: [unverified('mail3', mail3.ip, why, todo)],
  mail3: [mail1, mail2].map(({ name, ip }) => unverified(name, ip, why, todo)),
});

interface Contradiction {
  change(file: string): string;
  /** What mail1 and mail2 say, and what mail3 does. */
  said: { mail1: Said[]; mail3: Said[] };
  /** What mail3 is as the cluster sees it. */
  state: 'outside';
  /** What the doctor finds beside what the hosts say, asked on mail1. */
  others: string[];
  /** Who serves what enters at mail3: by another affinity it is one of theirs, but not the owner. */
  atMail3: 'owners' | 'theirs' | 'mail3' | 'nobody';
}

function fileDiffers(change: Contradiction['change'], ...items: ReturnType<typeof differs>[]): Contradiction {
  return {
    change,
    said: { mail1: items.map(({ mail1 }) => mail1), mail3: items.flatMap(({ mail3 }) => mail3) },
    state: 'outside',
    others: ['clock', 'file'],
    atMail3: 'owners',
  };
}

const TABLE: Record<string, Contradiction> = {
  'another affinity': {
    ...fileDiffers(
      (file) => file.replace('affinity: single', 'affinity: none'),
      differs(': port rule smtp has affinity', 'none', 'single'),
      differs(': port rule smtp has ownerPatienceMs', '250', '1000'),
    ),
    atMail3: 'theirs',
  },
  'two hosts of one priority': fileDiffers(
    (file) =>
      file.replace('mail2, priority: 2', 'mail2, priority: 3').replace('mail3, priority: 3', 'mail3, priority: 2'),
    differs(': the priority of mail3 is', '2', '3'),
    differs(': the priority of mail2 is', '3', '2'),
  ),
  'another rule on the same port': fileDiffers(
    (file) => file.replace('name: smtp', 'name: mail'),
    listed('port rule mail'),
    unlisted('port rule smtp'),
  ),
  'another way for clients to come in': {
    ...fileDiffers(
      (file) => file.replace('listenOn: dedicatedIp', `listenOn: virtualIp\nvirtualIps: [${NET}.200]`),
      differs(' has listenOn', 'virtualIp', 'dedicatedIp'),
      listed(`virtual IP ${NET}.200`),
    ),
    atMail3: 'nobody',
  },
  'another key under the same id': {
    change: (file) => file.replace('cluster.key', 'other.key'),
    said: fromAll("they are sealed with another cluster key than this host's key 1", KEYS),
    state: 'outside',
    others: ['channel', 'clock'],
    atMail3: 'mail3',
  },
  'a key of another id': {
    change: (file) => file.replace('cluster.key', 'second.key'),
    said: {
      mail1: fromAll('they are sealed with cluster key 2, which is not known here (this host seals with 1)', KEYS)
        .mail1,
      mail3: fromAll('they are sealed with cluster key 1, which is not known here (this host seals with 2)', KEYS)
        .mail3,
    },
    state: 'outside',
    others: ['channel', 'clock'],
    atMail3: 'mail3',
  },
  'another cluster on the same address': {
    change: (file) => file.replace('mail.example.org', 'web.example.org'),
    said: {
      mail1: fromAll("they belong to another cluster, this host's is mail.example.org", OTHER_CLUSTER).mail1,
      mail3: fromAll("they belong to another cluster, this host's is web.example.org", OTHER_CLUSTER).mail3,
    },
    state: 'outside',
    others: ['channel', 'clock'],
    atMail3: 'mail3',
  },
};

/** What mail3 says of its own place, where its file is why. */
async function ownPlace(): Promise<Said[]> {
  const [here, there] = await Promise.all([mail3.status(), mail1.status()]);
  if (here.hosts.find(({ isThisHost }) => isThisHost)!.state !== 'outside') return [];
  const head = there.file.fingerprint.slice(0, 4);
  return [outside(`its file is ${here.file.fingerprint}, that of mail1, mail2 is ${head}...`)];
}

describe('a host that contradicts the others', () => {
  it.each(Object.entries(TABLE))('%s: is outside and named, and the cluster serves on', async (_, row) => {
    const logFrom = mail1.log().length;
    const ownLogFrom = await startAnew(mail3, row.change(FILE));
    await waitFor('mail3 has made up its mind', async () => {
      const [status, seen] = [await mail3.status(), await mail1.status()];
      return status.view !== null && status.envoy.tookConfiguration && seen.hosts[2]!.state === row.state;
    });
    await saysEverywhere(mail1, row.said.mail1, logFrom);
    await says(mail2, row.said.mail1);
    const ownSaid = async () => [...row.said.mail3, ...(await ownPlace())];
    await saysEverywhere(mail3, ownSaid, ownLogFrom, /^cluster: (\S+)/.exec(row.change(FILE))![1]);
    const owners = await servesOn();
    await eventually('the doctor finds what they say', async () => {
      const { said, others } = await diagnosis(mail1);
      const own = await ownSaid();
      const ofCluster = row.said.mail1.map(({ text, todo }) => [`hosts mail1 and mail2 say: ${text}`, todo]);
      const ofOdd = others.includes('channel') ? [] : own.map(({ text, todo }) => [`host mail3 says: ${text}`, todo]);
      expect([sorted(said), others]).toEqual([sorted([...ofCluster, ...ofOdd]), row.others]);
    });
    // Its new Envoy clusters are checked from now on: until the first good check it serves in the owner's stead.
    if (row.atMail3 === 'owners' || row.atMail3 === 'theirs')
      await waitFor('mail3 to see the others', () => mail3.seesOwners());
    const entered = (await served(mail3)).map((line) => line.replace('refused ', ''));
    const theirs = entered.filter((name) => owners.includes(name));
    const expected = { owners, theirs, mail3: owners.map(() => 'mail3'), nobody: owners.map(() => 'ECONNREFUSED') };
    expect(entered).toEqual(expected[row.atMail3]);
  });

  it('is in again when it has the same file, and nothing is left to be said', async () => {
    await startAnew(mail3, FILE);
    await cluster.converged();
    for (const host of cluster.hosts) await says(host, []);
  });
});

describe('a machine that the cluster does not know', () => {
  const file = (change: (text: string) => string = (text) => text) => change(quick(strangers.fileText('equal')));

  it('has the name of another: the one in the view stays, and who claims it is named', async () => {
    const [logFrom, view] = [mail1.log().length, await cluster.converged()];
    await falseMail2.serve();
    await startClaiming(file((text) => text.replace(/.*mail4.*\n/, '').replace(mail2.ip, mail4.ip)));
    const claimed = {
      cause: 'claimedName',
      host: 'mail2',
      text: `host mail2: priority 2 is claimed from ${mail4.ip}, configured is ${mail2.ip}`,
      todo: `stop one of the two (at ${mail4.ip}: systemctl stop envoy-nlb); each host needs a name and an address of its own`,
      event: 66,
    };
    await saysEverywhere(mail1, [claimed], logFrom);
    await says(mail3, [claimed]);
    await eventually('the doctor finds it', async () =>
      expect((await diagnosis(mail1)).said).toEqual([[`hosts mail1 and mail3 say: ${claimed.text}`, claimed.todo]]),
    );
    expect(await cluster.converged()).toBe(view);
    await falseMail2.ask('POST', '/stop');
    await waitFor('its Envoy has ended', () => falseMail2.envoyPid === null);
    await falseMail2.end('SIGTERM');
    for (const host of cluster.hosts) await says(host, []);
  });

  it('has the key and no place in the file: it is named with its address', async () => {
    const [logFrom, view] = [mail1.log().length, await cluster.converged()];
    writeFileSync(mail4.filePath, file());
    mail4.run();
    const todo = 'nlb apply a file that lists mail4, or stop its sidecar: systemctl disable --now envoy-nlb';
    const text = `host mail4 (${mail4.ip}) has the cluster key and is not listed in this host's file`;
    await saysEverywhere(mail1, [contradiction(null, text, todo)], logFrom);
    for (const host of [mail2, mail3]) await says(host, [contradiction(null, text, todo)]);
    await eventually('the doctor finds it', async () =>
      expect((await diagnosis(mail1)).said).toEqual([[`hosts mail1, mail2 and mail3 say: ${text}`, todo]]),
    );
    expect(await cluster.converged()).toBe(view);
    await mail4.end('SIGTERM');
    for (const host of cluster.hosts) await says(host, []);
  });

  it('is at the address of another, on the same machine: it is refused, and nobody notices', async () => {
    const view = await cluster.converged();
    const second = new SidecarHost(strangers, 'mail2', mail2.ip);
    second.moreArguments = ['--log', 'json'];
    for (const name of ['identity.json', 'state.json']) rmSync(join(second.stateDir, name), { force: true });
    const logFrom = second.log().length;
    writeFileSync(second.filePath, FILE);
    second.run();
    await waitFor('it ends', () => second.sidecar!.exitCode !== null);
    expect(second.sidecar!.exitCode).toBe(4);
    expect(JSON.parse(second.log().slice(logFrom).trim().split('\n').at(-1)!)).toMatchObject({
      level: 'error',
      sidecar: 'mail2',
      msg: `Cannot listen for heartbeats on ${mail2.ip} UDP port ${PORTS.heartbeat}: another process has it; a second sidecar of this host? (ss -ulpn)`,
    });
    expect(await cluster.converged()).toBe(view);
    for (const host of cluster.hosts) await says(host, []);
  });

  async function startClaiming(text: string): Promise<void> {
    writeFileSync(falseMail2.filePath, text);
    falseMail2.run();
    await waitFor('it runs', async () => (await falseMail2.status()).thisHost === 'mail2');
  }
});

describe('a copied state directory', () => {
  it('is refused whole, and its state alone is not used; both say whose it is', async () => {
    await mail3.end('SIGKILL');
    const logFrom = mail3.log().length;
    cpSync(join(mail2.stateDir, 'identity.json'), join(mail3.stateDir, 'identity.json'));
    cpSync(join(mail2.stateDir, 'state.json'), join(mail3.stateDir, 'state.json'));
    mail3.run();
    await waitFor('it ends', () => mail3.sidecar!.exitCode !== null);
    expect(mail3.sidecar!.exitCode).toBe(4);
    const identity = join(mail3.stateDir, 'identity.json');
    expect(JSON.parse(mail3.log().slice(logFrom))).toMatchObject({
      level: 'error',
      msg:
        `State directory ${mail3.stateDir} belongs to host mail2, this is mail3. It looks like a copy; give this host a ` +
        `directory of its own (--state-dir), or remove ${identity} and state.json beside it to start afresh`,
    });
    rmSync(identity);
    const ownLogFrom = mail3.log().length;
    mail3.run();
    await cluster.converged();
    const todo = 'nothing now, this host has begun anew; give every host a state directory of its own';
    const text = 'the state directory was written for host mail2, this is mail3: it is not used';
    await saysEverywhere(mail3, [{ cause: 'stateCopied', host: 'mail3', text, todo }], ownLogFrom);
    await says(mail1, []);
  });
});

describe('two hosts with differing files', () => {
  const two = new SidecarCluster('127.0.67', 2, true);
  const [first, second] = two.hosts as [SidecarHost, SidecarHost];
  afterAll(() => two.stop());

  it('1 against 1: the higher priority serves, and the other hands off to it, before and after a restart', async () => {
    for (const host of two.hosts) {
      mkdirSync(host.stateDir, { mode: 0o700 });
      host.moreArguments = ['--log', 'json'];
      writeFileSync(host.filePath, quick(two.fileText('equal')).replace('affinity: single', 'affinity: classC'));
      await host.serve();
    }
    writeFileSync(first.filePath, quick(two.fileText('equal')));
    for (const host of two.hosts) host.run();
    const text = 'host mail2: port rule smtp has affinity classC, the cluster has single';
    const todo = 'put the cluster file of this host on mail2 and run nlb reload there';
    await says(first, [contradiction('mail2', text, todo)]);
    const own = async () => {
      const [here, there] = await Promise.all([second.status(), first.status()]);
      const agreed = there.file.fingerprint.slice(0, 4);
      return [
        contradiction(
          'mail1',
          'host mail1: port rule smtp has affinity single, this host has classC',
          'put the cluster file of mail1 here and run nlb reload',
        ),
        { ...outside(`its file is ${here.file.fingerprint}, that of mail1 is ${agreed}...`), host: 'mail2' },
      ];
    };
    const isSettled = async () => (await second.status()).hosts[1]!.state === 'outside';
    await waitFor('mail2 is outside', isSettled);
    await saysEverywhere(second, own, 0);
    await first.end('SIGKILL');
    first.run();
    await waitFor('mail1 is back', async () => (await first.status()).state === 'alone').catch((error) => {
      throw new Error(`${error.message}\n${two.logs()}`);
    });
    await waitFor('mail2 is outside still', isSettled);
    for (const entry of two.hosts) {
      const line = await waitFor('mail1 serves', async () => {
        const said = await greeting('127.0.67.100', { host: entry.ip, port: PORTS.rule });
        return said.startsWith('220 mail1') && said;
      });
      expect(line).toContain('client=127.0.67.100:');
    }
  });
});
