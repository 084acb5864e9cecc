/** A plan in one line a rule: what nlb apply says of the clients. nlb plan tells the whole of it. */
import type { Plan, PlannedRule } from '../plan/plan.js';
import { percent, wrapped } from './output.js';
import { dampedText } from './plan-damped.js';

export function movesText({ rules }: Plan): string {
  return `New connections:\n${rules.map((rule) => wrapped(`${rule.name}: ${ruleText(rule)}`, '  ')).join('')}`;
}

function ruleText(rule: PlannedRule): string {
  if (rule.change === 'removed') return 'the rule is gone';
  const after = rule.hosts.filter(({ shareAfter }) => shareAfter !== null && shareAfter > 0);
  const shares = after.map(({ name, shareAfter }) => `${name} ${percent(shareAfter)}`).join(', ') || 'nobody';
  if (rule.change === 'added') return `a new rule: ${shares}`;
  if (rule.movedShare === 0) return `nobody moves${dampedText(rule)}`;
  const changes = rule.hosts.map(({ name, shareBefore, shareAfter }) => {
    return `${name} ${percent(shareBefore)} -> ${percent(shareAfter)}`;
  });
  return `${percent(rule.movedShare)} move (${changes.join(', ')})${dampedText(rule)}`;
}
