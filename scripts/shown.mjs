// docs/windows-nlb.md names a test for each thing that is shown: did it exist and run just now? Read from vitest's reports of
// this very run; test/host/windows-nlb.test.ts checks the page itself.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Rows as `feature`, `file`, `title`: `| drainstop | ... | `e2e/sidecar`: lets open connections finish ... |`. */
export function namedTests(page) {
  return page.split('\n').flatMap((line) => {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const named = cells.length === 5 ? /^`(\w+\/[\w-]+)`: (.+)$/.exec(cells[3]) : null;
    return named === null ? [] : [{ feature: cells[1], file: `test/${named[1]}.test.ts`, title: named[2] }];
  });
}

/** A title with places (`%s`, `$name`) as whatever stands there in the report. */
function pattern(title) {
  const escaped = title.replace(/[.*+?^{}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/%[sdifjo#]|\$\w+/g, '.+')}$`);
}

/** What became of a test: `passed`, `failed`, `skipped`, or `did not run`. Of a title with places, the worst of all. */
export function outcomeOf({ file, title }, reports) {
  const tests = reports.flatMap(({ testResults }) =>
    testResults.filter((each) => each.name.endsWith(`/${file}`)).flatMap((each) => each.assertionResults),
  );
  const wanted = pattern(title);
  const statuses = tests.filter((each) => each.title === title || wanted.test(each.title)).map(({ status }) => status);
  if (statuses.length === 0) return 'did not run';
  if (statuses.includes('failed')) return 'failed';
  return statuses.every((status) => status === 'passed') ? 'passed' : 'skipped';
}

/** @returns counts, as of any other suite; each test that is named counts once more, for the page */
export function shown(root) {
  const paths = ['unit', 'e2e'].map((name) => join(root, 'build/reports', `${name}.json`));
  const reports = paths.filter((path) => existsSync(path)).map((path) => JSON.parse(readFileSync(path, 'utf8')));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const named of namedTests(readFileSync(join(root, 'docs/windows-nlb.md'), 'utf8'))) {
    const outcome = outcomeOf(named, reports);
    if (outcome === 'passed') counts.passed += 1;
    else if (outcome === 'skipped') counts.skipped += 1;
    else counts.failed += 1;
    if (outcome !== 'passed') console.log(`${named.feature}: ${named.file} "${named.title}" ${outcome}`);
  }
  return counts;
}
