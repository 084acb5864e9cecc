/** A log that nobody reads holds up nobody. */
import { spawn, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Writes 3 MiB of lines to standard error, and tells on standard output that its event loop goes on; then ends as told. */
const WRITING = `
import { createLogWriter } from '${new URL('../../build/host/edge/log-writer.js', import.meta.url).href}';
const writer = createLogWriter(2, (count) => \`lost \${count}\\n\`);
for (let i = 0; i < 3000; i++) writer.write(\`\${i} \${'x'.repeat(1000)}\\n\`);
let turns = 0;
const beat = setInterval(() => {
  turns += 1;
  if (turns !== 20) return;
  clearInterval(beat);
  console.log('alive');
}, 5);
process.stdin.once('data', async () => {
  console.log((await writer.end(LIMIT)) ? 'all written' : 'something is left');
  process.kill(process.pid, 'SIGKILL');
});
`;

async function writing(limitMs: number, read: boolean): Promise<{ said: string; read: string }> {
  const code = WRITING.replace('LIMIT', String(limitMs));
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: 'pipe' });
  const got = { said: '', read: '' };
  const closed = new Promise((resolve) => child.on('close', resolve));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    got.said += text;
    if (!text.includes('alive')) return;
    if (read) child.stderr.setEncoding('utf8').on('data', (part: string) => (got.read += part));
    child.stdin.write('end\n');
    // The pipe is let go of once the writer has given up, or the child could not be waited for.
    if (!read) child.once('exit', () => child.stderr.destroy());
  });
  await closed;
  return got;
}

test('a log whose reader hangs stops nobody, and its end is not waited for without end', async () => {
  expect((await writing(200, false)).said).toBe('alive\nsomething is left\n');
});

test('a reader that comes late gets what there was room for, and is told how much is lost', async () => {
  const { said, read } = await writing(20_000, true);
  expect(said).toBe('alive\nall written\n');
  const lines = read.trimEnd().split('\n');
  const kept = lines.filter((line) => /^\d+ x+$/.test(line));
  expect(kept.map((line) => Number.parseInt(line, 10))).toEqual(kept.map((_, i) => i));
  expect(lines.at(-1)).toBe(`lost ${3000 - kept.length}`);
});

test('a line that comes after the end ends nobody', () => {
  const code = `
import { createLogWriter } from '${new URL('../../build/host/edge/log-writer.js', import.meta.url).href}';
const writer = createLogWriter(2, () => '');
writer.write('in time\\n');
await writer.end(20_000);
writer.write('too late\\n');
console.log('goes on');
`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'goes on\n', stderr: 'in time\n' });
});
