/** `nlb params`: the values in force, ours with the names that Windows NLB's own params had for them. */
import type { ClusterStatus } from '../admin/status.js';
import type { InForce } from '../protocol/types.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, type Door, saidBy, statusOf } from './client.js';
import { ALL_OPTION, type HostAnswer, onEveryHost } from './every-host.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, table } from './output.js';
import { fileParams, hostParams, type Param, param, ruleParams } from './params-rows.js';
import { ruleTable } from './status-text.js';

export const verb: Verb = {
  usage: 'nlb params [--host NAME|N | --all] [--state-dir DIR] [--json]',
  help: `
Shows the values that this host decides by: all of the file in force with its
defaults, beside the names that Windows NLB had for them. What stands in the
file on disk and is not in force yet is not among them (nlb display says so).

Exit code 0: told. 3: no sidecar answers. 4: there is no view yet.`,
  options: { all: ALL_OPTION, ...SIDECAR_OPTIONS },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    if (call.flag('all')) return onEveryHost(call, terminal, askParams);
    const { text, answer } = await askParams(await findSidecar(call, terminal));
    terminal.out(call.flag('json') ? jsonText(answer) : text);
    return EXIT.yes;
  },
};

async function askParams(door: Door): Promise<HostAnswer> {
  const [status, { code, body }] = await Promise.all([statusOf(door), ask(door, 'GET', '/in-force')]);
  if (code !== 200) throw new CliError(EXIT.refused, saidBy(body));
  const params = paramsOf(status, body as InForce);
  const { file } = body as InForce;
  const ofRules = file.portRules.flatMap(ruleParams);
  const rules = ofRules.length === 0 ? '' : `\n${paramTable(ofRules)}`;
  const text = `${paramTable(params)}\nPort rules (${file.portRules.length}):\n${ruleTable(status)}${rules}`;
  return {
    exitCode: EXIT.yes,
    text,
    answer: { params, ruleParams: ofRules, hosts: file.hosts, portRules: file.portRules },
  };
}

function paramTable(params: readonly Param[]): string {
  const rows = params.map(({ key, value, nlb }) => [key, String(value), nlb ?? '']);
  return table(['KEY', 'VALUE', 'NLB'], rows);
}

function paramsOf(status: ClusterStatus, { file, view }: InForce): Param[] {
  const self = file.hosts.find(({ name }) => name === status.thisHost);
  const state = status.hosts.find(({ name }) => name === status.thisHost)?.state ?? 'notSeen';
  return [
    ...fileParams(file),
    ...(self === undefined ? [] : [...hostParams(file, self), param(`${self.name}: state`, state, 'HostState')]),
    param('hosts', file.hosts.map(({ name }) => name).join(' ')),
    param('revision', status.file.revision),
    param('fingerprint', view.fingerprint),
    param('protocol version', view.protocolVersion, 'EffectiveVersion'),
    param('decision version', view.decisionVersion),
    param('port rules', file.portRules.length, 'NumberOfRules'),
  ];
}
