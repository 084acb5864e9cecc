/** What an administrator does to one host of a running cluster: single port rules, suspend, and draining with a deadline. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EntryAnswer, VerbAnswer } from '../../host/admin/api.js';
import { dispatch } from '../../host/cli/dispatch.js';
import type { SavedState } from '../../host/saved-state.js';
import { greeting, openClient, type TestClient } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.81', 3);
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];
/** A second rule, so that what is done to one is seen to leave the other alone. */
const SUBMISSION = 2563;
/** And one with real SMTP servers behind it. */
const REAL_SMTP = { rule: 2573, service: 3573 };
/** Served by mail2, then mail3, then mail1. */
const SINGLE_HOST = 2583;
/** `mail2 <message>`, as the servers took them. */
const taken: string[] = [];
const servers: SMTPServer[] = [];
appendFileSync(
  cluster.filePath,
  `  - name: submission
    ports: ${SUBMISSION}
    service: {address: '{dedicatedIp}:${PORTS.service}', proxyProtocol: v2}
  - name: real-smtp
    ports: ${REAL_SMTP.rule}
    service: {address: '{dedicatedIp}:${REAL_SMTP.service}', proxyProtocol: v1}
  - name: index
    ports: ${SINGLE_HOST}
    filteringMode: single
    handlingPriority: {mail1: 3, mail2: 1, mail3: 2}
    service: {address: '{dedicatedIp}:${PORTS.service}', proxyProtocol: v2}
`,
);

beforeAll(async () => {
  for (const { name, ip } of cluster.hosts) servers.push(await smtpServer(name, ip));
  await cluster.start();
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  for (const server of servers) await new Promise<void>((resolve) => server.close(() => resolve()));
});

