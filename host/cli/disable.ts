/** `nlb disable`: a port rule ends here. */
import { changeRuleVerb } from './change-rule.js';

export const verb = changeRuleVerb(
  'disable',
  `
Ends the open connections of a port rule to this host's service and takes no new
ones here; the other hosts take them. Kept over restarts, and by the rule's name
over changes of the file. What the cluster file disables is disabled everywhere.`,
);
