/** `nlb token`: who may use remote control of this host. Works on the token file, with or without a running sidecar. */
import { dirname, resolve } from 'node:path';
import { ROLES, type Role } from '../admin/route.js';
import { DEFAULT_CLUSTER_FILE, loadClusterFile } from '../edge/cluster-file.js';
import { systemCode } from '../edge/edge-error.js';
import { replaceFile } from '../edge/files.js';
import { findingLine } from '../protocol/config/index.js';
import { REMOTE_CONTROL_DEFAULTS } from '../protocol/config/remote-control.js';
import { HOW_TO_SWITCH_ON, type RemoteControlState } from '../remote/remote-control.js';
import { isValid, makeToken, readTokens, TOKEN_NAME, type Token, tokenFileText, TOKENS_MAX } from '../remote/tokens.js';
import { type Call, JSON_OPTION, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, table, timeText } from './output.js';
import type { Terminal } from './terminal.js';

const UNITS_MS: Record<string, number> = { h: 3_600_000, d: 86_400_000 };

export const verb: Verb = {
  usage: 'nlb token add NAME --role read|control|configure | list | remove NAME|ID',
  help: `
add     makes a token and prints it, once: keep it in a file of mode 0600 and use
        it with nlb --server https://HOST:7623 --token-file FILE VERB, or in the
        page. The host keeps only its hash. NAME is whose it is, for the log.
        Roles: read looks; control also starts, stops and drains hosts; configure
        also changes the cluster file and the cluster key.
list    the tokens of this host.
remove  by name (all of that name) or id; what they have open ends at once.

Tokens are of one host, and through it reach all of them: somebody who shall
get in while that host is down has one on another host, too; remove ends those
of this host alone. Exit code 0: done. 1: no
such token. 4: the file cannot be used, with the reason.`,
  options: {
    role: { type: 'string', value: 'ROLE', help: 'add: read, control or configure' },
    expires: {
      type: 'string',
      value: '90d',
      help: 'add: ends after so many hours (h) or days (d); never unless given',
    },
    config: { type: 'string', value: 'FILE', help: `the cluster file (${DEFAULT_CLUSTER_FILE})` },
    'state-dir': SIDECAR_OPTIONS['state-dir']!,
    host: { ...SIDECAR_OPTIONS.host!, help: 'which sidecar of this machine tells its certificate' },
    json: JSON_OPTION,
  },
  positionals: { min: 1, max: 2 },
  async run(call, terminal) {
    const [what, name] = call.positionals;
    const place = placeOf(call);
    if (what === 'list' && name === undefined) return list(place, call, terminal);
    if (what === 'remove' && name !== undefined) return remove(place, name, terminal);
    if (what === 'add' && name !== undefined) return add(place, name, call, terminal);
    throw new CliError(EXIT.usage, `Expected: ${verb.usage}`);
  },
};

interface Place {
  path: string;
  isOn: boolean;
}

function placeOf(call: Call): Place {
  const clusterFile = call.text('config') ?? DEFAULT_CLUSTER_FILE;
  const loaded = loadClusterFile(clusterFile);
  if (!loaded.ok) throw new CliError(EXIT.refused, loaded.errors.map(findingLine).join('\n'));
  const { remoteControl } = loaded.file;
  const name = remoteControl?.tokenFile ?? REMOTE_CONTROL_DEFAULTS.tokenFile;
  return { path: resolve(dirname(clusterFile), name), isOn: remoteControl !== undefined };
}

