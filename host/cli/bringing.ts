/** What apply and rollback have in common: their options, the request, and what they say of the answer. */
import type { ApplyAnswer } from '../apply/apply-host.js';
import { type Call, type Option, SIDECAR_OPTIONS } from './args.js';
import { AnswerLost, ask, type Door, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { movesText } from './moves-text.js';
import { counted, jsonText } from './output.js';
import type { Terminal } from './terminal.js';
import { durationArgument } from './time.js';

/** All hosts check it, agree on a view and have it taken by Envoy, and where one refuses, go back likewise. */
const BRING_TIMEOUT_MS = 60_000;

export const BRING_OPTIONS: Record<string, Option> = {
  'dry-run': { type: 'boolean', help: 'ask every host whether it can take it, and change nothing' },
  without: {
    type: 'string',
    multiple: true,
    value: 'HOST',
    help: 'leave a host behind that does not answer (repeatable)',
  },
  confirm: { type: 'string', value: 'TIME', help: 'taken back after 60s, 5m ... unless nlb confirm is said' },
  ...SIDECAR_OPTIONS,
};

export const EXIT_HELP = `Exit code 0: in force on all hosts (--dry-run: they can take it). 1: the file has
mistakes. 3: no sidecar answers. 4: refused, in force nowhere, with the reason.`;

export async function bring(
  door: Door,
  path: '/apply' | '/rollback',
  what: object,
  call: Call,
  terminal: Terminal,
): Promise<ApplyAnswer> {
  if (door.elsewhere !== null) {
    const text = `--host ${door.elsewhere} is not on this machine; every host can do this, so ask one here`;
    throw new CliError(EXIT.usage, text);
  }
  const confirmMs = durationArgument('confirm', call.text('confirm'));
  const body = {
    ...what,
    by: userOf(terminal),
    dryRun: call.flag('dry-run'),
    without: call.texts('without'),
    ...(confirmMs === null ? {} : { confirmMs }),
  };
  const { code, body: answer } = await ask(door, 'POST', path, body, { timeoutMs: BRING_TIMEOUT_MS }).catch(
    (error: Error) => {
      if (!(error instanceof AnswerLost) || call.flag('dry-run')) throw error;
      throw new AnswerLost(EXIT.unreachable, `${error.message}; ${whatThen(call.text('confirm'))}`);
    },
  );
  if (code === 400) throw new CliError(EXIT.usage, saidBy(answer));
  const { difference } = (answer ?? {}) as Partial<ApplyAnswer>;
  if (!Array.isArray(difference)) throw new CliError(EXIT.refused, saidBy(answer));
  return answer as ApplyAnswer;
}

/** What was brought may have cut the way of the answer. */
function whatThen(confirm: string | null): string {
  const look = 'whether it is in force is not known here, nlb revisions on one of the hosts tells';
  return confirm === null ? look : `${look}; unless nlb confirm is said it is taken back after ${confirm}`;
}

export function say(name: string, answer: ApplyAnswer, call: Call, terminal: Terminal): number {
  if (call.flag('json')) terminal.out(jsonText(answer));
  else {
    terminal.out(differenceText(answer.difference) + whatMoves(answer));
    if (answer.ok) terminal.out(`${answer.text}\n`);
    else terminal.err(`nlb ${name}: ${answer.text}\n`);
  }
  return answer.ok ? EXIT.yes : EXIT.refused;
}

/** A sidecar of a release that does not count it says nothing of it. */
function whatMoves({ difference, moves }: Pick<ApplyAnswer, 'difference'> & Partial<ApplyAnswer>): string {
  if (moves != null) return movesText(moves);
  return difference.length === 0
    ? ''
    : 'Which clients move was not counted; the log of the host that was asked may say why\n';
}

function differenceText(difference: readonly string[]): string {
  if (difference.length === 0) return '';
  return `${counted(difference.length, 'change')}:\n${difference.map((line) => `  ${line}\n`).join('')}`;
}

/** For people, in the list of revisions; the right to do it is the right to the control socket. */
export function userOf({ env }: Terminal): string {
  return env.SUDO_USER ?? env.USER ?? env.LOGNAME ?? 'root';
}
