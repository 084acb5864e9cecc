/** What start, stop, drainstop and reload have in common: one request, one sentence back. */
import { type Call, type Option, SIDECAR_OPTIONS, type Verb } from './args.js';
import { command } from './client.js';
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
    usage: `nlb ${name}${flags.join('')} [--host NAME|N] [--state-dir DIR] [--json]`,
    help: `${help.trim()}\n\nExit code 0: done or begun. 3: no sidecar answers. 4: refused, with the reason.`,
    options: { ...options, ...SIDECAR_OPTIONS },
    positionals: { min: 0, max: 0 },
    async run(call, terminal) {
      const answer = await command(await findSidecar(call, terminal), path(call));
      if (call.flag('json')) terminal.out(jsonText(answer));
      else if (answer.ok) terminal.out(`${answer.text}\n`);
      else terminal.err(`nlb ${name}: ${answer.text}\n`);
      return answer.ok ? EXIT.yes : EXIT.refused;
    },
  };
}
