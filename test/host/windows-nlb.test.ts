/**
 * docs/windows-nlb.md: nothing of NLB is missing in it, and every test that it names is in the tree and is not skipped. That
 * each of them ran and passed is the last suite of `npm test` (scripts/shown.mjs), which has its own test here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { namedTests, outcomeOf } from '../../scripts/shown.mjs';
import { NAMES } from './fixtures/nlb/names.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = readFileSync(at('docs/windows-nlb.md'), 'utf8');

interface Row {
  section: string;
  nlb: string;
  shownBy: string;
}

let section = '';
const rows: Row[] = text.split('\n').flatMap((line) => {
  section = /^## (.+)$/.exec(line)?.[1] ?? section;
  const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  if (cells.length !== 5 || cells[1] === 'NLB' || /^-+$/.test(cells[1] ?? '')) return [];
  return [{ section, nlb: cells[1]!, shownBy: cells[3]! }];
});

/** The names that `nlb params` prints: the fixture is a real one. */
const PARAMS = [...readFileSync(at('test/host/fixtures/nlb/params-2003.txt'), 'utf8').matchAll(/^(\w+) += /gm)].map(
  ([, name]) => name!,
);

/** Of the rows of one section; a phrase may stand anywhere in a first cell, a word stands there by itself. */
function missingIn(of: string, wanted: readonly string[], among: readonly Row[] = rows): string[] {
  const cells = among.filter((row) => row.section === of).map(({ nlb }) => nlb);
  const words = new Set(
    cells.flatMap((cell) => cell.split(/[\s,:`()]+/)).flatMap((word) => [word, word.replace(/^\//, '')]),
  );
  return wanted.filter((each) => (/\s/.test(each) ? !cells.some((cell) => cell.includes(each)) : !words.has(each)));
}

const namesOf = (words: string): string[] =>
  [...words.matchAll(/"([^"]+)"|(\S+)/g)].map(([, phrase, word]) => phrase ?? word!);

describe('docs/windows-nlb.md', () => {
  test.each(NAMES.map(({ section: name, words }) => [name, namesOf(words)] as const))(
    'has a row for everything that NLB had: %s',
    (name, wanted) => {
      expect(wanted.length).toBeGreaterThan(0);
      expect(missingIn(name, wanted)).toEqual([]);
    },
  );

  test('has a row for every value of nlb params, and for every state one of its own', () => {
    const known = [...missingIn('Registry values', PARAMS)];
    expect(missingIn('Cluster parameters', known)).toEqual([]);
    const firsts = rows.filter((row) => row.section === 'States').map(({ nlb }) => nlb);
    const states = namesOf(NAMES.find((each) => each.section === 'States')!.words).filter(
      (each) => !/^Rule/.test(each),
    );
    expect(states.filter((state) => !firsts.includes(state))).toEqual([]);
  });

  test('has no section that the list of names does not know, and misses a row that is taken out', () => {
    expect([...new Set(rows.map((row) => row.section))]).toEqual(NAMES.map((each) => each.section));
    for (const { section: name, words } of NAMES) {
      const one = namesOf(words)[0]!;
      const without = rows.filter(({ section: of, nlb }) => of !== name || !nlb.includes(one));
      expect(missingIn(name, namesOf(words), without)).toContain(one);
    }
  });

  test.each(rows.map((row) => [row.nlb, row] as const))('%s: shown by a test, or why not', (_nlb, { shownBy }) => {
    if (/^no meaning: .{10,}/.test(shownBy)) return;
    const named = /^`(\w+\/[\w-]+)`: (.+)$/.exec(shownBy);
    expect(named, `"${shownBy}", expected a test or "no meaning: why"`).not.toBe(null);
    const [, name, title] = named!;
    const path = `test/${name}.test.ts`;
    expect(existsSync(at(path)), path).toBe(true);
    const line = readFileSync(at(path), 'utf8')
      .split('\n')
      .find((each) => [`'${title}'`, `"${title}"`, `\`${title}\``].some((quoted) => each.includes(quoted)));
    const isTest = line !== undefined && /^\s*(test|it)(\.each\b|\()|^\s*\]\)\(/.test(line);
    expect(isTest, `${path} has no test "${title}"`).toBe(true);
    expect(/\.(skip|todo)\b/.test(line ?? ''), `${path}: "${title}" is skipped`).toBe(false);
  });
});

describe('the suite that looks whether the named tests ran', () => {
  const page = [
    '| NLB | ours | shown by |',
    '| drain | verb | `e2e/a`: drains %s |',
    '| x | y | no meaning: none |',
  ].join('\n');
  const [named] = namedTests(page);
  const reported = (...tests: [title: string, status: string][]) => [
    {
      testResults: [
        { name: '/x/test/e2e/a.test.ts', assertionResults: tests.map(([title, status]) => ({ title, status })) },
      ],
    },
  ];

  test('reads the named tests off the page', () => {
    expect(namedTests(page)).toEqual([{ feature: 'drain', file: 'test/e2e/a.test.ts', title: 'drains %s' }]);
  });

  test.each([
    ['passed', [['drains 25', 'passed']]],
    [
      'failed',
      [
        ['drains 25', 'passed'],
        ['drains 26', 'failed'],
      ],
    ],
    [
      'skipped',
      [
        ['drains 25', 'passed'],
        ['drains 26', 'skipped'],
      ],
    ],
    ['did not run', [['something else drains 25', 'passed']]],
  ] as [string, [string, string][]][])('tells that one %s', (outcome, tests) => {
    expect(outcomeOf(named!, reported(...tests))).toBe(outcome);
  });

  test('is part of npm test, behind the suites whose reports it reads', () => {
    expect(readFileSync(at('scripts/test.mjs'), 'utf8')).toMatch(/unit: .*\n.*e2e: .*\n.*shown: /);
  });
});
