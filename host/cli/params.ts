/** `nlb params`: the values in force, ours with the names that Windows NLB's own params had for them. */
import type { ClusterStatus } from '../admin/status.js';
import type { HostConfig, InForce } from '../protocol/types.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, type Door, saidBy, statusOf } from './client.js';
import { ALL_OPTION, type HostAnswer, onEveryHost } from './every-host.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, table } from './output.js';
import { ruleTable } from './status-text.js';

export const verb: Verb = {
  usage: 'nlb params [--host NAME|N | --all] [--state-dir DIR] [--json]',
  help: `
Shows the values that this host decides by, beside the names that Windows NLB's
nlb params had for them. What stands in the file and is not in force yet is not
among them (nlb display says so).

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

interface Param {
  key: string;
  value: string | number;
  /** NLB's name; null where it had none. */
  nlb: string | null;
}

async function askParams(door: Door): Promise<HostAnswer> {
  const [status, { code, body }] = await Promise.all([statusOf(door), ask(door, 'GET', '/in-force')]);
  if (code !== 200) throw new CliError(EXIT.refused, saidBy(body));
  const params = paramsOf(status, body as InForce);
  const rows = params.map(({ key, value, nlb }) => [key, String(value), nlb ?? '']);
  const text = `${table(['KEY', 'VALUE', 'NLB'], rows)}\nPort rules (${status.rules.length}):\n${ruleTable(status)}`;
  return { exitCode: EXIT.yes, text, answer: { params, portRules: (body as InForce).file.portRules } };
}

function paramsOf(status: ClusterStatus, { file, view }: InForce): Param[] {
  const self = file.hosts.find(({ name }) => name === status.thisHost);
  const param = (key: string, value: string | number, nlb: string | null = null): Param => ({ key, value, nlb });
  return [
    param('cluster', file.clusterName, 'ClusterName'),
    param('virtualIps', file.virtualIps.join(' ') || 'none', 'ClusterIPAddress'),
    param('mode', file.mode, 'MulticastSupportEnable, IGMPSupport'),
    param('listenOn', file.listenOn),
    ...(self === undefined ? [] : hostParams(status, self)),
    param('heartbeat.periodMs', file.heartbeat.periodMs, 'AliveMsgPeriod'),
    param('heartbeat.missedMax', file.heartbeat.missedMax, 'AliveMsgTolerance'),
    param('hashSeed', `0x${file.hashSeed.toString(16).padStart(8, '0')}`),
    param('ipv6PrefixLength', file.ipv6PrefixLength, 'ScaleSingleClient'),
    ...Object.entries(file.ports).map(([name, port]) => param(`ports.${name}`, port)),
    param('keyFile', file.keyFile),
    param('revision', status.file.revision, 'InstallDate'),
    param('fingerprint', view.fingerprint),
    param('protocol version', view.protocolVersion, 'CurrentVersion, EffectiveVersion'),
    param('decision version', view.decisionVersion, 'ParametersVersion'),
    param('port rules', file.portRules.length, 'NumberOfRules'),
  ];
}

function hostParams({ hosts }: ClusterStatus, { name, priority, dedicatedIp }: HostConfig): Param[] {
  const state = hosts.find((host) => host.name === name)?.state ?? 'notSeen';
  const own = (key: string, value: string | number, nlb: string): Param => ({ key: `${name}: ${key}`, value, nlb });
  return [
    own('priority', priority, 'HostPriority'),
    own('dedicatedIp', dedicatedIp, 'DedicatedIPAddress'),
    own('state', state, 'HostState'),
  ];
}
