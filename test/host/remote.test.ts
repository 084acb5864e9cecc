/** Remote control over real TLS on loopback, with a fake sidecar behind it: who gets in, how far, and what is written down. */
import { getEventListeners } from 'node:events';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dialRemote } from '../../host/cli/remote.js';
import type { Door } from '../../host/admin/door.js';
import { createEvents, type Events } from '../../host/admin/events.js';
import type { Role } from '../../host/admin/route.js';
import { adminRoutes } from '../../host/admin/routes.js';
import { applyRoutes } from '../../host/apply/control.js';
import type { Applying } from '../../host/apply/applying.js';
import type { ClusterFile, HostConfig, RemoteControl } from '../../host/protocol/types.js';
import { RateLimit } from '../../host/remote/limits.js';
import { HOW_TO_SWITCH_ON, RemoteControlDoor } from '../../host/remote/remote-control.js';
import { makeToken, readTokens, tokenFileText, tokenShown, type Token } from '../../host/remote/tokens.js';
import { waitFor } from '../e2e/harness/wait.js';
import { adminApi } from './admin-fixture.js';
import { freshDirectory, statusFixture } from './cli-fixture.js';

const self: HostConfig = { name: 'mail1', priority: 1, dedicatedIp: '127.0.95.1' };
const PORT = 7695;
const settings: RemoteControl = {
  port: PORT,
  tokenFile: 'remote.tokens',
  certificate: null,
  privateKey: null,
  names: [],
};
const NOW = '2026-11-26T12:00:00.000Z';

let directory: string;
let nowMs: number;
let file: { remoteControl?: RemoteControl };
let said: string[];
let problems: Map<string, string | null>;
let done: string[];
let events: Events;
let remote: RemoteControlDoor;

const api = adminApi({
  async verb(verb) {
    done.push(verb);
    return { ok: true, text: `${verb} done` };
  },
});
/** What a file that is brought waits for. */
let inForce: Promise<void> | null = null;
const applying = {
  async apply({ by }: { by: string }) {
    done.push(`apply by ${by}`);
    await inForce;
    return { ok: true, text: 'in force', revision: 1, difference: [] };
  },
  revisions: () => [],
} as unknown as Applying;

beforeEach(() => {
  directory = freshDirectory();
  [nowMs, file, said, problems, done] = [0, {}, [], new Map(), []];
  events = createEvents(statusFixture);
  const routes = [...adminRoutes(api), ...applyRoutes(applying, 'mail1')];
  const door: Door = {
    routes,
    events,
    async elsewhere(method, url) {
      done.push(`${method} ${url.pathname}`);
      return { code: 200, body: { ok: true, text: 'there' } };
    },
  };
  const line = (text: string) => void said.push(text);
  const log = {
    info: line,
    warning: line,
    error: line,
    flush() {},
    identify() {},
    repeating: (_l: unknown, _t: unknown, text: string) => line(text),
  };
  remote = new RemoteControlDoor({
    self,
    clusterFilePath: join(directory, 'cluster.yaml'),
    stateDirectory: directory,
    file: () => ({ ...file, clusterName: 'mail.example.org' }) as ClusterFile,
    door,
    clock: { nowMs: () => nowMs, wallIso: () => NOW },
    log,
    sayProblem: (topic, text) => void problems.set(topic, text),
  });
});
afterEach(async () => {
  events.close();
  await remote.close();
});

async function look(): Promise<void> {
  remote.look();
  await new Promise((resolve) => setImmediate(resolve));
}

async function open(...tokens: Token[]): Promise<void> {
  writeFileSync(join(directory, 'remote.tokens'), tokenFileText(tokens), { mode: 0o600 });
  file = { remoteControl: settings };
  await waitFor('remote control to be open', async () => {
    await look();
    return remote.state().url;
  });
}

const token = (name: string, role: Role, ends: string | null = null) => makeToken(name, role, NOW, ends);

interface Answer {
  code: number;
  body: { ok: boolean; text: string } & Record<string, unknown>;
  headers: Record<string, unknown>;
}

