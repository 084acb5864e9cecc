/** `nlb drainstop`: finish what is open, take nothing new, then stop. */
import { changeVerb } from './change.js';
import { durationArgument } from './time.js';

export const verb = changeVerb({
  name: 'drainstop',
  help: `
Takes no new connections, lets the open ones finish, then stops this host. It
answers at once; nlb query shows "draining" and what is left until the last one
has ended. --timeout 30s ends what is open then; said again, the last one counts.
nlb start takes the drain back.`,
  options: { timeout: { type: 'string', value: 'TIME', help: 'end what is still open after 30s, 5m, 2h ...' } },
  path: (call) => {
    const timeoutMs = durationArgument('timeout', call.text('timeout'));
    return timeoutMs === null ? '/drainstop' : `/drainstop?timeoutMs=${timeoutMs}`;
  },
});
