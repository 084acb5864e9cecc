/** `nlb enable`: connections of a port rule again. */
import { changeRuleVerb } from './change-rule.js';

export const verb = changeRuleVerb(
  'enable',
  `
Takes new connections of a port rule again on this host, after disable or
drain. Where it is on standby (failback: never) it takes its part.`,
);
