/** `nlb cleanup`: takes out of the kernel what a sidecar that is gone left there. */
import { DEFAULT_CLUSTER_FILE, loadClusterFile } from '../edge/cluster-file.js';
import { findLeftovers, leftoverLines, removeLeftovers } from '../virtual-ip/cleanup.js';
import { JSON_OPTION, SIDECAR_OPTIONS, type Verb } from './args.js';
import { statusOf } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { stateDirectoryOf, findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';

export const verb: Verb = {
  usage: 'nlb cleanup [FILE] [--dry-run] [--state-dir DIR] [--json]',
  help: `
Takes out of this machine's kernel what a sidecar that does not run any more left
there: nftables tables of ours, virtual IPs of the cluster file (FILE, or
${DEFAULT_CLUSTER_FILE}), and settings it changed. For a host that is taken out
of a cluster for good; nlb stop does it by itself. Envoy is not ended.

Exit code 0: done, or nothing was there. 1: something could not be removed, or
with --dry-run: there is something. 4: a sidecar runs here.`,
  options: {
    'dry-run': { type: 'boolean', help: 'tell what is there and leave it' },
    'state-dir': SIDECAR_OPTIONS['state-dir']!,
    json: JSON_OPTION,
  },
  positionals: { min: 0, max: 1 },
  async run(call, terminal) {
    const running = await findSidecar(call, terminal)
      .then(statusOf)
      .catch(() => null);
    if (running !== null) {
      throw new CliError(
        EXIT.refused,
        `A sidecar of host ${running.thisHost} runs here: nlb stop leaves nothing behind`,
      );
    }
    const loaded = loadClusterFile(call.positionals[0] ?? DEFAULT_CLUSTER_FILE);
    const found = await findLeftovers(loaded.ok ? loaded.file.virtualIps : []);
    const lines = leftoverLines(found);
    const isDry = call.flag('dry-run');
    const refused = isDry ? [] : await removeLeftovers(found, stateDirectoryOf(call, terminal));
    if (call.flag('json')) terminal.out(jsonText({ found: lines, removed: !isDry, refused }));
    else terminal.out(textOf(lines, isDry));
    for (const complaint of refused) terminal.err(`nlb cleanup: ${complaint}\n`);
    return refused.length > 0 || (isDry && lines.length > 0) ? EXIT.no : EXIT.yes;
  },
};

function textOf(lines: readonly string[], isDry: boolean): string {
  if (lines.length === 0) return 'Nothing of ours is in the kernel\n';
  return `${isDry ? 'In the kernel' : 'Removed'}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
