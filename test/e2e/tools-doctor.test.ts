/** nlb doctor in a terminal of util-linux `script`, against a sidecar that answers when the test says so. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { inForceOfFile } from '../../host/admin/explain.js';
import { type FakeAnswer, type FakeSidecar, fakeSidecar, freshDirectory, statusFixture } from '../host/cli-fixture.js';
import { fileOf, LAWFUL } from '../host/config-fixture.js';
import { waitFor } from './harness/wait.js';

const MAIN = fileURLToPath(new URL('../../build/host/main.js', import.meta.url));
const COLUMNS = 60;
const IN_FORCE = { code: 200, body: inForceOfFile(fileOf(LAWFUL), 1) };
const NO_VIEW = { code: 409, body: { ok: false, text: 'host mail1 has no view yet' } };
const PROGRESS = 'waiting for mail1, mail2, mail3; 10 s at most ...';

let release = (): void => {};
let sidecar: FakeSidecar | null = null;
let child: ChildProcess | null = null;
afterEach(async () => {
  release();
  child?.kill();
  await sidecar?.close();
});

/** No host is examined before release(). @returns the state directory */
async function withFile(inForce: FakeAnswer): Promise<string> {
  const directory = freshDirectory();
  const after = new Promise<void>((resolve) => {
    release = resolve;
  });
  const silent = { code: 502, body: { ok: false, text: 'no answer within 8 s' }, after };
  const answers: Record<string, FakeAnswer> = { 'GET /status': { code: 200, body: statusFixture() } };
  for (const host of ['', '/hosts/mail2', '/hosts/mail3']) {
    answers[`GET ${host}/in-force`] = inForce;
    answers[`GET ${host}/examination`] = silent;
  }
  sidecar = await fakeSidecar(directory, answers);
  return directory;
}

/** What is written, as it comes. */
function started(program: string, args: readonly string[]): { written(): string; ended: Promise<number> } {
  const env = { ...process.env, SHELL: '/bin/sh' };
  const running = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child = running;
  let text = '';
  for (const stream of [running.stdout, running.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  return { written: () => text, ended: once(running, 'close').then(([code]) => code as number) };
}

function inTerminal(directory: string) {
  const line = `stty cols ${COLUMNS} rows 24; exec '${process.execPath}' '${MAIN}' doctor --no-dns --state-dir '${directory}'`;
  return started('script', ['-qfec', line, '/dev/null']);
}

/** The lines that a person sees in the end: `\r` goes to the left end, and what is written there takes the old text's place. */
function screenOf(written: string): string[] {
  const lines = written.split('\n').map((line) => {
    let [shown, column] = ['', 0];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to in them
    for (const [part] of line.matchAll(/\r|\x1b\[K|[^\r\x1b]+/g)) {
      if (part === '\r') column = 0;
      else if (part === '\x1b[K') shown = shown.slice(0, column);
      else {
        shown = shown.slice(0, column) + part + shown.slice(column + part.length);
        column += part.length;
      }
    }
    return shown;
  });
  return lines.filter((line) => line !== '');
}

describe('nlb doctor in a terminal', () => {
  it('shows for whom it waits, and the findings on lines of their own', async () => {
    const { written, ended } = inTerminal(await withFile(IN_FORCE));
    await waitFor('the progress line', () => screenOf(written()).at(-1) === PROGRESS);
    release();
    expect(await ended).toBe(1);
    const lines = screenOf(written());
    expect(lines[0]).toBe('Looked at no host: 3 findings');
    expect(lines.filter((line) => line.includes('waiting'))).toEqual([]);
    expect(lines.filter((line) => /^\d\. host mail\d does not answer/.test(line))).toHaveLength(3);
  });

  it('says an error on a line of its own, and nothing after it, whoever answers then', async () => {
    const { written, ended } = inTerminal(await withFile(NO_VIEW));
    const error = 'nlb doctor: host mail1 has no view yet';
    await waitFor('the error', () => written().includes(error));
    release();
    expect(await ended).toBe(3);
    expect(written()).toContain(PROGRESS);
    expect(screenOf(written())).toEqual([error]);
  });

  it('writes no progress into a pipe', async () => {
    const directory = await withFile(IN_FORCE);
    release();
    const { written, ended } = started(process.execPath, [MAIN, 'doctor', '--no-dns', '--state-dir', directory]);
    expect(await ended).toBe(1);
    for (const sign of ['waiting', '\r', '\x1b']) expect(written()).not.toContain(sign);
  });
});
