/**
 * docs/windows-nlb.md: nothing of NLB is missing in it, and every test that it names is in the tree and is not skipped. That
 * each of them ran and passed is the last suite of `npm test` (scripts/shown.mjs), which has its own test here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { namedTests, outcomeOf } from '../../scripts/shown.mjs';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = readFileSync(at('docs/windows-nlb.md'), 'utf8');

interface Row {
  nlb: string;
  shownBy: string;
}

const rows: Row[] = text.split('\n').flatMap((line) => {
  const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  if (cells.length !== 5 || cells[1] === 'NLB' || /^-+$/.test(cells[1] ?? '')) return [];
  return [{ nlb: cells[1]!, shownBy: cells[3]! }];
});

/** Written from NLB's own lists, not from the page. */
const VERBS =
  'help ip2mac reload display query suspend resume start stop drainstop enable disable drain queryport params';
const CMDLETS = [
  'New-NlbCluster Get-NlbCluster Set-NlbCluster Remove-NlbCluster Start-NlbCluster Stop-NlbCluster Suspend-NlbCluster',
  'Resume-NlbCluster Get-NlbClusterNode Add-NlbClusterNode Set-NlbClusterNode Remove-NlbClusterNode Start-NlbClusterNode',
  'Stop-NlbClusterNode Suspend-NlbClusterNode Resume-NlbClusterNode Get-NlbClusterNodeNetworkInterface Get-NlbClusterNodeDip',
  'Add-NlbClusterNodeDip Set-NlbClusterNodeDip Remove-NlbClusterNodeDip Get-NlbClusterVip Add-NlbClusterVip Set-NlbClusterVip',
  'Remove-NlbClusterVip New-NlbClusterIpv6Address Get-NlbClusterPortRule Add-NlbClusterPortRule Set-NlbClusterPortRule',
  'Remove-NlbClusterPortRule Enable-NlbClusterPortRule Disable-NlbClusterPortRule Set-NlbClusterPortRuleNodeWeight',
  'Set-NlbClusterPortRuleNodeHandlingPriority',
].join(' ');
const SWITCHES =
  '-Params -ConvergenceHistory -ExtendedAffinityList -ExtendedAffinityExceptionList -OpenConnections -Filter';
const WMI =
  'MicrosoftNLB_Cluster MicrosoftNLB_Node MicrosoftNLB_ClusterSetting MicrosoftNLB_NodeSetting MicrosoftNLB_PortRuleEx';
const STATES = ['Unknown', 'Converging', 'Converged', 'Converged as DEFAULT', 'Draining', 'Stopped', 'Suspended'];
const PLACES = ['Unreachable', 'Misconfigured', 'Media disconnected'];
const EVENTS = [
  [4, 5, 6, 9, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 36, 38, 39, 41, 42, 43, 44, 45, 50, 53],
  [64, 65, 66, 67, 68, 69, 74, 76, 77, 78, 81, 85, 86, 87, 89, 90, 97, 99, 105, 106, 108, 110, 111, 112, 117, 4096],
].flat();

/** The names that `nlb params` prints: the fixture is a real one. */
const PARAMS = [...readFileSync(at('test/host/fixtures/nlb/params-2003.txt'), 'utf8').matchAll(/^(\w+) += /gm)].map(
  ([, name]) => name!,
);

const words = new Set(rows.flatMap(({ nlb }) => nlb.split(/[\s,:/`]+/)));

describe('docs/windows-nlb.md', () => {
  test.each([
    ['verb', VERBS.split(' ')],
    ['cmdlet', CMDLETS.split(' ')],
    ['switch of Get-NlbClusterDriverInfo', SWITCHES.split(' ')],
    ['value of nlb params', PARAMS],
    ['class of WMI', WMI.split(' ')],
    ['event', EVENTS.map(String)],
  ])('has a row for every %s', (_kind, wanted) => {
    expect(wanted.filter((word) => !words.has(word))).toEqual([]);
  });

  test('has a row for every state', () => {
    const firsts = rows.map(({ nlb }) => nlb);
    expect([...STATES, ...PLACES].filter((state) => !firsts.includes(state))).toEqual([]);
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
