/** `nlb drain`: a port rule takes nothing new here. */
import { changeRuleVerb } from './change-rule.js';

export const verb = changeRuleVerb(
  'drain',
  `
Takes no new connections of a port rule on this host and lets the open ones
finish; nlb queryport shows how many are left. nlb enable takes it back.
--timeout 30s ends what is open then, and the rule is disabled here; said
again, the last one counts.`,
  'end what is still open after 30s, 5m, 2h, and disable the rule here',
);
