/** `nlb rollback`: an earlier cluster file, brought to all hosts as a revision of its own. */
import type { Verb } from './args.js';
import { bring, BRING_OPTIONS, EXIT_HELP, say } from './bringing.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';

export const verb: Verb = {
  usage: 'nlb rollback [--to REVISION] [--dry-run] [--without HOST] [--confirm 60s]',
  help: `
Brings the cluster file that was in force before, or that of a revision, to all
hosts, as nlb apply does; nlb revisions lists them.

${EXIT_HELP}`,
  options: { to: { type: 'string', value: 'REVISION', help: 'this one instead of the one before' }, ...BRING_OPTIONS },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const to = call.text('to');
    if (to !== null && !/^[0-9]{1,9}$/.test(to)) {
      throw new CliError(EXIT.usage, `--to is ${to}, expected the number of a revision (nlb revisions)`);
    }
    const what = to === null ? {} : { to: Number(to) };
    const door = await findSidecar(call, terminal);
    return say('rollback', await bring(door, '/rollback', what, call, terminal), call, terminal);
  },
};
