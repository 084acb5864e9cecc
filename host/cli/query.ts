/** `nlb query`: is this host converged, and with whom? */
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import type { ClusterStatus } from '../admin/status.js';
import { statusOf } from './client.js';
import { ALL_OPTION, onEveryHost } from './every-host.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';
import { drainSentence, drainText, ruleDrainText } from './drain-text.js';
import { contradictionLines, contradictionsOf, hostTable, sentenceOf } from './status-text.js';

export const verb: Verb = {
  usage: 'nlb query [--host NAME|N | --all] [--state-dir DIR] [--json]',
  help: `
Says whether this host is converged, which hosts are part of the cluster, and
what they contradict each other in.

Exit code 0: converged. 1: starting, converging, stopped, or alone while other
hosts are listed. 3: no sidecar answers.`,
  options: { all: ALL_OPTION, ...SIDECAR_OPTIONS },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    if (call.flag('all')) {
      return onEveryHost(call, terminal, async (door) => {
        const status = await statusOf(door);
        return {
          exitCode: exitCodeOf(status),
          text: sentenceOf(status) + drainSentence(status),
          answer: answerOf(status),
        };
      });
    }
    const status = await statusOf(await findSidecar(call, terminal));
    if (call.flag('json')) terminal.out(jsonText(answerOf(status)));
    else terminal.out(queryText(status));
    return exitCodeOf(status);
  },
};

function queryText(status: ClusterStatus): string {
  const head = `Cluster ${status.clusterName}\n${sentenceOf(status)}`;
  return `${head}\n\n${hostTable(status)}${drainText(status)}${ruleDrainText(status)}${contradictionLines(status)}`;
}

function answerOf(status: ClusterStatus) {
  const { clusterName, thisHost, state, view, drain, hosts } = status;
  const drainingRules = status.rules.filter(({ drainEndsAt }) => drainEndsAt !== undefined);
  const ruleDrains = drainingRules.map(({ name, drainEndsAt, servedOpenCount }) => ({
    name,
    drainEndsAt,
    servedOpenCount,
  }));
  return { clusterName, thisHost, state, view, drain, ruleDrains, hosts, contradictions: contradictionsOf(status) };
}

function exitCodeOf(status: ClusterStatus): number {
  return status.state === 'converged' ? EXIT.yes : EXIT.no;
}
