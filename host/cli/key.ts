/** `nlb key`: which cluster keys are valid where, and a new one for all hosts. */
import type { KeyState } from '../keys/held-keys.js';
import { keysText } from '../keys/steps.js';
import { type Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findAll, findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';
import type { Terminal } from './terminal.js';

/** Steps on 32 hosts, each of which waits for an Envoy. */
const ROTATE_TIMEOUT_MS = 120_000;

export const verb: Verb = {
  usage: 'nlb key list | rotate [--without HOST] [--back]',
  help: `
list    tells which cluster keys are valid on each host, the one that seals first.
        A key is told by its id and a fingerprint, never shown.
rotate  gives all hosts a new cluster key while they serve: every host opens it,
        then every host seals with it, then the old one is forgotten. Heartbeats,
        host channel and handoffs go over without a gap; no connection is cut.
        Where it is interrupted the hosts still understand each other; asked
        again it goes on. A key somebody else may have seen is still changed so,
        but who has it can listen: see docs/operating.md, Security.

Exit code 0: done. 3: no sidecar answers. 4: refused or interrupted, with the
reason. list: 1 where hosts have different keys.`,
  options: {
    without: {
      type: 'string',
      multiple: true,
      value: 'HOST',
      help: 'rotate: leave that host behind; its key file has to be copied then',
    },
    back: { type: 'boolean', help: 'rotate: take back a key that no host seals with yet' },
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 1, max: 1 },
  async run(call, terminal) {
    const [what] = call.positionals;
    if (what === 'list') return list(call, terminal);
    if (what === 'rotate') return rotate(call, terminal);
    throw new CliError(EXIT.usage, `key ${what} is unknown, expected list or rotate`);
  },
};

async function rotate(call: Call, terminal: Terminal): Promise<number> {
  const query = new URLSearchParams(call.texts('without').map((host): [string, string] => ['without', host]));
  if (call.flag('back')) query.set('back', 'true');
  const door = await findSidecar(call, terminal);
  const { code, body } = await ask(door, 'POST', `/keys/rotate?${query}`, undefined, { timeoutMs: ROTATE_TIMEOUT_MS });
  if (call.flag('json')) terminal.out(jsonText(body));
  else if (code === 200) terminal.out(`${saidBy(body)}\n`);
  else terminal.err(`nlb key: ${saidBy(body)}\n`);
  return code === 200 ? EXIT.yes : EXIT.refused;
}

async function list(call: Call, terminal: Terminal): Promise<number> {
  const doors = call.has('host')
    ? [{ host: call.text('host')!, door: await findSidecar(call, terminal) }]
    : await findAll(call, terminal);
  const answers = await Promise.all(
    doors.map(async ({ host, door }) => {
      try {
        return { host, state: (await ask(door, 'GET', '/keys')).body as KeyState, failure: null };
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        return { host, state: null, failure: error.message };
      }
    }),
  );
  if (call.flag('json')) terminal.out(jsonText(answers.map(({ state, failure, host }) => state ?? { host, failure })));
  else for (const { host, state, failure } of answers) terminal.out(`${host}: ${failure ?? stateText(state!)}\n`);
  const texts = new Set(answers.map(({ state }) => (state === null ? null : stateText(state))));
  if (texts.has(null)) return EXIT.unreachable;
  return texts.size === 1 && answers[0]?.state?.keys.length === 1 ? EXIT.yes : EXIT.no;
}

function stateText({ keys, problem }: KeyState): string {
  const [first, second] = keys;
  const beside = second === undefined ? '' : `; ${keysText([second])} is valid too`;
  return `seals with ${keysText([first!])}${beside}${problem === null ? '' : `. ${problem}`}`;
}
