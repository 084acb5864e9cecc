// `npm run check`: types, lint and format, and the tidy rules. Each counts as one test.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { untidy } from './tidy.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function tool(name, path, args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', path), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  console.log(`check: ${name} ${status === 0 ? 'passed' : 'FAILED'}`);
  return status === 0;
}

function tidy() {
  const findings = untidy(root);
  for (const finding of findings) console.log(finding);
  console.log(`check: tidy ${findings.length === 0 ? 'passed' : 'FAILED'}`);
  return findings.length === 0;
}

export function runChecks() {
  const results = [
    tool('types', 'typescript/bin/tsc', ['--noEmit', '-p', '.']),
    tool('lint and format', '@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']),
    tidy(),
  ];
  const passed = results.filter(Boolean).length;
  return { passed, failed: results.length - passed, skipped: 0 };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(runChecks().failed === 0 ? 0 : 1);
