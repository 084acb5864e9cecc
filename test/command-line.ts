/** How programs of this folder are called: what cannot be meant ends them at once, with what was expected (exit code 2). */
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

export function refuse(program: string, text: string, code = 2): never {
  process.stderr.write(`${program}: ${text}\n`);
  process.exit(code);
}

/** @param usage  printed with `--help`, and after what cannot be meant */
export function optionsOf<T extends Options>(program: string, usage: string, options: T) {
  try {
    const { help, ...values } = parseArgs({ options: { ...options, help: { type: 'boolean' as const, short: 'h' } } })
      .values as ReturnType<typeof parseArgs<{ options: T }>>['values'] & { help?: boolean };
    if (help !== true) return values;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    return refuse(program, `${(error as Error).message}\n\n${usage}`);
  }
}

export function wholeNumber(program: string, option: string, text: string, from: number, to: number): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isInteger(number) && number >= from && number <= to) return number;
  return refuse(program, `--${option} is ${text}, expected a whole number ${from}-${to}`);
}
