/** `nlb suspend`: out of the cluster, and deaf to every verb but resume. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'suspend',
  help: `
Stops this host at once, as nlb stop does, and refuses every verb that would
change it until nlb resume, also over a restart: nobody takes a host back in by
mistake while somebody works on it. Asking (query, display ...) stays possible,
and a changed cluster file comes in force there as well (nlb apply).`,
  path: () => '/suspend',
});
