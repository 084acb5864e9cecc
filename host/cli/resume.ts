/** `nlb resume`: verbs again after suspend. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'resume',
  help: `
Takes verbs again after nlb suspend. As in Windows NLB nothing else changes: the
host is stopped until nlb start.`,
  path: () => '/resume',
});
