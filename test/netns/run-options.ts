/** The command line of a program that measures in networks of its own: `[--runs 20] [--only NAME,...] [--json]`. */
import { optionsOf, refuse, wholeNumber } from '../command-line.js';
import { whyNoNetwork } from './network.js';

export interface RunOptions {
  runs: number;
  /** Those of `all` that were asked for. */
  names: string[];
  /** Not all, but what was named. */
  isNamed: boolean;
  json: boolean;
  fail(text: string, code: number): never;
}

/** Ends the process where it is called wrongly, or no network can be made here. */
export function runOptions(program: string, all: readonly string[]): RunOptions {
  const fail = (text: string, code: number): never => refuse(program, text, code);
  const usage = `usage: npm run ${program} -- [--runs 20] [--only ${all.join(',')}] [--json]\n`;
  const values = optionsOf(program, usage, {
    runs: { type: 'string', default: '20' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const runs = wholeNumber(program, 'runs', values.runs, 1, 10_000);
  const names = values.only?.split(',') ?? [...all];
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) fail(`--only names ${unknown}, expected some of ${all.join(',')}`, 2);
  const why = whyNoNetwork();
  if (why) fail(why, 1);
  return { runs, names, isNamed: values.only !== undefined, json: values.json, fail };
}
