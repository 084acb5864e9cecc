/** `nlb revisions`: which cluster files were in force, who brought them, and why. */
import type { ListedRevision } from '../apply/applying.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask } from './client.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, table, timeText } from './output.js';

export const verb: Verb = {
  usage: 'nlb revisions [--host NAME|N] [--state-dir DIR] [--json]',
  help: `
Lists the cluster files that were in force on this host, newest first: their
revision, who brought them and when. nlb rollback --to N goes back to one.

Exit code 0: told. 3: no sidecar answers.`,
  options: SIDECAR_OPTIONS,
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const { body } = await ask(await findSidecar(call, terminal), 'GET', '/revisions');
    const revisions = body as ListedRevision[];
    terminal.out(call.flag('json') ? jsonText(revisions) : listText(revisions));
    return EXIT.yes;
  },
};

function trialText({ isConfirmed, isInForce }: ListedRevision): string {
  if (isConfirmed) return '';
  return isInForce ? ', to be confirmed' : ', not confirmed';
}

function listText(revisions: readonly ListedRevision[]): string {
  if (revisions.length === 0) return 'No cluster file was in force here yet\n';
  const rows = revisions.map((revision) => [
    String(revision.revision) + (revision.isInForce ? ' *' : ''),
    timeText(revision.at),
    revision.by,
    revision.fingerprint,
    revision.cause + trialText(revision),
  ]);
  return `Cluster files that were in force, * is now:\n${table(['REV', 'SINCE', 'BY', 'FINGERPRINT', 'WHY'], rows)}`;
}
