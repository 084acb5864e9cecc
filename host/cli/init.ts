/** `nlb init`: the two files a cluster starts with, from answers or from flags. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../edge/edge-error.js';
import { DEFAULT_CLUSTER_FILE } from '../edge/cluster-file.js';
import { writeKeyFile } from '../edge/key-file.js';
import { findingLine, parseClusterFile } from '../protocol/config/index.js';
import { type Call, JSON_OPTION, type Verb } from './args.js';
import { CliError, EXIT } from './exit-codes.js';
import { answersOf } from './init-answers.js';
import { clusterFileText } from './init-file.js';
import { jsonText } from './output.js';
import type { Terminal } from './terminal.js';

export const verb: Verb = {
  usage: 'nlb init [FILE] --cluster NAME --host NAME=ADDRESS ... --rule NAME=PORTS ...',
  help: `
Writes a cluster file with a random hash seed, and beside it the cluster key with
mode 0600. Asks for what the flags leave out when it runs in a terminal.
FILE is ${DEFAULT_CLUSTER_FILE} unless it is given. Copy both to every host.

  nlb init --cluster mail.example.org --host mail1=10.0.0.11 \\
    --host mail2=10.0.0.12 --rule smtp=25 --service 127.0.0.1:2525 \\
    --proxy-protocol v2

Exit code 0: both are written. 1: the answers make no lawful file. 2: something
is missing and nobody can be asked. 4: a file is there already (--force).`,
  options: {
    cluster: { type: 'string', value: 'NAME', help: 'full internet name of the cluster' },
    host: { type: 'string', multiple: true, value: 'NAME=ADDRESS', help: 'one for each host, in order of priority' },
    rule: {
      type: 'string',
      multiple: true,
      value: 'NAME=PORTS',
      help: 'one for each port rule: smtp=25, web=8000-8099',
    },
    service: { type: 'string', value: 'ADDRESS', help: 'what the rules lead to: 127.0.0.1:2525, unix:/run/smtp.sock' },
    'proxy-protocol': { type: 'string', value: 'v2|v1|none', help: "how the service learns the client's address" },
    affinity: { type: 'string', value: 'AFFINITY', help: 'none, single (unless given) or classC' },
    mode: {
      type: 'string',
      value: 'MODE',
      help: 'how clients come to the hosts: routed (unless given), arp or multicast',
    },
    'virtual-ip': {
      type: 'string',
      multiple: true,
      value: 'ADDRESS',
      help: 'rules listen on these, not on each dedicated address; in arp and multicast one at least',
    },
    force: { type: 'boolean', help: 'replace files that are there already, the key as well' },
    json: JSON_OPTION,
  },
  positionals: { min: 0, max: 1 },
  async run(call, terminal) {
    const path = call.positionals[0] ?? DEFAULT_CLUSTER_FILE;
    const keyPath = join(dirname(path), 'cluster.key');
    if (!call.flag('force')) refuseExisting(path, keyPath);
    const hashSeed = randomBytes(4).readUInt32LE();
    const text = clusterFileText(await answersOf(call, terminal), hashSeed);
    refuseMistakes(text, path);
    write(path, keyPath, text);
    tell(call, terminal, path, keyPath);
    return EXIT.yes;
  },
};

/** An existing key is in use somewhere: a host with another one would be outside its cluster. */
function refuseExisting(...paths: string[]): void {
  const there = paths.filter((path) => existsSync(path));
  if (there.length === 0) return;
  const text =
    `${there.join(' and ')} ${there.length === 1 ? 'is' : 'are'} ` +
    `there already; nothing was written (--force replaces)`;
  throw new CliError(EXIT.refused, text);
}

/** The file is checked before it is written, by the same check that nlb run makes. */
function refuseMistakes(text: string, path: string): void {
  const parsed = parseClusterFile(text, path);
  if (!('errors' in parsed)) return;
  const lines = parsed.errors.map((error) => `  ${findingLine(error)}`);
  throw new CliError(EXIT.no, `the answers make no lawful cluster file; nothing was written:\n${lines.join('\n')}`);
}

function write(path: string, keyPath: string, text: string): void {
  let at = dirname(path);
  try {
    mkdirSync(at, { recursive: true, mode: 0o755 });
    at = keyPath;
    writeKeyFile(keyPath, { id: 1, bytes: randomBytes(32) }, true);
    chmodSync(keyPath, 0o600); // a file that was there keeps its mode otherwise
    at = path;
    writeFileSync(path, text, { mode: 0o644 });
  } catch (error) {
    throw new CliError(EXIT.refused, `Cannot write ${at}: ${systemCode(error)}`);
  }
}

function tell(call: Call, terminal: Terminal, path: string, keyPath: string): void {
  if (call.flag('json')) {
    terminal.out(jsonText({ file: path, keyFile: keyPath }));
    return;
  }
  terminal.out(`Wrote ${path} and ${keyPath} (secret).\n`);
  terminal.out(
    `Copy both to the same place on every host, then on each: nlb check ${path === DEFAULT_CLUSTER_FILE ? '' : path}`.trimEnd(),
  );
  terminal.out('\n');
}
