/** A plan as a page of text: what moves, then how evenly clients will fall. */
import type { Flow, Plan, PlannedRule } from '../plan/plan.js';
import type { Spread } from '../plan/spread.js';
import { percent, table, wrapped } from './output.js';
import { dampedText } from './plan-damped.js';

const MODE_WORDS = { multiple: 'multiple hosts', single: 'single host', disabled: 'disabled' } as const;
/** What counts as one client: what the affinity looks at. */
const CLIENT_WORDS = { none: 'connections', single: 'clients', classC: 'networks' } as const;
/** BOUNDED: lines of flows a rule; --json has all. */
const FLOWS_MAX = 12;

export function planText(plan: Plan): string {
  const source =
    plan.viewNumber === null
      ? 'Before: the file alone, where every host counts as there and well.'
      : `Before: view ${plan.viewNumber}.`;
  const rules = plan.rules.map(ruleText).join('\n');
  return `${wrapped(`${source} Open connections never move; this is about new ones.`)}\n${rules}`;
}

function ruleText(rule: PlannedRule): string {
  const kind =
    rule.filteringMode === 'multiple' ? `multiple hosts, affinity ${rule.affinity}` : MODE_WORDS[rule.filteringMode];
  return [
    wrapped(`Rule ${rule.name} (${kind}): ${movedText(rule)}`),
    shareTable(rule),
    flowTable(rule),
    spreadTable(rule),
  ].join('');
}

function movedText(rule: PlannedRule): string {
  if (rule.change === 'added') return 'the rule is new';
  if (rule.change === 'removed') return 'the rule is gone, nothing listens there any more';
  if (rule.movedShare === 0) return `nobody moves${dampedText(rule)}`;
  const why = rule.isRehashed ? ' (another hash: nearly every client is dealt out anew)' : '';
  const isRefused = rule.hosts.every(({ shareAfter }) => shareAfter === 0);
  if (isRefused) return 'no host takes part any more, clients are refused';
  return `${percent(rule.movedShare)} of its ${CLIENT_WORDS[rule.affinity]} get another host${why}${dampedText(rule)}`;
}

function shareTable({ hosts }: PlannedRule): string {
  const rows = hosts.map(({ name, shareBefore, shareAfter }) => [
    name,
    percent(shareBefore).padStart(7),
    percent(shareAfter).padStart(7),
  ]);
  return table(['HOST', ' BEFORE', '  AFTER'], rows);
}

function flowTable({ change, flows }: PlannedRule): string {
  if (change !== 'kept' || flows.length === 0) return '';
  const rows = flows.slice(0, FLOWS_MAX).map(flowRow);
  const more = flows.length > FLOWS_MAX ? `  and ${flows.length - FLOWS_MAX} more (--json)\n` : '';
  return `\n${table(['FROM', 'TO', '   MOVE'], rows)}${more}`;
}

function flowRow({ from, to, share }: Flow): string[] {
  return [from ?? 'nobody', to ?? 'nobody', percent(share).padStart(7)];
}

function spreadTable({ affinity, spreads }: PlannedRule): string {
  const [first] = spreads;
  if (first === undefined) return '';
  const rows = first.hosts.map(({ name }, index) => [name, ...spreads.map((spread) => rangeText(spread, index))]);
  const busiest = spreads.map(({ busiest }) => `${percent(busiest.mean)} (${percent(busiest.p95)})`);
  const header = ['HOST', ...spreads.map(({ clientCount }) => `OF ${clientCount}`)];
  const words = `\n  Of that many ${CLIENT_WORDS[affinity]} each host then has, 9 times in 10; and the busiest\n  host's part in the mean (in 95 of 100 cases at most):\n`;
  return words + table(header, [...rows, ['busiest', ...busiest]]);
}

function rangeText({ hosts }: Spread, index: number): string {
  const { p5, p95 } = hosts[index]!;
  return `${p5}-${p95}`;
}
