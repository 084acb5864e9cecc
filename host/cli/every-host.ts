/** A verb with `--all`: every host of the cluster is asked at once, and each answers for itself. */
import type { Call, Option } from './args.js';
import type { Door } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findAll } from './find-sidecar.js';
import { jsonText } from './output.js';
import type { Terminal } from './terminal.js';

export const ALL_OPTION: Option = {
  type: 'boolean',
  help: 'on every host of the cluster; the highest exit code counts',
};

export interface HostAnswer {
  exitCode: number;
  /** For a person; several lines are set below the host's name. */
  text: string;
  /** For `--json`. */
  answer: unknown;
}

/** `skipped`: a host, by name or host priority, that is not asked. @returns the highest exit code of all hosts; one that does not answer has `unreachable` */
export async function onEveryHost(
  call: Call,
  terminal: Terminal,
  one: (door: Door) => Promise<HostAnswer>,
  skipped?: string,
): Promise<number> {
  if (call.has('host')) throw new CliError(EXIT.usage, '--host names one host and --all means every one: choose');
  const found = await findAll(call, terminal);
  const doors = found.filter(({ host, priority }) => host !== skipped && String(priority) !== skipped);
  const answers = await Promise.all(doors.map(async ({ host, door }) => ({ host, ...(await safely(one, door)) })));
  if (call.flag('json')) terminal.out(jsonText(answers.map(({ text: _, ...rest }) => rest)));
  else for (const { host, exitCode, text } of answers) print(terminal, host, exitCode, text);
  return Math.max(...answers.map(({ exitCode }) => exitCode));
}

/** One host that does not answer keeps nobody else's answer back. */
async function safely(one: (door: Door) => Promise<HostAnswer>, door: Door): Promise<HostAnswer> {
  try {
    return await one(door);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { exitCode: error.exitCode, text: error.message, answer: { ok: false, text: error.message } };
  }
}

function print(terminal: Terminal, host: string, exitCode: number, text: string): void {
  const say = exitCode >= EXIT.usage ? terminal.err : terminal.out;
  const lines = text.trimEnd();
  say(lines.includes('\n') ? `--- ${host}\n${lines}\n\n` : `${host}: ${lines}\n`);
}