function ask(
  method: string,
  path: string,
  shown: string | null,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const authorization = shown === null ? {} : { authorization: `Bearer ${shown}` };
    const where = { host: self.dedicatedIp, port: PORT, rejectUnauthorized: false, agent: false as const };
    const sent = httpsRequest({ ...where, method, path, headers: { ...authorization, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        const parsed = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : { text };
        resolve({ code: response.statusCode ?? 0, body: parsed, headers: response.headers });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('remote control', () => {
  it('is off unless the file has it, and says how to switch it on', async () => {
    await look();
    await expect(ask('GET', '/status', null)).rejects.toThrow('ECONNREFUSED');
    expect(remote.state()).toEqual({ url: null, fingerprint: null, tokenCount: 0, text: HOW_TO_SWITCH_ON });
  });

  it('lets each token do what its role may, and nobody without one', async () => {
    const [reader, operator, owner] = [token('ann', 'read'), token('ops', 'control'), token('cfg', 'configure')];
    const ended = token('old', 'configure', '2026-11-25T12:00:00Z');
    await open(reader.token, operator.token, owner.token, ended.token);
    const codes = async (shown: string | null) => [
      (await ask('GET', '/status', shown)).code,
      (await ask('POST', '/drainstop', shown)).code,
      (await ask('POST', '/hosts/mail2/stop', shown)).code,
      (await ask('POST', '/apply', shown, {}, '{"text":"x"}')).code,
    ];
    expect(await codes(null)).toEqual([401, 401, 401, 401]);
    expect(await codes(reader.text)).toEqual([200, 403, 403, 403]);
    expect(await codes(operator.text)).toEqual([200, 200, 200, 403]);
    expect(await codes(owner.text)).toEqual([200, 200, 200, 200]);
    expect((await ask('GET', '/status', ended.text)).code).toBe(401);
    expect((await ask('GET', '/status', `${reader.text.slice(0, -1)}_`)).code).toBe(401);
    expect(done).toEqual([
      ...['drainstop', 'POST /hosts/mail2/stop'],
      ...['drainstop', 'POST /hosts/mail2/stop', 'apply by cfg on mail1'],
    ]);
    expect((await ask('GET', '/access', operator.text)).body).toEqual({ role: 'control', by: 'ops' });
  });

  it('answers a file that switches it off, over the connection that brought it, and listens no more', async () => {
    const owner = token('cfg', 'configure');
    await open(owner.token);
    let comesInForce = (): void => {};
    inForce = new Promise((resolve) => {
      comesInForce = resolve;
    });
    const answer = ask('POST', '/apply', owner.text, {}, '{"text":"x"}');
    await waitFor('it is being brought', () => done.length === 1);
    file = {};
    await waitFor('remote control to be closed', async () => {
      await look();
      return remote.state().url === null;
    });
    await expect(ask('GET', '/status', owner.text)).rejects.toThrow('ECONNREFUSED');
    comesInForce();
    inForce = null;
    expect(await answer).toMatchObject({ code: 200, body: { ok: true, text: 'in force' } });
  });

  it('tells why it refuses', async () => {
    const reader = token('ann', 'read');
    await open(reader.token);
    expect((await ask('GET', '/status', null)).body.text).toBe(
      'a token is missing, expected Authorization: Bearer; nlb token add on this host makes one',
    );
    expect((await ask('POST', '/stop', reader.text)).body.text).toBe(
      '/stop needs the role control; ann has the role read',
    );
    expect((await ask('GET', '/stop', reader.text)).body.text).toBe(
      '/stop changes something: expected POST for /stop, got GET',
    );
    expect(done).toEqual([]);
  });

  it('writes down who changed what and from where, and who was turned away', async () => {
    const operator = token('ops', 'control');
    await open(operator.token);
    await ask('POST', '/start?now=true', operator.text);
    await ask('POST', '/apply', operator.text);
    await ask('GET', '/status', operator.text);
    await ask('POST', '/stop', null);
    const who = `ops (token ${operator.token.id}, control) from 127.0.0.1`;
    expect(said.slice(1)).toEqual([
      `remote control: ${who}: POST /start?now=true -> 200`,
      `remote control: ${who}: POST /apply -> 403`,
      'Remote control: 127.0.0.1 was turned away: a token is missing, expected Authorization: Bearer',
    ]);
    expect(said.join()).not.toContain(operator.text);
  });

  it('answers under its own names alone, and to no other page', async () => {
    const reader = token('ann', 'read');
    await open(reader.token);
    const code = async (headers: Record<string, string>) => (await ask('GET', '/status', reader.text, headers)).code;
    expect(await code({ host: 'mail1:7695' })).toBe(200);
    expect(await code({ host: 'mail.example.org:7695', origin: 'https://mail.example.org:7695' })).toBe(200);
    expect(await code({ host: 'evil.example:7695' })).toBe(403);
    expect(await code({ host: 'mail1:7695', origin: 'https://evil.example' })).toBe(403);
    const { headers } = await ask('GET', '/', null);
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(headers).not.toHaveProperty('set-cookie');
  });

  it('bounds how much one address with wrong tokens, one token and one address ask', async () => {
    const reader = token('ann', 'read');
    await open(reader.token);
    const codes = async (count: number, shown: string | null) => {
      const answers = await Promise.all(Array.from({ length: count }, () => ask('GET', '/entry', shown)));
      return answers.map(({ code }) => code).toSorted();
    };
    const counted = (all: number[]) =>
      Object.fromEntries([...new Set(all)].map((code) => [code, all.filter((c) => c === code).length]));
    expect(counted(await codes(15, `nlb_${reader.token.id}_${'A'.repeat(43)}`))).toEqual({ 401: 10, 429: 5 });
    expect(counted(await codes(70, reader.text))).toEqual({ 200: 60, 429: 10 });
    nowMs += 1000;
    expect(counted(await codes(25, reader.text))).toEqual({ 200: 20, 429: 5 });
    const refused = await ask('GET', '/entry', reader.text);
    expect([refused.body.text, refused.headers['retry-after']]).toEqual([
      `too many requests of token ${reader.token.id}; try again in 1 s`,
      '1',
    ]);
    expect(counted(await codes(40, reader.text))).toEqual({ 429: 40 });
  });

  it('does not read the body of who may not send one', async () => {
    await open();
    const answer = await ask('POST', '/apply', null, {}, 'x'.repeat(1000));
    expect(answer.code).toBe(401);
    const owner = token('cfg', 'configure');
    await open(owner.token);
    await waitFor('the new token', async () => {
      await look();
      return remote.state().tokenCount === 1;
    });
    const long = await ask('POST', '/apply', owner.text, {}, JSON.stringify({ text: 'x'.repeat(4_100_000) })).catch(
      () => null,
    );
    expect(long?.code ?? 400).toBe(400);
    expect(done).toEqual([]);
  });

  it('streams the status to who may read, and ends the stream when the token is removed', async () => {
    const reader = token('ann', 'read');
    await open(reader.token);
    let text = '';
    const ended = new Promise<void>((resolve) => {
      const headers = { authorization: `Bearer ${reader.text}` };
      const where = { host: self.dedicatedIp, port: PORT, path: '/events', headers, rejectUnauthorized: false };
      httpsRequest({ ...where, agent: false }, (response) => {
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('close', resolve);
      }).end();
    });
    await waitFor('a status', () => text.includes('data: {"clusterName":"mail.example.org"'));
    writeFileSync(join(directory, 'remote.tokens'), tokenFileText([]));
    await waitFor('the token to be gone', async () => {
      await look();
      return remote.state().tokenCount === 0;
    });
    await look();
    await ended;
  });

  it('closes when the file has it no more, and opens elsewhere when it says so', async () => {
    const reader = token('ann', 'read');
    await open(reader.token);
    file = { remoteControl: { ...settings, port: PORT + 1 } };
    await waitFor('the other port', async () => {
      await look();
      return remote.state().url?.endsWith(String(PORT + 1));
    });
    await expect(ask('GET', '/status', reader.text)).rejects.toThrow('ECONNREFUSED');
    file = {};
    await waitFor('it to be closed', async () => {
      await look();
      return remote.state().url === null;
    });
  });

  it('makes its certificate once, and a given one that is wrong is a problem with its path', async () => {
    await open();
    const { fingerprint } = remote.state();
    expect(fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(statSync(join(directory, 'remote-control.pem')).mode & 0o777).toBe(0o600);
    file = {};
    await waitFor('it to be closed', async () => {
      await look();
      return remote.state().url === null;
    });
    await open();
    expect(remote.state().fingerprint).toBe(fingerprint);
    file = { remoteControl: { ...settings, certificate: 'no.crt', privateKey: 'no.key' } };
    const problem = await waitFor('a problem', async () => {
      await look();
      return problems.get('remoteControl');
    });
    expect(problem).toBe(`Cannot read the certificate of remote control ${directory}/no.crt: ENOENT`);
  });

  it('shows a renewed certificate without a restart', async () => {
    await open();
    const made = readFileSync(join(directory, 'remote-control.pem'), 'utf8');
    const [cert, key] = [join(directory, 'given.crt'), join(directory, 'given.key')];
    const put = (pem: string) => {
      writeFileSync(cert, pem.slice(0, pem.indexOf('-----BEGIN PRIVATE')));
      writeFileSync(key, pem.slice(pem.indexOf('-----BEGIN PRIVATE')));
    };
    put(made);
    file = { remoteControl: { ...settings, port: PORT + 1, certificate: 'given.crt', privateKey: 'given.key' } };
    await waitFor('the other port', async () => {
      await look();
      return remote.state().url?.endsWith(String(PORT + 1));
    });
    expect(remote.state().fingerprint).toBeNull();
    writeFileSync(cert, 'nonsense');
    await waitFor('a problem', async () => {
      await look();
      return problems.get('remoteControl')?.includes('given.crt');
    });
    put(made);
    await waitFor('no problem', async () => {
      await look();
      return problems.get('remoteControl') === null;
    });
  });
});

describe('tokens', () => {
  it('are kept as hashes, and a file that others may read is refused', () => {
    const path = join(directory, 'remote.tokens');
    const { text, token: made } = token('ops', 'control');
    writeFileSync(path, tokenFileText([made]), { mode: 0o600 });
    expect(readFileSync(path, 'utf8')).not.toContain(text.split('_').slice(2).join('_'));
    expect(readTokens(path)).toEqual([made]);
    expect(tokenShown(readTokens(path), `Bearer ${text}`, NOW)).toEqual(made);
    chmodSync(path, 0o640);
    expect(() => readTokens(path)).toThrow(`The token file ${path} has mode 0640: others than its owner may use it`);
  });

  it.each([
    ['nonsense', 'this is no token, expected a line that nlb token add wrote'],
    [`1f0c2a3b root ${'0'.repeat(64)} ${NOW} - ops`, 'the role is root, expected read, control, configure'],
    [`1f0c2a3b read ${'0'.repeat(64)} ${NOW} soon ops`, 'it ends at soon, expected a time or -'],
  ])('names a line that is wrong: %s', (line, text) => {
    const path = join(directory, 'remote.tokens');
    writeFileSync(path, `# tokens\n${line}\n`, { mode: 0o600 });
    expect(() => readTokens(path)).toThrow(`${path}:2: ${text}`);
  });
});

describe('RateLimit', () => {
  it('remembers at most 1,000 and fills again with time', () => {
    const limit = new RateLimit({ burst: 2, perSecond: 0.5 });
    expect([1, 2, 3].map(() => limit.take('a', 0))).toEqual([0, 0, 2]);
    for (let i = 0; i < 1000; i++) limit.take(`other ${i}`, 0);
    expect(limit.waitS('a', 0)).toBe(0);
    limit.take('b', 0);
    limit.take('b', 0);
    expect([limit.take('b', 1000), limit.take('b', 2000)]).toEqual([1, 0]);
  });
});

describe('dialRemote()', () => {
  it('leaves nothing at a signal that many dials are given, made or not', async () => {
    await open(token('one', 'read').token);
    const { fingerprint } = remote.state();
    const server = { url: new URL(`https://${self.dedicatedIp}:${PORT}`), token: 'nlb_x', fingerprint, issuers: null };
    const { signal } = new AbortController();
    for (const shown of [fingerprint, `sha256:${'0'.repeat(64)}`, null]) {
      const dialled = dialRemote({ ...server, fingerprint: shown }, signal);
      if (shown === fingerprint) (await dialled).destroy();
      else await expect(dialled).rejects.toThrow(shown === null ? /nobody vouches/ : /another machine/);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }
  });
});
