/** Command lines: what a verb takes, read strictly; a mistake names the option and the help that lists them. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { CliError, EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';

export interface Option {
  type: 'string' | 'boolean';
  multiple?: boolean;
  /** `DIR` in the help; nothing for a flag. */
  value?: string;
  help: string;
}

export interface Verb {
  /** `nlb explain CLIENT[:PORT] --port PORT`. */
  usage: string;
  /** What it does, and which answer has which exit code, for --help. */
  help: string;
  options: Record<string, Option>;
  positionals: { min: number; max: number };
  run(call: Call, terminal: Terminal): Promise<number>;
}

/** A command line that was read. */
export class Call {
  constructor(
    readonly positionals: readonly string[],
    private readonly values: Record<string, unknown>,
  ) {}

  text(name: string): string | null {
    return (this.values[name] as string | undefined) ?? null;
  }

  texts(name: string): string[] {
    return (this.values[name] as string[] | undefined) ?? [];
  }

  has(name: string): boolean {
    return this.values[name] !== undefined;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }
}

export const JSON_OPTION: Option = { type: 'boolean', help: 'the answer as JSON, for programs' };

/** A sidecar elsewhere. */
export const REMOTE_OPTIONS: Record<string, Option> = {
  server: { type: 'string', value: 'https://HOST:7623', help: 'a sidecar elsewhere, over remote control (NLB_SERVER)' },
  'token-file': { type: 'string', value: 'FILE', help: 'the token for it (NLB_TOKEN_FILE)' },
  'ca-file': { type: 'string', value: 'FILE', help: 'who vouches for its certificate, beside the system' },
};

/** Options of every verb that speaks to a running sidecar. */
export const SIDECAR_OPTIONS: Record<string, Option> = {
  host: {
    type: 'string',
    value: 'NAME|N',
    help: 'that host of the cluster, by name or host priority, wherever it is',
  },
  ...REMOTE_OPTIONS,
  'state-dir': { type: 'string', value: 'DIR', help: 'its state directory (NLB_STATE_DIR; /var/lib/envoy-nlb)' },
  json: JSON_OPTION,
};

/**
 * @throws CliError usage
 */
export function readCall(name: string, verb: Verb, argv: readonly string[]): Call {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [option, { type, multiple }] of Object.entries(verb.options))
    options[option] = { type, multiple: multiple ?? false };
  const seeHelp = `nlb ${name} --help tells what it takes`;
  let read: ReturnType<typeof parseArgs>;
  try {
    read = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\. (?:Did you|To specify)|\n/);
    throw new CliError(EXIT.usage, `${(sentence ?? '').replace(/\.$/, '')}; ${seeHelp}`);
  }
  const { min, max } = verb.positionals;
  const count = read.positionals.length;
  if (count < min) throw new CliError(EXIT.usage, `Expected: ${verb.usage}; ${seeHelp}`);
  if (count > max) {
    throw new CliError(
      EXIT.usage,
      `Unexpected argument '${read.positionals[max]}', expected: ${verb.usage}; ${seeHelp}`,
    );
  }
  return new Call(read.positionals, read.values);
}

export function helpText(verb: Verb): string {
  const options: [string, Option][] = [
    ...Object.entries(verb.options),
    ['help', { type: 'boolean', help: 'this text' }],
  ];
  const lefts = options.map(([name, option]) => `  --${name}${option.value === undefined ? '' : ` ${option.value}`}`);
  const width = Math.max(...lefts.map((left) => left.length)) + 2;
  const lines = options.map(([, option], index) => lefts[index]!.padEnd(width) + option.help);
  return `Usage: ${verb.usage}\n\n${verb.help.trim()}\n\nOptions:\n${lines.join('\n')}\n`;
}

/** @throws CliError usage */
export function portArgument(option: string, text: string | null): number {
  if (text === null) throw new CliError(EXIT.usage, `--${option} is missing, expected a port 1-65535`);
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new CliError(EXIT.usage, `--${option} is ${text}, expected a port 1-65535`);
  return port;
}
