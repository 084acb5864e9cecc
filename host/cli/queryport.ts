/** `nlb queryport`: a port rule on one host: its state there, and what went through. */
import { described, rulesMeant } from '../control/rules-meant.js';
import type { ClusterStatus, RuleStatus } from '../admin/status.js';
import type { InForce } from '../protocol/types.js';
import { type Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { VIP_OPTION } from './change-rule.js';
import { ask, type Door, saidBy, statusOf } from './client.js';
import { ALL_OPTION, type HostAnswer, onEveryHost } from './every-host.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, percent, timeText } from './output.js';
import { absenceText } from './status-text.js';

export const verb: Verb = {
  usage: 'nlb queryport PORT|all [--vip ADDRESS|all] [--host NAME|N | --all] [--json]',
  help: `
Shows the port rule that holds PORT: what this host was told of it (enabled,
disabled, draining), whether it takes part, and the connections since its Envoy
was started.

Exit code 0: enabled. 1: disabled or draining, or no rule holds that port.
3: no sidecar answers.`,
  options: { vip: VIP_OPTION, all: ALL_OPTION, ...SIDECAR_OPTIONS },
  positionals: { min: 1, max: 1 },
  async run(call, terminal) {
    const one = (door: Door) => askPort(call, door);
    if (call.flag('all')) return onEveryHost(call, terminal, one);
    const { exitCode, text, answer } = await one(await findSidecar(call, terminal));
    if (call.flag('json')) terminal.out(jsonText(answer));
    else if (Array.isArray(answer)) terminal.out(text);
    else terminal.err(`nlb queryport: ${text}\n`);
    return exitCode;
  },
};

async function askPort(call: Call, door: Door): Promise<HostAnswer> {
  const [status, { code, body }] = await Promise.all([statusOf(door), ask(door, 'GET', '/in-force')]);
  if (code !== 200) throw new CliError(EXIT.refused, saidBy(body));
  const { file } = body as InForce;
  const asked = { virtualIps: file.virtualIps, portRules: status.rules };
  const meant = rulesMeant(asked, call.positionals[0]!, call.text('vip'));
  if (!meant.ok && !meant.isLawful) throw new CliError(EXIT.usage, meant.text);
  if (!meant.ok) return { exitCode: EXIT.no, text: meant.text, answer: { ok: false, text: meant.text } };
  const { rules } = meant;
  const isEnabled = rules.every(({ control, filteringMode }) => control === 'enabled' && filteringMode !== 'disabled');
  const text = rules.map((rule) => portText(status, rule)).join('\n');
  return { exitCode: isEnabled ? EXIT.yes : EXIT.no, text, answer: rules };
}

function portText({ thisHost }: ClusterStatus, rule: RuleStatus): string {
  const own = rule.hosts.find(({ host }) => host === thisHost);
  const head = `Port rule ${described(rule)} on host ${thisHost}: ${stateText(rule)}`;
  if (rule.filteringMode === 'disabled') return `${head}\n`;
  const share = own?.takesPart ? `takes part, ${percent(own.expectedShare)} of new connections` : 'takes no part';
  const why = own?.absence == null ? '' : `: ${absenceText(own.absence)}`;
  const handed = rule.hosts.filter(({ host }) => host !== thisHost);
  const handedCount = handed.reduce((sum, { connectionCount }) => sum + connectionCount, 0);
  const refused = Object.entries(rule.refusedCounts);
  const refusedCount = refused.reduce((sum, [, count]) => sum + count, 0);
  return [
    `${head}, ${share}${why}`,
    line('Accepted here, served here', own?.connectionCount ?? 0),
    line(
      'Accepted here, handed off',
      handedCount,
      handed.map((each) => `${each.host} ${each.connectionCount}`),
    ),
    line('  of these served here, the owner being silent', rule.fallbackCount),
    line(
      'Refused',
      refusedCount,
      refused.map(([reason, count]) => `${reason} ${count}`),
    ),
    line('Handed to this host by others', rule.handedToUsCount),
    line('Open, entered here', rule.openCount),
    line('Open, to the service here', rule.servedOpenCount),
    '',
  ].join('\n');
}

function stateText({ control, filteringMode, drainEndsAt }: RuleStatus): string {
  const until = drainEndsAt === undefined ? '' : ` until ${timeText(drainEndsAt)}, then disabled`;
  return filteringMode === 'disabled' ? 'disabled in the cluster file' : control + until;
}

function line(what: string, count: number, parts: readonly string[] = []): string {
  const detail = parts.length === 0 || count === 0 ? '' : `  (${parts.join(', ')})`;
  return `  ${what.padEnd(46)}${String(count).padStart(9)}${detail}`;
}
