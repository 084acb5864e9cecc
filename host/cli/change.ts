/** What start, stop, drainstop and reload have in common: one request, one sentence back. */
import { type Call, type Option, SIDECAR_OPTIONS, type Verb } from './args.js';
import { command, type Door } from './client.js';
import { ALL_OPTION, type HostAnswer, onEveryHost } from './every-host.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';

interface Change {
  name: string;
  /** `PORT|all`, where it takes one. */
  argument?: string;
  help: string;
  options?: Record<string, Option>;
  /** With `--all`: a host, by name or host priority, that is not asked. */
  skips?(call: Call): string;
  /** Path and query of the request. */
  path(call: Call): string;
}

export function changeVerb({ name, argument, help, options = {}, skips, path }: Change): Verb {
  const flags = Object.entries(options).map(([option, { value }]) => ` [--${option}${value ? ` ${value}` : ''}]`);
  const count = argument === undefined ? 0 : 1;
  return {
    usage: usageOf(`nlb ${name}${count === 0 ? '' : ` ${argument}`}${flags.join('')} [--host NAME|N | --all]`),
    help: `${help.trim()}\n\nExit code 0: done or begun. 3: no sidecar answers. 4: refused, with the reason.`,
    options: { ...options, all: ALL_OPTION, ...SIDECAR_OPTIONS },
    positionals: { min: count, max: count },
    async run(call, terminal) {
      const asked = path(call);
      const one = (door: Door) => changeOn(door, asked);
      if (call.flag('all')) return onEveryHost(call, terminal, one, skips?.(call));
      const { exitCode, text, answer } = await one(await findSidecar(call, terminal));
      if (call.flag('json')) terminal.out(jsonText(answer));
      else if (exitCode === EXIT.yes) terminal.out(`${text}\n`);
      else terminal.err(`nlb ${name}: ${text}\n`);
      return exitCode;
    },
  };
}

/** `--state-dir` stands among the options anyway; a line that is too long leaves it out. */
function usageOf(head: string): string {
  const whole = `${head} [--state-dir DIR] [--json]`;
  if (whole.length <= USAGE_LENGTH_MAX) return whole;
  return head.length <= USAGE_LENGTH_MAX ? `${head} [--json]` : head.replace('NAME|N', 'N');
}

const USAGE_LENGTH_MAX = 76;

async function changeOn(door: Door, path: string): Promise<HostAnswer> {
  const answer = await command(door, path);
  return { exitCode: answer.ok ? EXIT.yes : EXIT.refused, text: answer.text, answer };
}
