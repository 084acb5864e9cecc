/** What `nlb apply` says of what a sidecar answers, and when it looks at the file itself. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeSidecar, freshDirectory, nlb } from './cli-fixture.js';
import { LAWFUL } from './config-fixture.js';

const DONE = { ok: true, text: 'Revision 4 is in force on mail1, 0.2 s after it was brought', revision: 4 };
const CHANGES = ['port rule smtp: affinity single -> none'];

/** @param answer  null: there is no sidecar */
async function apply(text: string, answer: { code: number; body: unknown } | null) {
  const directory = freshDirectory();
  const path = join(directory, 'new.yaml');
  writeFileSync(path, text);
  const sidecar = answer === null ? null : await fakeSidecar(directory, { 'POST /apply': answer });
  const said = await nlb(['apply', path, '--state-dir', directory]);
  await sidecar?.close();
  return said;
}

test('an answer without what moves, as an older sidecar gives it, is told all the same', async () => {
  const said = await apply(LAWFUL, { code: 200, body: { ...DONE, difference: CHANGES } });
  expect(said).toEqual({
    code: 0,
    out: `1 change:\n  ${CHANGES[0]}\nWhich clients move was not counted; the log of the host that was asked may say why\n${DONE.text}\n`,
    err: '',
  });
});

test('an answer that is none of a change is told as it is', async () => {
  const said = await apply(LAWFUL, { code: 500, body: { ok: false, text: 'the disk is full' } });
  expect([said.code, said.err]).toEqual([4, 'nlb apply: the disk is full\n']);
});

test('a refused file is looked at here, for its mistakes with their lines, also where no sidecar answers', async () => {
  const refused = { code: 409, body: { ok: false, text: 'no', revision: null, difference: [], moves: null } };
  const wrong = `${LAWFUL}\nfoo: 1\n`;
  for (const answer of [refused, null]) {
    const said = await apply(wrong, answer);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toMatch(/new\.yaml:\d+:1: foo/);
  }
  const said = await apply(LAWFUL, refused);
  expect([said.code, said.err]).toEqual([4, 'nlb apply: no\n']);
});

test('an answer that was lost is said as that, whatever the file is: it may be in force', async () => {
  const directory = freshDirectory();
  const path = join(directory, 'new.yaml');
  writeFileSync(path, 'foo: 1\n');
  const server = createServer((request) => request.socket.destroy());
  await new Promise<void>((resolve) => server.listen(join(directory, 'nlb.sock'), resolve));
  const said = await nlb(['apply', path, '--state-dir', directory]);
  server.close();
  expect(said.code).toBe(3);
  expect(said.err).toContain('whether it is in force is not known here, nlb revisions on one of the hosts tells');
});
