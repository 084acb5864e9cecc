/** The model's own tests, and that the committed vectors are what it says. Python 3 and its standard library only. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

function python(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('python3', args, { cwd: here, encoding: 'utf8' });
  expect(status, `python3 ${args.join(' ')}: ${error?.message ?? ''}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

test('the committed vectors are what the model says', () => {
  python(join(here, 'make_vectors.py'), '--check');
});

test('the model agrees with published hashes, its page, and exact logarithms', { timeout: 300_000 }, () => {
  console.log(python(join(here, 'test_model.py')).trim());
});
