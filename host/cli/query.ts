/** `nlb query`: is this host converged, and with whom? */
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { statusOf } from './client.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';
import { hostTable, sentenceOf } from './status-text.js';

export const verb: Verb = {
  usage: 'nlb query [--host NAME|N] [--state-dir DIR] [--json]',
  help: `
Says whether this host is converged and which hosts are part of the cluster.

Exit code 0: converged. 1: starting, converging, stopped, or alone while other
hosts are listed. 3: no sidecar answers.`,
  options: SIDECAR_OPTIONS,
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const status = await statusOf(await findSidecar(call, terminal));
    if (call.flag('json')) {
      const { clusterName, thisHost, state, view, hosts } = status;
      terminal.out(jsonText({ clusterName, thisHost, state, view, hosts }));
    } else {
      terminal.out(`Cluster ${status.clusterName}\n${sentenceOf(status)}\n\n${hostTable(status)}`);
    }
    return status.state === 'converged' ? EXIT.yes : EXIT.no;
  },
};
