/** `nlb clients`: who was served not long ago, by which host, and who stays there for that. */
import { stickTimeText } from '../protocol/config/stick-time.js';
import type { ListedClient, ListedRule } from '../stick/listed.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { counted, jsonText, table, wrapped } from './output.js';

export const verb: Verb = {
  usage: 'nlb clients [--rule NAME] [--kept] [--host NAME|N] [--state-dir DIR] [--json]',
  help: `
Lists the clients of rules with stickFor whose last connection is not longer ago
than that: the hash of their key (nlb explain CLIENT shows a client's), the host
that serves them, and whether they are kept there although another host is the
owner. At most 1,000, those seen last first.

Exit code 0: told. 1: no rule has stickFor. 2: no such rule. 3: no sidecar
answers.`,
  options: {
    rule: { type: 'string', value: 'NAME', help: 'of this port rule alone' },
    kept: { type: 'boolean', help: 'those alone who are kept' },
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const rule = call.text('rule');
    const asked = new URLSearchParams({
      ...(rule === null ? {} : { rule }),
      ...(call.flag('kept') ? { kept: 'true' } : {}),
    });
    const query = asked.size === 0 ? '' : `?${asked}`;
    const { code, body } = await ask(await findSidecar(call, terminal), 'GET', `/clients${query}`);
    if (code !== 200) throw new CliError(EXIT.usage, saidBy(body));
    const rules = body as ListedRule[];
    terminal.out(call.flag('json') ? jsonText(rules) : listText(rules));
    return rules.length > 0 ? EXIT.yes : EXIT.no;
  },
};

function listText(rules: readonly ListedRule[]): string {
  if (rules.length === 0) return 'No port rule has stickFor: no clients are remembered\n';
  return rules.map(ruleText).join('\n');
}

function ruleText({ rule, stickForMs, count, keptCount, clients }: ListedRule): string {
  const head = `Rule ${rule}: ${counted(count, 'client')} within ${stickTimeText(stickForMs)}, ${keptCount} kept at their host`;
  if (clients.length === 0) return wrapped(head);
  const rows = clients.map((client) => [
    `0x${client.hash.toString(16).padStart(8, '0')}`,
    client.host,
    seenText(client),
    client.isKept ? 'kept' : '',
  ]);
  return `${wrapped(head)}${table(['HASH', 'HOST', 'LAST CONNECTION', ''], rows)}`;
}

function seenText({ isOpen, ageMs }: ListedClient): string {
  if (isOpen && ageMs === 0) return 'open';
  const seconds = Math.round(ageMs / 1000);
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}
