/** Remote control of real sidecars: switched on by the cluster file, used by `nlb --server` as at the control socket. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nlb, type Said } from '../host/cli-fixture.js';
import { waitFor } from './harness/wait.js';
import { SidecarCluster } from './sidecar-cluster.js';

type Host = SidecarCluster['hosts'][0];

const PORT = 7661;
const cluster = new SidecarCluster('127.0.69', 2, true);
const [mail1, mail2] = cluster.hosts as [Host, Host];
const URL_OF_MAIL1 = `https://${mail1.ip}:${PORT}`;
const withRemote = `${cluster.fileText('equal')}remoteControl: {port: ${PORT}}\n`;

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

const local = (host: Host, ...args: string[]): Promise<Said> =>
  nlb([...args, '--state-dir', host.stateDir], { USER: 'root' });
const tokenFile = (name: string) => join(cluster.directory, `${name}.token`);
const remote = (who: string, ...args: string[]): Promise<Said> =>
  nlb(['--server', URL_OF_MAIL1, '--token-file', tokenFile(who), ...args], { USER: 'ann' });

function fileWith(text: string): string {
  const path = join(cluster.directory, 'new.yaml');
  writeFileSync(path, text);
  return path;
}

async function addToken(name: string, role: string): Promise<Said> {
  const said = await local(mail1, 'token', 'add', name, '--role', role, '--config', mail1.filePath);
  writeFileSync(tokenFile(name), said.out, { mode: 0o600 });
  return said;
}

describe('remote control', () => {
  it('is off: a refusal says how to switch it on, and one file switches it on everywhere', async () => {
    const early = await addToken('early', 'read');
    expect(early).toMatchObject({ code: 0, out: expect.stringMatching(/^nlb_[0-9a-f]{8}_[\w-]{43}\n$/) });
    expect(early.err).toContain('Nobody can use it yet: remote control is off; remoteControl: {} in the cluster file');
    expect(await remote('early', 'query')).toMatchObject({
      code: 3,
      err: `nlb query: Cannot reach the sidecar at ${URL_OF_MAIL1}: nobody listens there; remote control is off unless the cluster file has remoteControl: (nlb apply), or its sidecar does not run\n`,
    });
    expect(await local(mail1, 'apply', fileWith(withRemote))).toMatchObject({ code: 0 });
    await waitFor('remote control of both hosts', async () =>
      cluster.hosts.every((host) => host.log().includes('remote control is open at')),
    );
    await cluster.converged();
  });

  it('tells the fingerprint of a certificate nobody vouches for, and sends nothing before it is known', async () => {
    const { code, err } = await remote('early', 'query');
    expect(code).toBe(3);
    expect(err).toMatch(/nobody vouches for its certificate \(\w+\); it is sha256:[0-9a-f]{64}\. Compare that/);
    const wrong = `${readFileSync(tokenFile('early'), 'utf8')}fingerprint sha256:${'0'.repeat(64)}\n`;
    writeFileSync(tokenFile('early'), wrong);
    expect((await remote('early', 'query')).err).toContain('the token file says sha256:0000');
    chmodSync(tokenFile('early'), 0o644);
    expect(await remote('early', 'query')).toMatchObject({ code: 2, err: expect.stringContaining('has mode 0644') });
  });

  it('answers as the control socket does, about any host', async () => {
    expect(await addToken('ann', 'read')).toMatchObject({ out: expect.stringMatching(/\nfingerprint sha256:/) });
    for (const args of [
      ['query'],
      ['explain', '192.0.2.7', '--port', '2553'],
      ['revisions'],
      ['query', '--all'],
      ['key', 'list'],
    ]) {
      expect(await remote('ann', ...args)).toEqual(await local(mail1, ...args));
    }
    expect(await remote('ann', 'query', '--host', 'mail2')).toEqual(await local(mail1, 'query', '--host', 'mail2'));
  });

  it('lets a role do what it may, writes down who did what, and forgets a token at once', async () => {
    expect(await remote('ann', 'stop', '--host', 'mail2')).toEqual({
      code: 4,
      out: '',
      err: 'nlb stop: /stop needs the role control; ann has the role read\n',
    });
    await addToken('ops', 'control');
    expect(await remote('ops', 'stop', '--host', 'mail2')).toMatchObject({ code: 0 });
    await waitFor('mail2 to be stopped', async () => (await mail2.status()).state === 'stopped');
    expect(await remote('ops', 'start', '--host', 'mail2')).toMatchObject({ code: 0 });
    await cluster.converged();
    await mail1.logged(
      /remote control: ops \(token [0-9a-f]{8}, control\) from 127\.0\.0\.1: POST \/hosts\/mail2\/stop -> 200/,
    );
    const changed = fileWith(withRemote.replace('loadWeight: equal', 'loadWeight: {mail1: 40, mail2: 60}'));
    expect(await remote('ops', 'apply', changed)).toMatchObject({ code: 4, err: expect.stringContaining('configure') });
    await addToken('cfg', 'configure');
    expect(await remote('cfg', 'apply', changed)).toMatchObject({ code: 0 });
    expect((await local(mail1, 'revisions')).out).toContain('cfg on mail1');
    expect(await remote('ops', 'key', 'rotate')).toMatchObject({ code: 4, err: expect.stringContaining('configure') });
    expect(await remote('cfg', 'key', 'rotate')).toMatchObject({ code: 0 });
    expect(await local(mail1, 'token', 'remove', 'ops', '--config', mail1.filePath)).toMatchObject({ code: 0 });
    const gone = await remote('ops', 'query');
    expect(gone.code).toBe(4);
    expect(gone.err).toContain('the token is not valid here (any more)');
    const listed = await local(mail1, 'token', 'list', '--config', mail1.filePath, '--host', 'mail1');
    expect(listed.out).toContain(`For ${URL_OF_MAIL1}, certificate sha256:`);
    expect(listed.out.split('\n').map((line) => line.split(/ {2,}/)[2])).toEqual([
      'NAME',
      'early',
      'ann',
      'cfg',
      undefined,
      undefined,
    ]);
  });
});

describe('nlb apply --confirm over remote control', () => {
  it('of a file that moves remote control is answered, says where to confirm it, and is taken back on all hosts', async () => {
    const inForce = readFileSync(mail1.filePath, 'utf8');
    const revision = (await mail1.status()).file.revision;
    const moved = fileWith(inForce.replace(`{port: ${PORT}}`, `{port: ${PORT + 1}}`));
    const said = await remote('cfg', 'apply', moved, '--confirm', '5s');
    expect(said).toMatchObject({
      code: 0,
      err:
        `This change moves remote control, over which it comes, from port ${PORT} to ${PORT + 1}; ` +
        `nlb confirm --server https://${mail1.ip}:${PORT + 1} keeps it, else it is taken back after 5s\n`,
    });
    expect(said.out).toMatch(
      new RegExp(
        `Revision ${revision + 1} is in force on mail1, mail2, .* s after it was brought. It is taken back in 5 s unless`,
      ),
    );
    const opened = (host: Host) =>
      [...host.log().matchAll(/remote control is open at https:\/\/[\d.]+:(\d+)/g)].map(([, port]) => Number(port));
    const there = [PORT, PORT + 1, PORT];
    for (const host of cluster.hosts) {
      await waitFor(`${host.name} to have opened ${there}`, () => opened(host).join() === there.join());
      await waitFor('the file before', async () => (await host.status()).file.revision === revision + 2);
      await waitFor('the file before on disk', () => readFileSync(host.filePath, 'utf8') === inForce);
    }
    await cluster.converged();
    expect(await remote('cfg', 'query')).toMatchObject({ code: 0 });
    const refused = await remote('cfg', '--server', `https://${mail1.ip}:${PORT + 1}`, 'query');
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('nobody listens there')]);
  });
});

describe('GET /openapi.json of a running sidecar', () => {
  const agent = new Agent({ keepAlive: false, rejectUnauthorized: false });
  const get = (path: string, secret: string): Promise<{ code: number; type: string; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${secret}` };
      const sent = request(`${URL_OF_MAIL1}${path}`, { agent, headers }, (response) => {
        const type = response.headers['content-type'] ?? '';
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          if (type === 'text/event-stream' && text.includes('\n\ndata: ') && text.endsWith('\n\n')) response.destroy();
        });
        response.on('close', () => resolve({ code: response.statusCode ?? 0, type, text }));
      });
      sent.on('error', reject);
      sent.end();
    });

  it('tells what every question is answered with, here and about another host', async () => {
    const secret = readFileSync(tokenFile('ann'), 'utf8').split('\n')[0]!;
    const document = JSON.parse((await get('/openapi.json', secret)).text);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'openapi', ...document });
    const questions: Record<string, string> = {
      '/explain': '?client=192.0.2.7&port=2553',
      '/history': '?since=2026-01-01',
    };
    const asked: string[] = [];
    for (const [path, operations] of Object.entries<Record<string, { responses: Record<string, unknown> }>>(
      document.paths,
    )) {
      // Looking at another host takes its seconds once more and answers the same.
      if (operations.get === undefined || path === '/hosts/{host}/examination') continue;
      const own = path.replace('/hosts/{host}', '');
      const reply = await get(`${path.replace('{host}', 'mail2')}${questions[own] ?? ''}`, secret);
      const response = operations.get.responses[reply.code] as { content: Record<string, { schema: object }> };
      const [type, { schema }] = Object.entries(response.content)[0]!;
      expect([reply.code, reply.type.split(';')[0]], path).toEqual([200, type]);
      const value = JSON.parse(type === 'text/event-stream' ? reply.text.split('data: ')[1]! : reply.text);
      const check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
      expect(check(value) ? null : ajv.errorsText(check.errors), path).toBeNull();
      asked.push(path);
    }
    expect(asked.length).toBeGreaterThan(15);
  });
});
