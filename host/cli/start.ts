/** `nlb start`: take connections again. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'start',
  help: `
Takes part again after stop or drainstop. A host that came and went often is
let back in after a delay (nlb query names it); --now skips that delay.`,
  options: { now: { type: 'boolean', help: 'without the delay of a host that came and went often' } },
  path: (call) => (call.flag('now') ? '/start?now=true' : '/start'),
});
