/** The programs that measure and prove, called wrongly: they say so and run nothing, so that nothing seems to be proven. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const MAX_MS = 30_000;

function run(program: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`../../build/test/${program}.js`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
    timeout: MAX_MS,
  });
  return { status, stdout, stderr: stderr.split('\n')[0] };
}

describe('a wrong command line', () => {
  it.each([
    ['sim/main', ['--seed', 'abc'], 'sim: --seed is abc, expected a whole number 0-4294967295'],
    ['sim/main', ['--hosts', '99'], 'sim: --hosts is 99, expected a whole number 2-32'],
    ['sim/main', ['--count', '0'], 'sim: --count is 0, expected a whole number 1-1000000'],
    ['sim/main', ['--hours', 'x'], 'sim: --hours is x, expected more than 0, at most 1000'],
    [
      'sim/main',
      ['--planted', '--only', 'R14'],
      'sim: --only is R14, expected a rule or a fault of test/sim/faults.ts',
    ],
    ['sim/main', ['--sed', '1'], "sim: Unknown option '--sed'"],
    ['faults/main', ['--onyl', 'host_kill'], "faults: Unknown option '--onyl'"],
    ['netns/detect', ['--runs', '0'], 'detect: --runs is 0, expected a whole number 1-10000'],
  ])('%s %s', (program, args, says) => {
    expect(run(program, ...args)).toEqual({ status: 2, stdout: '', stderr: says });
  });

  it.each(['sim/main', 'faults/main', 'netns/detect', 'netns/takeover'])('%s --help says how', (program) => {
    expect(run(program, '--help')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^usage: npm run /),
      stderr: '',
    });
  });
});