async function smtpServer(name: string, ip: string): Promise<SMTPServer> {
  const server = new SMTPServer({
    name,
    banner: `of ${name}`,
    useProxy: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        taken.push(`${name} ${Buffer.concat(chunks).toString('latin1')}`);
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(REAL_SMTP.service, ip, resolve));
  return server;
}

/** One command of a session and its answer, which must have that code. */
async function say(client: TestClient, command: string, code: number): Promise<void> {
  const before = client.received().length;
  client.send(`${command}\r\n`);
  await waitFor(`${code} to ${command}`, () => new RegExp(`^${code} `, 'm').test(client.received().slice(before)));
}

const post = async (host: SidecarHost, path: string) => (await host.ask('POST', path)) as VerbAnswer;
/** What a router is told at the page's port: the code, and why. */
async function entry(host: SidecarHost): Promise<[number, string]> {
  const answer = await fetch(`http://${host.ip}:${PORTS.page}/entry`);
  return [answer.status, ((await answer.json()) as EntryAnswer).reason];
}

const nameOf = (line: string) => /^220 (mail\d) /.exec(line)?.[1] ?? line;

/** One client of each of the first `count` addresses that `owner` serves, all through one entry host. */
async function openOn(owner: SidecarHost, entry: SidecarHost, count: number, port = PORTS.rule): Promise<TestClient[]> {
  const held: TestClient[] = [];
  for (let i = 1; held.length < count && i < 250; i++) {
    const client = openClient({ from: `127.0.82.${i}`, to: { host: entry.ip, port } });
    if (nameOf(await client.firstLine()) === owner.name) held.push(client);
    else client.close();
  }
  expect(held.length).toBe(count);
  return held;
}

async function owners(entry: SidecarHost, port = PORTS.rule): Promise<Set<string>> {
  const names = new Set<string>();
  for (let i = 1; i <= 30; i++) names.add(nameOf(await greeting(`127.0.83.${i}`, { host: entry.ip, port })));
  return names;
}

/** True where every host decides by a view in which `host` has that absence from the first rule. */
async function isAbsent(host: SidecarHost, absence: string | null): Promise<boolean> {
  const index = cluster.hosts.indexOf(host);
  const statuses = await Promise.all(cluster.hosts.map((each) => each.status()));
  return statuses.every(({ rules, envoy }) => rules[0]!.hosts[index]!.absence === absence && envoy.tookConfiguration);
}

describe('one port rule on one host', () => {
  it('nlb disable ends its open connections there and no others, over a restart; nlb enable takes it back', async () => {
    await cluster.converged();
    const ended = [...(await openOn(mail2, mail1, 3)), ...(await openOn(mail2, mail2, 3))];
    const others = [...(await openOn(mail1, mail2, 2)), ...(await openOn(mail2, mail1, 2, SUBMISSION))];
    // Those that were opened to find the right ones have ended by then: it is told how many are open.
    await waitFor('mail2 has 6 and 2 of them', () => mail2.service!.openCount() === 8);
    const answer = await post(mail2, `/disable?port=${PORTS.rule}`);
    expect(answer).toMatchObject({ ok: true });
    expect(answer.text).toMatch(
      / is disabled on host mail2: no new connections, 6 open connections to its service here end$/,
    );
    await waitFor('mail2 out of smtp', () => isAbsent(mail2, 'ruleDisabled'));
    await Promise.all(ended.map((client) => client.ended()));
    for (const client of others) await client.echo('left alone');
    expect([...(await owners(mail2))].sort()).toEqual(['mail1', 'mail3']);
    expect([...(await owners(mail1, SUBMISSION))].sort()).toEqual(['mail1', 'mail2', 'mail3']);
    await mail2.end('SIGTERM');
    mail2.run();
    await waitFor(
      'mail2 disabled after its restart',
      async () => (await mail2.status()).rules[0]!.control === 'disabled',
    );
    await waitFor('mail2 still out of smtp', () => isAbsent(mail2, 'ruleDisabled'));
    const controls = async () => (await mail1.status()).rules[0]!.hosts.map(({ control }) => control).join();
    await waitFor('mail1 to have heard of it', async () => (await controls()) === 'enabled,disabled,enabled');
    expect(await post(mail2, '/enable?port=all')).toMatchObject({ ok: true });
    await cluster.converged();
    expect([...(await owners(mail1))].sort()).toEqual(['mail1', 'mail2', 'mail3']);
    for (const client of others) await client.echo('still');
    for (const client of others) client.close();
  });

  it('nlb drain lets its open connections finish and takes no new ones', async () => {
    await cluster.converged();
    const held = await openOn(mail3, mail1, 3);
    expect(await post(mail3, `/drain?port=${PORTS.rule}`)).toMatchObject({ ok: true });
    await waitFor('mail3 drains smtp', () => isAbsent(mail3, 'draining'));
    expect([...(await owners(mail3))].sort()).toEqual(['mail1', 'mail2']);
    for (const client of held) await client.echo('while the rule drains');
    expect((await mail3.status()).hosts[2]!.state).toBe('converged');
    expect((await mail3.status()).rules.map(({ control }) => control)).toEqual([
      'draining',
      'enabled',
      'enabled',
      'enabled',
    ]);
    for (const client of held) client.close();
    expect(await post(mail3, `/enable?port=${PORTS.rule}`)).toMatchObject({ ok: true });
    await cluster.converged();
  });

  it('nlb drain with a time ends what is left then, and the rule is disabled there', async () => {
    await cluster.converged();
    const [held] = (await openOn(mail3, mail1, 1)) as [TestClient];
    const path = `/drain?port=${PORTS.rule}&timeoutMs=3000`;
    expect(await post(mail3, path)).toMatchObject({ ok: true, text: expect.stringContaining(' finish within 3s; ') });
    const controlOf = async () => (await mail3.status()).rules[0]!;
    await held.ended();
    expect(await controlOf()).toMatchObject({ control: 'disabled' });
    expect((await controlOf()).drainEndsAt).toBe(undefined);
    expect(await post(mail3, `/enable?port=${PORTS.rule}`)).toMatchObject({ ok: true });
    await cluster.converged();
  });

  it('a port that no rule holds is named with the rules there are', async () => {
    const text = 'No port rule holds port 26; there are smtp (2553), submission (2563), real-smtp (2573), index (2583)';
    expect(await post(mail1, '/disable?port=26')).toEqual({ ok: false, text });
  });
});

describe('a suspended host', () => {
  it('is out, refuses every verb but resume, over a restart too, and is stopped after it', async () => {
    await cluster.converged();
    expect(await post(mail2, '/suspend')).toMatchObject({ ok: true });
    await waitFor('its Envoy has ended', () => mail2.envoyPid === null);
    const state = async (from: SidecarHost) => (await from.status()).hosts[1]!.state;
    await waitFor('mail1 sees it suspended', async () => (await state(mail1)) === 'suspended');
    const refused = 'host mail2 is suspended: it takes no verb but resume (nlb resume), which leaves it stopped';
    await mail2.end('SIGTERM');
    mail2.run();
    await waitFor('it is suspended after its restart', async () => (await state(mail2)) === 'suspended');
    for (const path of [
      'start',
      'stop',
      'drainstop',
      'enable?port=all',
      'disable?port=all',
      'drain?port=all',
      'reload',
    ]) {
      expect(await post(mail2, `/${path}`), path).toEqual({ ok: false, text: refused });
    }
    expect(await entry(mail2)).toEqual([503, 'this host is suspended']);
    expect(await post(mail2, '/resume')).toMatchObject({ ok: true });
    await waitFor('mail1 sees it stopped', async () => (await state(mail1)) === 'stopped');
    expect(await entry(mail2)).toEqual([503, 'this host is stopped']);
    expect(mail2.envoyPid).toBe(null);
    expect(await post(mail2, '/start')).toMatchObject({ ok: true });
    await cluster.converged();
  });
});

describe('nlb drainstop', () => {
  it('lets an SMTP session finish properly and stops then; says how many are left, from where', async () => {
    await cluster.converged();
    const [session] = (await openOn(mail2, mail2, 1, REAL_SMTP.rule)) as [TestClient];
    const [handedHere] = (await openOn(mail2, mail1, 1)) as [TestClient];
    await say(session, 'EHLO client.example.org', 250);
    await say(session, 'MAIL FROM:<a@example.org>', 250);
    await say(session, 'RCPT TO:<b@example.org>', 250);
    for (const host of cluster.hosts) expect(await entry(host), host.name).toEqual([200, 'in']);
    await post(mail2, '/drainstop');
    await waitFor('mail2 drains', () => isAbsent(mail2, 'draining'));
    expect(await entry(mail2)).toEqual([503, 'this host is draining']);
    const drain = await waitFor('what is left', async () => {
      const { drain: left } = await mail2.status();
      return left?.enteredCount === 1 && left.handedHereCount === 1 && left.oldest.length === 1 && left;
    });
    expect(drain).toMatchObject({ endsAt: null, oldest: [{ port: REAL_SMTP.rule, rule: 'real-smtp' }] });
    expect(drain.oldest[0]).toMatchObject({
      client: expect.stringMatching(/^127\.0\.82\./),
      clientPort: session.port(),
    });
    handedHere.close();
    await say(session, 'DATA', 354);
    await say(session, 'Subject: kept\r\n\r\nwhile it drains\r\n.', 250);
    expect((await mail2.status()).hosts[1]!.state).toBe('draining');
    await say(session, 'QUIT', 221);
    await session.ended();
    expect(taken.filter((mail) => mail.includes('while it drains'))).toEqual([expect.stringMatching(/^mail2 /)]);
    await waitFor('its Envoy has ended', () => mail2.envoyPid === null);
    expect((await mail2.status()).drain).toBe(null);
    await post(mail2, '/start');
    await cluster.converged();
  });

  it('on two hosts at once: each finishes what it has, the third takes everything new', async () => {
    await cluster.converged();
    const held = [...(await openOn(mail2, mail1, 2)), ...(await openOn(mail3, mail3, 2))];
    for (const host of [mail2, mail3]) expect(await post(host, '/drainstop')).toMatchObject({ ok: true });
    for (const host of [mail2, mail3]) await waitFor(`${host.name} drains`, () => isAbsent(host, 'draining'));
    for (const entry of cluster.hosts) expect([...(await owners(entry))]).toEqual(['mail1']);
    for (const client of held) await client.echo('while two drain');
    for (const client of held) client.close();
    for (const host of [mail2, mail3]) await waitFor(`${host.name} has stopped`, () => host.envoyPid === null);
    for (const host of [mail2, mail3]) await post(host, '/start');
    await cluster.converged();
  });

  it('--timeout ends what is left, also where the sidecar was started anew meanwhile; start takes a drain back', async () => {
    await cluster.converged();
    const held = await openOn(mail2, mail1, 2);
    await post(mail2, '/drainstop');
    await waitFor('mail2 drains', () => isAbsent(mail2, 'draining'));
    expect((await post(mail2, '/start')).text).toBe('host mail2 is started again: its drain is over');
    await cluster.converged();
    await post(mail2, '/drainstop?timeoutMs=3000');
    await mail2.end('SIGTERM');
    for (const client of held) await client.echo('no sidecar ends it');
    mail2.run();
    await Promise.all(held.map((client) => client.ended()));
    await waitFor('its Envoy has ended', () => mail2.envoyPid === null);
    await post(mail2, '/start');
    await cluster.converged();
  });
});

describe('a single-host rule', () => {
  it('goes to the next handling priority when its host dies whole, through every entry host, and back when that returns', async () => {
    await cluster.converged();
    const servedAt = async (host: SidecarHost) =>
      nameOf(await greeting('127.0.83.1', { host: host.ip, port: SINGLE_HOST }));
    for (const host of cluster.hosts) expect(await servedAt(host)).toBe('mail2');
    const others = [...(await openOn(mail3, mail1, 2)), ...(await openOn(mail1, mail3, 2))];
    const [lost] = (await openOn(mail2, mail3, 1, SINGLE_HOST)) as [TestClient];
    await mail2.end('SIGKILL');
    process.kill(mail2.envoyPid!, 'SIGKILL');
    await mail2.service!.stop();
    await lost.ended();
    // Never anybody else in between: two hosts that serve it at a time are what such a rule is there to prevent.
    const servers: string[] = [];
    for (const host of [mail1, mail3]) {
      await waitFor(`mail3 serves through ${host.name}`, async () => {
        servers.push(await servedAt(host));
        return servers.at(-1) === 'mail3';
      });
    }
    expect(servers.filter((server) => !/^(mail3|closed|refused ECONNRESET)$/.test(server))).toEqual([]);
    const [served] = (await openOn(mail3, mail1, 1, SINGLE_HOST)) as [TestClient];
    await mail2.serve();
    mail2.run();
    await cluster.converged();
    for (const host of cluster.hosts) expect(await servedAt(host)).toBe('mail2');
    for (const client of [served, ...others]) await client.echo('after its return');
    for (const client of [served, ...others]) client.close();
  });
});

describe('nlb forget', () => {
  it('takes a dead host off the lists until it is heard again, and never a living one', async () => {
    await cluster.converged();
    const state = async () => (await mail1.status()).hosts[2]!.state;
    const living = await post(mail1, '/forget?name=mail3');
    expect(living).toEqual({
      ok: false,
      text: 'Cannot forget it: host mail3 is heard (converged): stop it there (nlb stop), or take it out of the file (nlb apply)',
    });
    expect(await post(mail1, '/forget?name=1')).toEqual({
      ok: false,
      text: 'Cannot forget it: host mail1 is this host',
    });
    await mail3.end('SIGKILL');
    process.kill(mail3.envoyPid!, 'SIGKILL');
    await waitFor('mail3 is lost', async () => (await state()) === 'lost');
    expect(await post(mail1, '/forget?name=3')).toMatchObject({ ok: true });
    await waitFor('mail3 is forgotten', async () => (await state()) === 'forgotten');
    await mail1.end('SIGTERM');
    mail1.run();
    await waitFor('mail3 is forgotten after a restart', async () => (await state()) === 'forgotten');
    mail3.run();
    await cluster.converged();
  });
});

describe('a verb that is answered', () => {
  /** Loaded into a sidecar: its disk takes its time with `state.json`, so that an answer before that would be seen. */
  const SLOW_DISK = `import files from 'node:fs/promises'; import { syncBuiltinESMExports } from 'node:module';
    const { rename } = files; const wait = () => new Promise((resolve) => setTimeout(resolve, 300));
    files.rename = async (from, to) => { if (to.endsWith('state.json')) await wait(); await rename(from, to); };
    syncBuiltinESMExports();`;
  const saved = () =>
    JSON.parse(readFileSync(join(mail3.stateDir, 'state.json'), 'utf8')) as Pick<
      SavedState,
      'hostState' | 'ruleControls'
    >;

  async function runAnew(environment: Record<string, string>): Promise<void> {
    await mail3.end('SIGKILL');
    mail3.environment = environment;
    mail3.run();
    await waitFor('its sidecar answers', async () => (await mail3.status()).thisHost === 'mail3');
  }

  it('is on disk: a sidecar that is killed the moment after goes on with it', async () => {
    await cluster.converged();
    const slow = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SLOW_DISK)}` };
    await runAnew(slow);
    await cluster.converged();
    expect(await post(mail3, `/disable?port=${PORTS.rule}`)).toMatchObject({ ok: true });
    await mail3.end('SIGKILL');
    expect(saved()).toMatchObject({ hostState: 'started', ruleControls: { smtp: 'disabled' } });
    await runAnew(slow);
    expect(await post(mail3, '/stop')).toMatchObject({ ok: true });
    await mail3.end('SIGKILL');
    expect(saved()).toMatchObject({ hostState: 'stopped', ruleControls: { smtp: 'disabled' } });
    await runAnew({});
    expect((await mail3.status()).rules[0]!.hosts[2]!.control).toBe('disabled');
    for (const verb of ['start', `enable?port=${PORTS.rule}`])
      expect(await post(mail3, `/${verb}`)).toMatchObject({ ok: true });
    await cluster.converged();
  });
});

describe('verbs', () => {
  it('do what they say, each in a moment (times are printed, not judged)', async () => {
    await cluster.converged();
    const times: string[] = [];
    const failed: string[] = [];
    for (const text of [
      'query',
      'display',
      'params',
      'queryport 2553',
      'explain 127.0.82.1 --port 2553',
      'drain 2553',
      'disable 2553',
      'enable all',
      'drainstop',
      'start',
      'suspend',
      'resume',
      'start',
      'reload',
      'queryport 2553 --host mail2',
    ]) {
      const startedMs = performance.now();
      const said: string[] = [];
      const say = (part: string): void => void said.push(part);
      const terminal = { out: say, err: say, ask: null, env: {} } as never;
      const code = await dispatch([...text.split(' '), '--state-dir', mail1.stateDir], terminal);
      times.push(`${text}: ${(performance.now() - startedMs).toFixed(0)} ms`);
      // Where this host stands in between is no news of these: query and display tell it by their exit code.
      if (code !== 0 && !(code === 1 && /^(query|display)$/.test(text)))
        failed.push(`${text}: ${code} ${said.join('')}`);
    }
    console.log(times.join('\n'));
    expect(failed).toEqual([]);
    await cluster.converged();
  });
});
