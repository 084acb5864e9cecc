/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import { CHANGES_PLAN, type ChangesPlan } from './changes/measure.js';
import type { SoakPlan } from './soak.js';
import type { TurnPlan } from './turns.js';
import { type Variant, VARIANTS } from './variants.js';

export const PARTS = ['turns', 'decision', 'open', 'soak', 'sidecar', 'kernel', 'changes', 'verbs'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  help: boolean;
  json: boolean;
  parts: Part[];
  variants: Variant[];
  plan: TurnPlan;
  soak: SoakPlan;
  changes: ChangesPlan;
}

const namesOf = (isAsked: boolean): string =>
  VARIANTS.filter((variant) => (variant.isAsked === true) === isAsked)
    .map(({ name }) => name)
    .join(' ');

export const HELP = `npm run bench -- [options]

CPU of the proxy's processes and of the whole machine per new connection, all variants in turns, and what else the project
wants to know of its speed. docs/performance.md has the figures of one run and says what they mean.

  --json            one JSON object on standard output
  --part NAME,...   some of: ${PARTS.join(' ')} (default all)
  --only NAME,...   of the turns some variants: ${namesOf(false)}
                    and, only where they are named: ${namesOf(true)}
  --turns N         turns of each variant (default 40)
  --connections N   measured connections of one turn (default 1000)
  --warm-up N       connections before them in each turn, not measured (default 200)
  --parallel N      connections at a time (default 32)
  --pin             proxies on the last CPU, clients and services on the others (taskset); in the part sidecar that
                    sidecar with its Envoy on the last CPU, the other hosts on the others
  --soak            1,000,000 connections and 10,000 view changes in the soak, instead of 50,000 and 500
  --soak-connections N, --soak-views N    others; 0 leaves one of the two out, to see which of them memory follows
  --soak-empty      an empty filter in the place of ours, only with --soak-connections 0
  --changes N       changes of our cluster file under load (default 100); the others make a tenth of them, 10 at least
`;

/** @throws Error for an option that cannot be meant */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      part: { type: 'string' },
      only: { type: 'string' },
      turns: { type: 'string', default: '40' },
      connections: { type: 'string', default: '1000' },
      'warm-up': { type: 'string', default: '200' },
      parallel: { type: 'string', default: '32' },
      pin: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      'soak-connections': { type: 'string' },
      'soak-views': { type: 'string' },
      'soak-empty': { type: 'boolean', default: false },
      changes: { type: 'string', default: String(CHANGES_PLAN.changes) },
    },
  });
  const changes = positive('changes', values.changes);
  const parallel = positive('parallel', values.parallel);
  const names = VARIANTS.map(({ name }) => name);
  const usual = VARIANTS.filter(({ isAsked }) => isAsked === undefined).map(({ name }) => name);
  const only = values.only === undefined ? usual : some('only', values.only, names);
  return {
    help: values.help,
    json: values.json,
    parts: some('part', values.part, [...PARTS]) as Part[],
    variants: VARIANTS.filter(({ name }) => only.includes(name)),
    plan: {
      turns: positive('turns', values.turns),
      connections: positive('connections', values.connections),
      parallel,
      warmUp: positive('warm-up', values['warm-up']),
      pin: values.pin,
    },
    soak: {
      isFilterEmpty: values['soak-empty'],
      connections: count('soak-connections', values['soak-connections'] ?? (values.soak ? '1000000' : '50000')),
      viewChanges: count('soak-views', values['soak-views'] ?? (values.soak ? '10000' : '500')),
      parallel,
    },
    changes: { ...CHANGES_PLAN, changes, otherChanges: Math.max(CHANGES_PLAN.otherChanges, Math.ceil(changes / 10)) },
  };
}

function positive(option: string, text: string): number {
  return count(option, text, 1);
}

function count(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${option} is ${text}, expected a whole number of at least ${least}`);
}

function some(option: string, text: string | undefined, known: string[]): string[] {
  if (text === undefined) return known;
  const unknown = text.split(',').filter((name) => !known.includes(name));
  if (unknown.length === 0) return text.split(',');
  throw new Error(`--${option} names ${unknown.join(', ')}, expected some of: ${known.join(', ')}`);
}
