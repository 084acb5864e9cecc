/** The command line of a program that measures in networks of its own: `[--runs 20] [--only NAME,...] [--json]`. */
import { parseArgs } from 'node:util';
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
  const fail = (text: string, code: number): never => {
    process.stderr.write(`${program}: ${text}\n`);
    process.exit(code);
  };
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) fail(`--runs is ${values.runs}, expected a whole number from 1`, 2);
  const names = values.only?.split(',') ?? [...all];
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) fail(`--only names ${unknown}, expected some of ${all.join(',')}`, 2);
  const why = whyNoNetwork();
  if (why) fail(why, 1);
  return { runs, names, isNamed: values.only !== undefined, json: values.json, fail };
}
