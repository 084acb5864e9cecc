/** nlb watch: what is drawn, that a change is drawn, and that the terminal is given back. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { dispatch } from '../../host/cli/dispatch.js';
import type { Screen } from '../../host/cli/terminal.js';
import { frame } from '../../host/cli/watch.js';
import { type FakeAnswer, fakeSidecar, freshDirectory, nlb, statusFixture } from './cli-fixture.js';

test('a frame fits the terminal, and says when the sidecar is away', () => {
  const lines = frame(statusFixture(), null, { columns: 40, rows: 6 }).split('\r\n');
  expect(lines[0]).toBe('\x1b[Hnlb watch on mail1: live; q ends\x1b[K');
  expect(lines).toHaveLength(6);
  expect(lines.slice(1, -1).every((line) => line.length <= 40 + '\x1b[K'.length)).toBe(true);
  expect(lines.at(-2)).toMatch(/^\.\.\. and \d+ lines more, in a taller term/);
  expect(frame(statusFixture(), 'the sidecar has ended', { columns: 80, rows: 6 })).toContain(
    'nlb watch on mail1: the sidecar has ended; waiting for it. q ends',
  );
});

test('a frame of 80 columns and 24 rows has every host and every problem, and sentences whole', () => {
  const text = frame(statusFixture(), null, { columns: 80, rows: 24 }).replaceAll('\x1b[K', '');
  for (const part of [
    '  2    mail2    10.0.0.12  lost',
    'Problems (1)',
    'does not answer on mail3',
    'cluster: 1,3\r\n',
  ]) {
    expect(text).toContain(part);
  }
  const narrow = frame(statusFixture(), null, { columns: 50, rows: 24 }).replaceAll('\x1b[K', '');
  expect(narrow).toContain('  2026-11-22 21:04:19Z  The service of port rule\r\n  smtp does not answer on mail3\r\n');
  expect(frame(statusFixture(), null, { columns: 80, rows: 200 })).not.toContain('lines more');
});

test('draws every change until it is ended, and leaves the terminal as it was', async () => {
  const directory = freshDirectory();
  const server = createServer((request, response) => {
    if (request.url === '/status') {
      response.end(JSON.stringify(statusFixture()));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ ...statusFixture(), state: 'stopped' })}\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'nlb.sock'), resolve));
  let drawn = '';
  let closedCount = 0;
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const screen: Screen = {
    size: () => ({ columns: 100, rows: 50 }),
    onResize: () => {},
    ended: () => ended,
    close: () => {
      closedCount += 1;
    },
  };
  const out = (text: string): void => {
    drawn += text;
    if (drawn.includes('Host mail1 is stopped')) end();
  };
  const code = await dispatch(['watch', '--state-dir', directory], { out, err: () => {}, ask: null, env: {}, screen });
  server.closeAllConnections();
  server.close();
  expect([code, closedCount]).toEqual([0, 1]);
  expect(drawn).toContain('converged as DEFAULT');
  expect(drawn.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
  expect(drawn.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
});

test('waits for no other host once it is ended', async () => {
  const directory = freshDirectory();
  const waits: (() => void)[] = [];
  const late = new Promise<void>((resolve) => void waits.push(resolve));
  const status = { code: 200, body: statusFixture() };
  const answers: Record<string, FakeAnswer> = { 'GET /status': status, 'GET /hosts/mail2/status': status };
  const sidecar = await fakeSidecar(directory, answers);
  const screen: Screen = {
    size: () => ({ columns: 100, rows: 50 }),
    onResize() {
      answers['GET /hosts/mail2/status'] = { ...status, after: late };
    },
    ended: () => vi.waitFor(() => expect([...sidecar.open]).toEqual(['GET /hosts/mail2/status']), 10_000),
    close: () => {},
  };
  const quiet = { out: () => {}, err: () => {}, ask: null, env: {}, screen };
  expect(await dispatch(['watch', '--host', 'mail2', '--state-dir', directory], quiet)).toBe(0);
  await expect.poll(() => [...sidecar.open]).toEqual([]);
  for (const end of waits) end();
  await sidecar.close();
});

test('refuses where there is no terminal', async () => {
  const said = await nlb(['watch']);
  const expected = 'nlb watch: this is no terminal, expected one; nlb display --json is for programs\n';
  expect([said.code, said.err]).toEqual([2, expected]);
});
