/** `nlb apply`: a changed cluster file, in force on all hosts together or nowhere. */
import { readFileSync } from 'node:fs';
import type { Plan } from '../plan/plan.js';
import type { InForce } from '../protocol/types.js';
import type { Verb } from './args.js';
import { bring, BRING_OPTIONS, EXIT_HELP, say } from './bringing.js';
import { ask, type Door } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { movesText } from './moves-text.js';
import { ownWayText } from './own-way.js';

export const verb: Verb = {
  usage: 'nlb apply FILE [--dry-run] [--without HOST] [--confirm 60s]',
  help: `
Brings a changed cluster file to all hosts: every host checks it, and it comes
into force on all of them together or on none. Tells what changes, and which
part of the clients moves. Each host's own file is rewritten; FILE.rev-N keeps
the one before. nlb rollback goes back.

${EXIT_HELP}`,
  options: BRING_OPTIONS,
  positionals: { min: 1, max: 1 },
  async run(call, terminal) {
    const path = call.positionals[0]!;
    const [{ loadClusterFile }, { findingLine }] = await Promise.all([
      import('../edge/cluster-file.js'),
      import('../protocol/config/finding.js'),
    ]);
    const loaded = loadClusterFile(path);
    if (!loaded.ok) {
      for (const error of loaded.errors) terminal.err(`${findingLine(error)}\n`);
      return EXIT.no;
    }
    const door = await findSidecar(call, terminal);
    const before = await inForceAt(door);
    if (door.server !== null) {
      const [now, then] = [before.file.remoteControl, loaded.file.remoteControl];
      terminal.err(ownWayText(door.server.url, now, then, call.text('confirm')));
    }
    // What moves is counted while the hosts look at the file.
    const [brought, counted] = await Promise.allSettled([
      bring(door, '/apply', { text: readFileSync(path, 'utf8') }, call, terminal),
      movesOf(before, loaded.file, call.flag('json')),
    ]);
    if (brought.status === 'rejected') throw brought.reason;
    const answer = brought.value;
    if (answer.revision !== null && counted.status === 'rejected') throw counted.reason;
    const moves = answer.revision === null || counted.status === 'rejected' ? null : counted.value;
    return say('apply', { ...answer, moves }, call, terminal, moves === null ? '' : movesText(moves));
  },
};

async function inForceAt(door: Door): Promise<InForce> {
  const { code, body } = await ask(door, 'GET', '/in-force');
  if (code === 200) return body as InForce;
  throw new CliError(EXIT.refused, 'There is no view yet; the hosts are still agreeing on the first');
}

/** What the decision itself says; loaded late, as a file with mistakes needs none of it. Spreads are told with --json alone. */
async function movesOf(before: InForce, file: InForce['file'], hasSpreads: boolean): Promise<Plan> {
  const [{ loadDecision }, { planOf }, { changed }] = await Promise.all([
    import('../edge/decision.js'),
    import('../plan/plan.js'),
    import('../plan/change.js'),
  ]);
  const after = changed(before, { file, weights: [], drained: [], lost: [] });
  return planOf(before, after, await loadDecision(), { hasSpreads });
}
