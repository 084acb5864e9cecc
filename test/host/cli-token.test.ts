/** `nlb token` on the files of a host, and options that stand before the verb. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fakeSidecar, freshDirectory, nlb, type Said, statusFixture } from './cli-fixture.js';
import { LAWFUL } from './config-fixture.js';

let directory: string;
beforeEach(() => {
  directory = freshDirectory();
  writeFileSync(join(directory, 'cluster.yaml'), `${LAWFUL}\nremoteControl: {}\n`);
});

const token = (...args: string[]): Promise<Said> =>
  nlb(['token', ...args, '--config', join(directory, 'cluster.yaml'), '--state-dir', directory]);

describe('nlb token', () => {
  it('makes a token that ends, prints it alone on standard output and keeps its hash', async () => {
    const { code, out, err } = await token('add', 'ann', '--role', 'control', '--expires', '90d');
    expect([code, out]).toEqual([0, expect.stringMatching(/^nlb_[0-9a-f]{8}_[\w-]{43}\n$/)]);
    expect(err).toContain('for ann, role control; it is shown this once');
    const path = join(directory, 'remote.tokens');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain(out.trim().slice(13));
    const [listed] = JSON.parse((await token('list', '--json')).out);
    expect(listed).toMatchObject({ name: 'ann', role: 'control', isValid: true });
    expect(Date.parse(listed.ends) - Date.parse(listed.added)).toBe(90 * 86_400_000);
    expect(listed).not.toHaveProperty('hash');
  });

  it.each([
    [['add', 'ann'], '--role is missing, expected read, control, configure'],
    [['add', 'ann', '--role', 'root'], '--role is root, expected read, control, configure'],
    [['add', 'a b', '--role', 'read'], 'the name is a b, expected 1-32 letters, digits, . _ @ -'],
    [['add', 'ann', '--role', 'read', '--expires', '1y'], '--expires is 1y, expected hours or days such as 12h or 90d'],
  ])('refuses %j', async (args, text) => {
    expect(await token(...args)).toMatchObject({ code: 2, err: expect.stringContaining(text) });
    expect((await token('list')).out).toBe(`No tokens in ${join(directory, 'remote.tokens')}\n`);
  });

  it('removes all of a name, or the one of an id, and says where there is none', async () => {
    for (const role of ['read', 'control']) await token('add', 'ann', '--role', role);
    const [first] = JSON.parse((await token('list', '--json')).out);
    expect(await token('remove', first.id)).toMatchObject({
      code: 0,
      out: `Token ${first.id} of ann is not valid any more\n`,
    });
    expect(await token('remove', 'ann')).toMatchObject({ code: 0 });
    expect(await token('remove', 'ann')).toMatchObject({ code: 1, err: expect.stringContaining('has no token ann') });
  });
});

describe('nlb --server', () => {
  it('may stand before the verb, and needs a token', async () => {
    const said = await nlb(['--server', 'https://mail1.invalid', 'query']);
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining('nlb query: --server needs a token') });
    const path = join(directory, 'ann.token');
    writeFileSync(path, '# nothing\n', { mode: 0o600 });
    expect(await nlb(['--server=https://mail1.invalid', '--token-file', path, 'query'])).toMatchObject({
      code: 2,
      err: `nlb query: ${path} holds no token, expected a line nlb_... as nlb token add prints it\n`,
    });
    expect(await nlb(['--server', 'http://mail1', '--token-file', path, 'query'])).toMatchObject({
      code: 2,
      err: 'nlb query: --server is http://mail1, expected https://HOST:7623\n',
    });
  });

  it('of the environment gives way to --state-dir', async () => {
    const sidecar = await fakeSidecar(directory, { 'GET /status': { code: 200, body: statusFixture() } });
    const { code } = await nlb(['query', '--state-dir', directory], { NLB_SERVER: 'https://mail1.invalid' });
    expect(code).toBe(0);
    await sidecar.close();
  });
});
