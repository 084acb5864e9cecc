/** `nlb check`: is this file, with its key, fit to run here? */
import { DEFAULT_CLUSTER_FILE, loadClusterFile } from '../edge/cluster-file.js';
import { KeyFileError, readKeyFile } from '../edge/key-file.js';
import { Nft } from '../edge/nft.js';
import { notCarried } from '../edge/port-redirect.js';
import { findThisHost, isLocal, localAddresses } from '../edge/this-host.js';
import type { ClusterFile } from '../protocol/types.js';
import { redirects } from '../protocol/xds/index.js';
import { type Finding, findingLine } from '../protocol/config/finding.js';
import { type Call, JSON_OPTION, type Verb } from './args.js';
import { EXIT } from './exit-codes.js';
import { counted, jsonText } from './output.js';
import type { Terminal } from './terminal.js';

/** What `nlb check --json` prints. */
interface Report {
  ok: boolean;
  file: string;
  fingerprint: string | null;
  host: string | null;
  errors: Finding[];
  warnings: Finding[];
}

export const verb: Verb = {
  usage: 'nlb check [FILE] [--host NAME|N] [--no-key] [--json]',
  help: `
Checks a cluster file whole: every mistake with its line, and what was expected.
Also checks the cluster key beside it and finds out which host this machine is.
FILE is ${DEFAULT_CLUSTER_FILE} unless it is given.

Exit code 0: no mistakes (warnings may be there). 1: mistakes.`,
  options: {
    host: { type: 'string', value: 'NAME|N', help: 'check as this host, by name or host priority' },
    'no-key': { type: 'boolean', help: 'without the cluster key, where it is not at hand' },
    json: JSON_OPTION,
  },
  positionals: { min: 0, max: 1 },
  async run(call, terminal) {
    const path = call.positionals[0] ?? DEFAULT_CLUSTER_FILE;
    const report = await reportOn(path, call);
    if (call.flag('json')) terminal.out(jsonText(report));
    else print(report, terminal);
    return report.ok ? EXIT.yes : EXIT.no;
  },
};

async function reportOn(path: string, call: Call): Promise<Report> {
  const loaded = loadClusterFile(path);
  const { warnings } = loaded;
  if (!loaded.ok) return { ok: false, file: path, fingerprint: null, host: null, errors: loaded.errors, warnings };
  const { file, fingerprint, keyPath } = loaded;
  const errors = call.flag('no-key') ? [] : keyErrors(path, keyPath);
  const { host, finding, isError } = hostOf(path, file, call.text('host'));
  if (finding !== null) (isError ? errors : warnings).push(finding);
  else if (host !== null) warnings.push(...(await redirectFindings(path, file, host)));
  return { ok: errors.length === 0, file: path, fingerprint, host, errors, warnings };
}

function keyErrors(path: string, keyPath: string): Finding[] {
  try {
    readKeyFile(keyPath);
    return [];
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    const expected = 'a cluster key that only its owner can read';
    return [
      { path: 'keyFile', file: path, line: 1, column: 1, value: null, expected, message: `keyFile: ${error.message}` },
    ];
  }
}

/** A sidecar that is run as somebody else may have another right than whoever checks. */
async function redirectFindings(path: string, file: ClusterFile, host: string): Promise<Finding[]> {
  const wanted = redirects(file, host);
  const why = wanted.length === 0 ? null : await new Nft().whyNot();
  if (why === null) return [];
  const expected = 'nft and CAP_NET_ADMIN for nlb run';
  const message = `${notCarried(wanted)}, as far as nlb check can tell: ${why}`;
  return [{ path: 'portRules', file: path, line: 1, column: 1, value: null, expected, message }];
}

interface HostMatch {
  host: string | null;
  finding: Finding | null;
  /** A host that was named must be right; that nobody matches is no mistake where a file is only looked at. */
  isError: boolean;
}

function hostOf(path: string, file: ClusterFile, wanted: string | null): HostMatch {
  const local = localAddresses();
  const found = findThisHost(file, wanted, local);
  const finding = (message: string, expected: string): Finding => {
    return { path: 'hosts', file: path, line: 1, column: 1, value: wanted, expected, message };
  };
  if (!found.ok) {
    return { host: null, finding: finding(found.text, 'the host that this machine is'), isError: wanted !== null };
  }
  const { name, dedicatedIp } = found.host;
  if (isLocal(dedicatedIp, local)) return { host: name, finding: null, isError: false };
  const text = `Host ${name} has the dedicated address ${dedicatedIp}, which this machine does not have`;
  return { host: name, finding: finding(text, 'an address of this machine'), isError: false };
}

function print(report: Report, terminal: Terminal): void {
  for (const error of report.errors) terminal.err(`${lineOf(error)}\n`);
  for (const warning of report.warnings) terminal.err(`${lineOf(warning, 'warning: ')}\n`);
  const { file, host, fingerprint, errors, warnings } = report;
  const also = warnings.length === 0 ? '' : `, ${counted(warnings.length, 'warning')}`;
  if (!report.ok) {
    terminal.err(`${file}: ${counted(errors.length, 'mistake')}${also}\n`);
    return;
  }
  const as = host === null ? '' : `, this machine is ${host}`;
  terminal.out(`${file}: fit to run${as}${also} (fingerprint ${fingerprint})\n`);
}

function lineOf(finding: Finding, kind = ''): string {
  return findingLine({ ...finding, message: kind + finding.message });
}
