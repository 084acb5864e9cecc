/** `nlb display`: everything a sidecar says of its cluster, on one page of text. */
import type { ClusterStatus } from '../admin/status.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { statusOf } from './client.js';
import { ALL_OPTION, onEveryHost } from './every-host.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { drainText } from './drain-text.js';
import { jsonText, timeText, wrapped } from './output.js';
import {
  countLines,
  envoyLine,
  hostTable,
  problemLines,
  redirectedLine,
  ruleTable,
  sentenceOf,
  shareTable,
  virtualIpLines,
} from './status-text.js';

export const verb: Verb = {
  usage: 'nlb display [--host NAME|N | --all] [--state-dir DIR] [--json]',
  help: `
Shows hosts, port rules, shares, Envoy and problems as this host sees them.
Shares and counts are of connections that came in through this host.

Exit code 0: no problems known. 1: there are some. 3: no sidecar answers.`,
  options: { all: ALL_OPTION, ...SIDECAR_OPTIONS },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    if (call.flag('all')) {
      return onEveryHost(call, terminal, async (door) => {
        const status = await statusOf(door);
        return { exitCode: exitCodeOf(status), text: displayText(status), answer: status };
      });
    }
    const status = await statusOf(await findSidecar(call, terminal));
    terminal.out(call.flag('json') ? jsonText(status) : displayText(status));
    return exitCodeOf(status);
  },
};

function exitCodeOf(status: ClusterStatus): number {
  return status.problems.length === 0 ? EXIT.yes : EXIT.no;
}

export function displayText(status: ClusterStatus): string {
  return Object.values(displayParts(status)).join('\n');
}

export function displayParts(status: ClusterStatus) {
  return {
    cluster: `Cluster ${status.clusterName}, mode ${status.mode}\n${sentenceOf(status)}\n${viewLine(status)}`,
    hosts: `Hosts (${status.hosts.filter(({ state }) => state !== 'forgotten').length}), * is this host:\n${hostTable(status)}${drainText(status)}`,
    rules: `Port rules (${status.rules.length}):\n${ruleTable(status)}${redirectedLine(status)}`,
    shares: `Shares of new connections:\n${shareTable(status)}${countLines(status)}`,
    own: virtualIpLines(status) + envoyLine(status) + fileLines(status) + droppedLine(status),
    problems: problemLines(status),
  };
}

function viewLine({ view, lostSince }: ClusterStatus): string {
  if (view === null) return 'No view in force yet\n';
  const lost = lostSince.length === 0 ? '' : `, less ${lostSince.join(', ')} (lost since)`;
  return wrapped(`View ${view.number} (${view.checksum}) since ${timeText(view.since)}, because ${view.cause}${lost}`);
}

function fileLines({ file }: ClusterStatus): string {
  const offered = file.offered === null ? '' : `, offers ${file.offered} and waits for the other hosts`;
  return wrapped(
    `File ${file.path}, revision ${file.revision}, fingerprint ${file.fingerprint}${offered}${file.detail === null ? '' : `; ${file.detail}`}`,
  );
}

function droppedLine({ droppedPackets }: ClusterStatus): string {
  const reasons = Object.entries(droppedPackets).filter(([, count]) => count > 0);
  if (reasons.length === 0) return '';
  return wrapped(`Heartbeat packets dropped: ${reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')}`);
}
