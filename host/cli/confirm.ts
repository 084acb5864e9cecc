/** `nlb confirm`: what was brought with --confirm stays. */
import type { VerbAnswer } from '../admin/api.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { userOf } from './bringing.js';
import { ask } from './client.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';

export const verb: Verb = {
  usage: 'nlb confirm [--state-dir DIR] [--json]',
  help: `
Keeps the cluster file that nlb apply --confirm brought; without it every host
goes back to the one before when the time is over.

Exit code 0: confirmed. 3: no sidecar answers. 4: nothing waits to be confirmed.`,
  options: SIDECAR_OPTIONS,
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const { body } = await ask(await findSidecar(call, terminal), 'POST', '/confirm', { by: userOf(terminal) });
    const { ok, text } = body as VerbAnswer;
    if (call.flag('json')) terminal.out(jsonText({ ok, text }));
    else (ok ? terminal.out : terminal.err)(ok ? `${text}\n` : `nlb confirm: ${text}\n`);
    return ok ? EXIT.yes : EXIT.refused;
  },
};
