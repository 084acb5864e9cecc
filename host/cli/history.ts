/** `nlb history`: which views were in force on this host, and why. */
import type { HistoryEntry } from '../history/entry.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, saidBy, statusOf } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, table, timeText } from './output.js';
import { timeArgument } from './time.js';

export const verb: Verb = {
  usage: 'nlb history [--since TIME] [--host NAME|N] [--state-dir DIR] [--json]',
  help: `
Tells which views were in force on this host, newest first: when, why, by whose
change, who came, who went, and how long the hosts took to agree. At most 1,000.
nlb explain --at TIME decides by the view of then.

Exit code 0: told. 1: nothing is known of that time. 3: no sidecar answers.`,
  options: {
    since: { type: 'string', value: 'TIME', help: '20m, 1h, 3d ago, or 02:14, 2026-11-22 02:14' },
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const wanted = call.text('since');
    const since = wanted === null ? null : timeArgument('since', wanted, new Date());
    const socket = await findSidecar(call, terminal);
    const query = since === null ? '' : `?${new URLSearchParams({ since })}`;
    const { code, body } = await ask(socket, 'GET', `/history${query}`);
    if (code !== 200) throw new CliError(EXIT.usage, saidBy(body));
    const entries = (body as HistoryEntry[]).reverse();
    if (call.flag('json')) terminal.out(jsonText(entries));
    else terminal.out(historyText((await statusOf(socket)).thisHost, entries));
    return entries.length > 0 ? EXIT.yes : EXIT.no;
  },
};

/** @param entries  newest first */
export function historyText(host: string, entries: readonly HistoryEntry[]): string {
  if (entries.length === 0) return `No view came into force on ${host} in that time\n`;
  const rows = entries.map((entry) => [
    timeText(entry.at),
    String(entry.viewNumber),
    entry.hosts.join(', ') || 'none',
    entry.convergingMs === 0 ? '-' : `${(entry.convergingMs / 1000).toFixed(1)} s`,
    whyText(entry),
  ]);
  const head = `View history of ${host} (${entries.length}), newest first:\n`;
  return head + table(['SINCE', 'VIEW', 'HOSTS', 'TOOK', 'WHY'], rows);
}

function whyText({ cause, initiators, came, went, changes }: HistoryEntry): string {
  return [
    cause,
    ...(initiators.length === 0 ? [] : [`by ${initiators.join(', ')}`]),
    ...(came.length === 0 ? [] : [`came: ${came.join(', ')}`]),
    ...(went.length === 0 ? [] : [`went: ${went.join(', ')}`]),
    ...changes,
  ].join('; ');
}