async function add({ path, isOn }: Place, name: string, call: Call, terminal: Terminal): Promise<number> {
  const role = call.text('role');
  if (!ROLES.includes(role as Role)) {
    throw new CliError(EXIT.usage, `--role is ${role ?? 'missing'}, expected ${ROLES.join(', ')}`);
  }
  if (!TOKEN_NAME.test(name)) {
    throw new CliError(EXIT.usage, `the name is ${name}, expected 1-32 letters, digits, . _ @ -`);
  }
  const now = new Date();
  const { text, token } = makeToken(name, role as Role, now.toISOString(), endOf(call.text('expires'), now));
  const present = tokensIn(path);
  if (present.length >= TOKENS_MAX) {
    throw new CliError(EXIT.refused, `${path} has ${present.length} tokens already, expected fewer than ${TOKENS_MAX}`);
  }
  await write(path, [...present, token]);
  const { state } = await remoteState(call, terminal);
  const fingerprint = state?.fingerprint ?? null;
  if (call.flag('json'))
    terminal.out(jsonText({ token: text, fingerprint, id: token.id, role, name, ends: token.ends }));
  else terminal.out(`${text}\n${fingerprint === null ? '' : `fingerprint ${fingerprint}\n`}`);
  const url = state?.url ?? 'https://HOST:7623';
  terminal.err(`Token ${token.id} for ${name}, role ${role}; it is shown this once. In a file of mode 0600:\n`);
  terminal.err(`  nlb --server ${url} --token-file FILE query\n`);
  terminal.err(
    'It opens this host alone, and through it all others. For the day this host is down: one on another host, too.\n',
  );
  if (!isOn) terminal.err(`Nobody can use it yet: ${HOW_TO_SWITCH_ON}\n`);
  return EXIT.yes;
}

async function list({ path, isOn }: Place, call: Call, terminal: Terminal): Promise<number> {
  const tokens = tokensIn(path);
  const now = new Date().toISOString();
  const shown = tokens.map(({ hash: _hash, ...rest }) => ({ ...rest, isValid: isValid(rest as Token, now) }));
  if (call.flag('json')) {
    terminal.out(jsonText(shown));
    return EXIT.yes;
  }
  const rows = shown.map(({ id, name, role, added, ends, isValid }) => {
    const end = ends === null ? 'never' : `${timeText(ends)}${isValid ? '' : ' (ended)'}`;
    return [id, name, role, timeText(added), end];
  });
  terminal.out(rows.length === 0 ? `No tokens in ${path}\n` : table(['ID', 'NAME', 'ROLE', 'ADDED', 'ENDS'], rows));
  const { state } = await remoteState(call, terminal);
  if (!isOn) terminal.out(`${HOW_TO_SWITCH_ON}\n`);
  else if (state?.url != null)
    terminal.out(`For ${state.url}${state.fingerprint === null ? '' : `, certificate ${state.fingerprint}`}\n`);
  return EXIT.yes;
}

async function remove({ path }: Place, wanted: string, terminal: Terminal): Promise<number> {
  const tokens = tokensIn(path);
  const gone = tokens.filter(({ id, name }) => id === wanted || name === wanted);
  if (gone.length === 0) {
    terminal.err(`nlb token: ${path} has no token ${wanted} (nlb token list)\n`);
    return EXIT.no;
  }
  await write(
    path,
    tokens.filter((token) => !gone.includes(token)),
  );
  terminal.out(`${gone.map(({ id, name }) => `Token ${id} of ${name}`).join(', ')} is not valid any more\n`);
  return EXIT.yes;
}

function tokensIn(path: string): Token[] {
  try {
    return readTokens(path);
  } catch (error) {
    throw new CliError(EXIT.refused, (error as Error).message);
  }
}

async function write(path: string, tokens: readonly Token[]): Promise<void> {
  try {
    await replaceFile(path, tokenFileText(tokens));
  } catch (error) {
    throw new CliError(EXIT.refused, (error as Error).message || systemCode(error));
  }
}

/** Of the sidecar that runs here, for its address and fingerprint; nothing where none does. */
async function remoteState(call: Call, terminal: Terminal): Promise<{ state: RemoteControlState | null }> {
  try {
    const door = await findSidecar(call, { ...terminal, env: { ...terminal.env, NLB_SERVER: undefined } });
    const { code, body } = await ask(door, 'GET', '/remote-control');
    return { state: code === 200 ? (body as RemoteControlState) : null };
  } catch {
    return { state: null };
  }
}

function endOf(text: string | null, now: Date): string | null {
  if (text === null) return null;
  const [, count = '', unit = ''] = /^([1-9][0-9]{0,4})([hd])$/.exec(text) ?? [];
  if (unit === '') throw new CliError(EXIT.usage, `--expires is ${text}, expected hours or days such as 12h or 90d`);
  return new Date(now.getTime() + Number(count) * UNITS_MS[unit]!).toISOString();
}
