// `npm test` after set-up: every suite in turn, then one line over all of them: `N passed, N failed, N skipped`.
//   node scripts/test.mjs [suite ...]     suites: check, assembly, unit, e2e, shown (after unit and e2e: docs/windows-nlb.md)
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChecks } from './check.mjs';
import { shown } from './shown.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function vitest(project) {
  const report = join(root, 'build/reports', `${project}.json`);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', project];
  const done = spawnSync(
    process.execPath,
    [...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const result = JSON.parse(readFileSync(report, 'utf8'));
  const skipped = result.numPendingTests + result.numTodoTests;
  // A file that fails to load counts no test, and one whose preparation fails skips all of them: each counts by itself.
  const hasFailed = (test) => test.status === 'failed';
  const brokenFiles = result.testResults.filter((f) => hasFailed(f) && !f.assertionResults.some(hasFailed)).length;
  if (result.numTotalTests === 0) return { passed: 0, failed: 1, skipped: 0 };
  for (const file of result.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'pending' || test.status === 'skipped') console.log(`skipped: ${test.fullName}`);
    }
  }
  const failed = result.numFailedTests + brokenFiles;
  // An error outside of any test fails the run too.
  const strayErrors = done.status !== 0 && failed === 0 ? 1 : 0;
  return { passed: result.numPassedTests, failed: failed + strayErrors, skipped };
}

/** as-pect has no machine-readable report: its summary has a line `[Tests]: PASSED / ALL`, and its exit code decides. */
function aspect() {
  const done = spawnSync(process.execPath, ['node_modules/@as-pect/cli/bin/asp.js', '--verbose', '--no-logo'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.stdout.write(done.stdout);
  const plain = done.stdout.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '');
  const [, passed = 0, all = 0] = (/\[Tests\]: (\d+) \/ (\d+)/.exec(plain) ?? []).map(Number);
  const failed = all - passed;
  const broken = (done.status !== 0 && failed === 0) || passed === 0 ? 1 : 0;
  return { passed, failed: failed + broken, skipped: 0 };
}

const suites = {
  check: runChecks,
  assembly: aspect,
  unit: () => vitest('unit'),
  e2e: () => vitest('e2e'),
  shown: () => shown(root),
};
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(suites);
const total = { passed: 0, failed: 0, skipped: 0 };
for (const name of wanted) {
  if (!suites[name]) {
    console.error(`unknown suite ${name}, expected one of: ${Object.keys(suites).join(', ')}`);
    process.exit(2);
  }
  const startedMs = Date.now();
  console.log(`\n== ${name}`);
  const counts = suites[name]();
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  console.log(`== ${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`);
  for (const key of Object.keys(total)) total[key] += counts[key];
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
