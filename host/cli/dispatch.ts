/** One command line from its words to its exit code. */
import { helpText, readCall, REMOTE_OPTIONS } from './args.js';
import { CliError, EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';
import { overview, VERBS } from './verbs.js';

/** Never throws; what went wrong is on `terminal.err`. */
export async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = verbFirst(argv);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const asked = name !== undefined;
    (asked ? terminal.out : terminal.err)(overview());
    return asked ? EXIT.yes : EXIT.usage;
  }
  try {
    if (!Object.hasOwn(VERBS, name)) throw new CliError(EXIT.usage, await unknownVerb(name));
    const { verb } = await VERBS[name]!.load();
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.out(helpText(verb));
      return EXIT.yes;
    }
    return await verb.run(readCall(name, verb, rest), terminal);
  } catch (error) {
    return failed(name, error, terminal);
  }
}

/** `nlb --server URL --token-file FILE VERB` is `nlb VERB --server URL --token-file FILE`: set once, in an alias. */
function verbFirst(argv: readonly string[]): readonly string[] {
  let count = 0;
  while (Object.hasOwn(REMOTE_OPTIONS, (argv[count] ?? '').replace(/^--|=.*$/g, ''))) {
    count += argv[count]!.includes('=') ? 1 : 2;
  }
  return [...argv.slice(count), ...argv.slice(0, count)];
}

async function unknownVerb(name: string): Promise<string> {
  const { keyHint } = await import('../protocol/config/hints.js');
  const hint = keyHint(name, Object.keys(VERBS));
  return `there is no such verb${hint === null ? '' : `, ${hint}`} (nlb --help lists them)`;
}

function failed(name: string, error: unknown, terminal: Terminal): number {
  if (error instanceof CliError) {
    terminal.err(`nlb ${name}: ${error.message}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.err(`nlb ${name}: this is a mistake in nlb itself, please report it: ${text}\n`);
  return EXIT.internal;
}
