/** `nlb start`: take connections again. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'start',
  help: `
Takes part again after stop or drainstop. A host that came and went often is
let back in after a delay (nlb query names it); --now skips that delay. In port
rules with failback slowly or never it gives the host all its part at once.`,
  options: {
    now: { type: 'boolean', help: 'without the delay of a host that came and went often, with all its part' },
  },
  path: (call) => (call.flag('now') ? '/start?now=true' : '/start'),
});
