/** `nlb apply`: a changed cluster file, in force on all hosts together or nowhere. */
import { readFileSync } from 'node:fs';
import type { ApplyAnswer } from '../apply/apply-host.js';
import type { LoadedClusterFile } from '../edge/cluster-file.js';
import type { Finding } from '../protocol/config/finding.js';
import type { InForce } from '../protocol/types.js';
import type { Call, Verb } from './args.js';
import { bring, BRING_OPTIONS, EXIT_HELP, say } from './bringing.js';
import { AnswerLost, ask, type Door } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import type { Terminal } from './terminal.js';
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
    const door = await findSidecar(call, terminal);
    if (door.server !== null) {
      // What may cut off the way it comes by is said before.
      const loaded = await loadedFrom(path);
      if (!loaded.ok) return sayMistakes(loaded, terminal);
      const { remoteControl } = (await inForceAt(door)).file;
      terminal.err(ownWayText(door.server.url, remoteControl, loaded.file.remoteControl, call.text('confirm')));
    }
    // Its mistakes are the sidecar's to find, which looks at it anyway; with their lines they are told from here.
    const [brought] = await Promise.allSettled([broughtFrom(path, door, call, terminal)]);
    if (isUndone(brought)) {
      const loaded = await loadedFrom(path);
      if (!loaded.ok) return sayMistakes(loaded, terminal);
    }
    if (brought.status === 'rejected') throw brought.reason;
    return say('apply', brought.value, call, terminal);
  },
};

async function broughtFrom(path: string, door: Door, call: Call, terminal: Terminal): Promise<ApplyAnswer> {
  return bring(door, '/apply', { text: readFileSync(path, 'utf8') }, call, terminal);
}

/** Nothing can have come of it: it was refused before it came to a difference, or never asked. */
function isUndone(brought: PromiseSettledResult<ApplyAnswer>): boolean {
  if (brought.status === 'rejected') return !(brought.reason instanceof AnswerLost);
  return !brought.value.ok && brought.value.revision === null;
}

async function loadedFrom(path: string): Promise<LoadedClusterFile> {
  const { loadClusterFile } = await import('../edge/cluster-file.js');
  return loadClusterFile(path);
}

async function sayMistakes({ errors }: { errors: Finding[] }, terminal: Terminal): Promise<number> {
  const { findingLine } = await import('../protocol/config/finding.js');
  for (const error of errors) terminal.err(`${findingLine(error)}\n`);
  return EXIT.no;
}

async function inForceAt(door: Door): Promise<InForce> {
  const { code, body } = await ask(door, 'GET', '/in-force');
  if (code === 200) return body as InForce;
  throw new CliError(EXIT.refused, 'There is no view yet; the hosts are still agreeing on the first');
}
