/** What start, stop, drainstop and reload have in common: one request, one sentence back. */
import { type Call, type Option, SIDECAR_OPTIONS, type Verb } from './args.js';
import { command, type Door } from './client.js';
import { ALL_OPTION, type HostAnswer, onEveryHost } from './every-host.js';
import { EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';

interface Change {
  name: string;
  help: string;
  options?: Record<string, Option>;
  /** Path and query of the request. */
  path(call: Call): string;
}

export function changeVerb({ name, help, options = {}, path }: Change): Verb {
  const flags = Object.keys(options).map((option) => ` [--${option}]`);
  return {
    usage: `nlb ${name}${flags.join('')} [--host NAME|N | --all] [--state-dir DIR] [--json]`,
    help: `${help.trim()}\n\nExit code 0: done or begun. 3: no sidecar answers. 4: refused, with the reason.`,
    options: { ...options, all: ALL_OPTION, ...SIDECAR_OPTIONS },
    positionals: { min: 0, max: 0 },
    async run(call, terminal) {
      const one = (door: Door) => changeOn(door, path(call));
      if (call.flag('all')) return onEveryHost(call, terminal, one);
      const { exitCode, text, answer } = await one(await findSidecar(call, terminal));
      if (call.flag('json')) terminal.out(jsonText(answer));
      else if (exitCode === EXIT.yes) terminal.out(`${text}\n`);
      else terminal.err(`nlb ${name}: ${text}\n`);
      return exitCode;
    },
  };
}

async function changeOn(door: Door, path: string): Promise<HostAnswer> {
  const answer = await command(door, path);
  return { exitCode: answer.ok ? EXIT.yes : EXIT.refused, text: answer.text, answer };
}
