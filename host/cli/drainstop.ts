/** `nlb drainstop`: finish what is open, take nothing new, then stop. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'drainstop',
  help: `
Takes no new connections, lets the open ones finish, then stops this host. It
answers at once; nlb query shows "draining" until the last one has ended.`,
  path: () => '/drainstop',
});
