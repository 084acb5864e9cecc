/**
 * `nlb explain --all`: every host is asked the same question. Where all of them decide alike and by one view there is one answer;
 * where not, each answer of its own and a sentence that says so.
 */
import type { Explanation } from '../admin/explain.js';
import type { Call } from './args.js';
import type { Door } from './client.js';
import { CliError, EXIT, type ExitCode } from './exit-codes.js';
import { explanationPage, sourceText } from './explain-page.js';
import { type FoundHost, findAll } from './find-sidecar.js';
import { jsonText, wrapped } from './output.js';
import type { Terminal } from './terminal.js';

interface Told {
  host: string;
  explanation: Explanation;
}

interface Silent {
  host: string;
  exitCode: ExitCode;
  text: string;
}

/** A view comes into force on its hosts within moments of each other: whoever differs is asked once more, after so long. */
const AGAIN_MS = 300;

export async function explainOnAll(
  call: Call,
  terminal: Terminal,
  askOne: (door: Door) => Promise<Explanation>,
): Promise<number> {
  if (call.has('host')) throw new CliError(EXIT.usage, '--host names one host and --all means every one: choose');
  const hosts = await findAll(call, terminal);
  let { told, silent } = await askHosts(hosts, askOne);
  if (groupsOf(told).length > 1 && !call.has('at')) {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    ({ told, silent } = await askHosts(hosts, askOne));
  }
  const [first] = silent;
  // A question that no host can answer is wrong once.
  if (told.length === 0 && first !== undefined && silent.every(({ text }) => text === first.text)) {
    throw new CliError(first.exitCode, first.text);
  }
  const groups = groupsOf(told);
  const difference = differenceText(groups);
  if (call.flag('json')) {
    const answers = told.map(({ host, explanation }) => ({ host, explanation }));
    terminal.out(jsonText({ agree: difference === null, text: difference, answers, unanswered: silent }));
  } else print(terminal, groups, difference, silent);
  return Math.max(exitCodeOf(told, difference), ...silent.map(({ exitCode }) => exitCode));
}

function exitCodeOf(told: readonly Told[], difference: string | null): number {
  const isTaken = told.every(({ explanation: { refused, rule } }) => refused === null && rule !== null);
  return difference === null && isTaken ? EXIT.yes : EXIT.no;
}

async function askHosts(
  hosts: readonly FoundHost[],
  askOne: (door: Door) => Promise<Explanation>,
): Promise<{ told: Told[]; silent: Silent[] }> {
  const told: Told[] = [];
  const silent: Silent[] = [];
  const one = async ({ host, door }: FoundHost): Promise<void> => {
    try {
      told.push({ host, explanation: await askOne(door) });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      silent.push({ host, exitCode: error.exitCode, text: error.message });
    }
  };
  await Promise.all(hosts.map(one));
  const order = hosts.map(({ host }) => host);
  const byPriority = (a: { host: string }, b: { host: string }): number =>
    order.indexOf(a.host) - order.indexOf(b.host);
  return { told: told.sort(byPriority), silent: silent.sort(byPriority) };
}

/** Hosts that say the same: what is decided and by what, whichever host the connection comes to. The largest group first. */
function groupsOf(told: readonly Told[]): Told[][] {
  const groups = new Map<string, Told[]>();
  for (const each of told) {
    const { viewNumber, rule, key, owner, nextOwner, kept, refused, hosts } = each.explanation;
    const same = JSON.stringify([viewNumber, rule, key, owner, nextOwner, kept?.host, refused, hosts]);
    groups.set(same, [...(groups.get(same) ?? []), each]);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

/** Null where all decide alike. */
function differenceText(groups: readonly Told[][]): string | null {
  if (groups.length < 2) return null;
  const owners = new Set(groups.map(([first]) => takerOf(first!.explanation)));
  const head =
    owners.size > 1 ? 'The hosts decide differently' : 'The hosts take the same decision, yet not by the same view';
  const parts = groups.map((group) => {
    const { explanation } = group[0]!;
    const lost = explanation.hosts.filter(({ absence }) => absence === 'lost').map(({ name }) => name);
    const less = lost.length === 0 ? '' : ` less ${lost.join(', ')}`;
    return `${namesOf(group)} (view ${explanation.viewNumber}${less}): ${takerOf(explanation)}`;
  });
  return `${head}: ${parts.join('; ')}.`;
}

function takerOf({ owner, refused, rule }: Explanation): string {
  if (rule === null) return 'no port rule';
  return refused === null && owner !== null ? owner : 'refused';
}

function namesOf(group: readonly Told[]): string {
  return group.map(({ host }) => host).join(', ');
}

function print(
  terminal: Terminal,
  groups: readonly Told[][],
  difference: string | null,
  silent: readonly Silent[],
): void {
  if (difference !== null) terminal.out(`${wrapped(difference)}\n`);
  for (const group of groups) {
    const { explanation } = group[0]!;
    const page = explanationPage(explanation, sourceText(explanation, namesOf(group)));
    terminal.out(difference === null ? page : `--- ${namesOf(group)}\n${page}\n`);
  }
  for (const { host, text } of silent) terminal.err(`${host}: ${text}\n`);
}
