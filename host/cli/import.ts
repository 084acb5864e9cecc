/** `nlb import`: a cluster file from what Windows NLB's own tools print. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../edge/edge-error.js';
import { writeKeyFile } from '../edge/key-file.js';
import { carryOver, type ImportAnswers, type ImportFinding } from '../import/carry.js';
import { importedFileText } from '../import/file-text.js';
import { readCmdlets } from '../import/read-cmdlets.js';
import { isParams, readParams } from '../import/read-params.js';
import { emptySource, type NlbSource } from '../import/source.js';
import { findingLine, parseClusterFile } from '../protocol/config/index.js';
import type { Mode } from '../protocol/types.js';
import { type Call, JSON_OPTION, portArgument, type Verb } from './args.js';
import { CliError, EXIT } from './exit-codes.js';
import { jsonText } from './output.js';
import type { Terminal } from './terminal.js';

export const verb: Verb = {
  usage: 'nlb import OUTPUT... [--out FILE] [--host NAME=ADDRESS] [--json]',
  help: `
Writes a cluster file from what Windows NLB's own tools print: nlb params, nlb
display (wlbs too), or the NetworkLoadBalancingClusters cmdlets. Says what it
could not carry over. OUTPUT is a file with such a print; give one of each host:

  nlb params > web1.txt                                    (on each host)
  Get-NlbCluster; Get-NlbClusterNode | fl *; Get-NlbClusterNodeDip    (once)
  Get-NlbClusterNode | Get-NlbClusterPortRule | fl *                  (once)

Without --out the file goes to standard output, findings to standard error.

Exit code 0: written. 1: something is missing, or what came out has mistakes.
2: nothing of NLB is in OUTPUT. 4: FILE is there already (--force).`,
  options: {
    out: { type: 'string', value: 'FILE', help: 'write the cluster file here, and a cluster key beside it' },
    cluster: { type: 'string', value: 'NAME', help: 'full internet name of the cluster' },
    mode: { type: 'string', value: 'arp|multicast|routed', help: "the mode, where it is not to follow from NLB's" },
    host: { type: 'string', multiple: true, value: 'NAME=ADDRESS', help: "a host's dedicated IP" },
    port: {
      type: 'string',
      multiple: true,
      value: 'PORT',
      help: 'of a rule for a wide range (NLB: 0-65535), carry this port',
    },
    service: {
      type: 'string',
      multiple: true,
      value: 'PORT=ADDRESS',
      help: 'what the rule that begins with PORT leads to',
    },
    'proxy-protocol': { type: 'string', value: 'v2|v1|none', help: "how the services learn the client's address" },
    force: { type: 'boolean', help: 'replace FILE' },
    json: JSON_OPTION,
  },
  positionals: { min: 1, max: 100 },
  async run(call, terminal) {
    const out = call.text('out');
    if (out !== null && existsSync(out) && !call.flag('force')) {
      throw new CliError(EXIT.refused, `${out} is there already; --force replaces it`);
    }
    const imported = carryOver(sourceOf(call.positionals), answersOf(call));
    const text = importedFileText(imported, randomBytes(4).readUInt32LE());
    const isWhole = !imported.findings.some(({ kind }) => kind === 'missing');
    const mistakes = isWhole ? mistakesOf(text, out ?? 'cluster.yaml') : [];
    const ok = isWhole && mistakes.length === 0;
    if (ok && out !== null) write(out, text);
    if (call.flag('json')) terminal.out(jsonText({ ok, file: text, findings: imported.findings, mistakes }));
    else tell(terminal, { ok, out, text, findings: imported.findings, mistakes });
    return ok ? EXIT.yes : EXIT.no;
  },
};

interface Outcome {
  ok: boolean;
  out: string | null;
  text: string;
  findings: readonly ImportFinding[];
  mistakes: readonly string[];
}

const KIND_WORDS = {
  assumed: 'assumed',
  leftBehind: 'left behind',
  contradiction: 'contradiction',
  missing: 'missing',
} as const;

function tell(terminal: Terminal, { ok, out, text, findings, mistakes }: Outcome): void {
  for (const { item, kind, text: said } of findings) terminal.err(`${KIND_WORDS[kind]}: ${item} ${said}\n`);
  for (const mistake of mistakes) terminal.err(`mistake: ${mistake}\n`);
  if (!ok) terminal.err('Nothing was written.\n');
  else if (out === null) terminal.out(text);
  else
    terminal.out(`Wrote ${out}. Look it through, copy it and its key to every host, then on each: nlb check ${out}\n`);
}

function sourceOf(paths: readonly string[]): NlbSource {
  const source = emptySource();
  for (const path of paths) {
    const text = readText(path);
    if (isParams(text)) {
      // `nlb params` of a host in several clusters prints one after another.
      for (const part of text.split(/^Cluster (?=[0-9a-fA-F.:]+\s*$)/m)) if (isParams(part)) readParams(part, source);
    } else if (!readCmdlets(text, source)) {
      throw new CliError(EXIT.usage, `${path} holds no output of nlb params, nlb display or the NLB cmdlets`);
    }
  }
  return source;
}

/** PowerShell's `>` writes UTF-16. */
function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CliError(EXIT.usage, `Cannot read ${path}: ${systemCode(error)}`);
  }
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return bytes.toString(isUtf16 ? 'utf16le' : 'utf8').replace(/^\uFEFF/, '');
}

function answersOf(call: Call): ImportAnswers {
  const proxyProtocol = call.text('proxy-protocol');
  if (proxyProtocol !== null && proxyProtocol !== 'v1' && proxyProtocol !== 'v2' && proxyProtocol !== 'none') {
    throw new CliError(EXIT.usage, `--proxy-protocol is ${proxyProtocol}, expected v2, v1 or none`);
  }
  const mode = call.text('mode');
  if (mode !== null && !isMode(mode)) {
    throw new CliError(EXIT.usage, `--mode is ${mode}, expected ${MODES.join(', ')}`);
  }
  const services = call.texts('service').map((text) => pair('service', text, 'PORT=ADDRESS'));
  return {
    cluster: call.text('cluster'),
    mode,
    dedicatedIps: new Map(call.texts('host').map((text) => pair('host', text, 'NAME=ADDRESS'))),
    ports: call.texts('port').map((text) => portArgument('port', text)),
    services: new Map(services.map(([port, address]) => [Number(port), address])),
    proxyProtocol,
  };
}

const MODES: readonly Mode[] = ['arp', 'multicast', 'routed'];
const isMode = (text: string): text is Mode => (MODES as readonly string[]).includes(text);

function pair(option: string, text: string, expected: string): [string, string] {
  const index = text.indexOf('=');
  if (index < 1 || index === text.length - 1) {
    throw new CliError(EXIT.usage, `--${option} is ${text}, expected ${expected}`);
  }
  return [text.slice(0, index), text.slice(index + 1)];
}

function mistakesOf(text: string, path: string): string[] {
  const parsed = parseClusterFile(text, path);
  return 'errors' in parsed ? parsed.errors.map(findingLine) : [];
}

function write(path: string, text: string): void {
  const keyPath = join(dirname(path), 'cluster.key');
  try {
    writeFileSync(path, text);
    if (!existsSync(keyPath)) writeKeyFile(keyPath, { id: 1, bytes: randomBytes(32) }, false);
  } catch (error) {
    throw new CliError(EXIT.refused, `Cannot write ${path}: ${systemCode(error)}`);
  }
}
