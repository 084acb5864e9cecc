/** The file in force as rows `key, value, NLB's name`: everything that the cluster file may say, its defaults written out. Pure. */
import { failbackText, stickTimeText } from '../protocol/config/stick-time.js';
import type { ClusterFile, HostConfig, PortRule } from '../protocol/types.js';

export interface Param {
  key: string;
  value: string | number;
  /** NLB's name; null where it had none. */
  nlb: string | null;
}

export function fileParams(file: ClusterFile): Param[] {
  const { heartbeat, ports } = file;
  return [
    param('cluster', file.clusterName, 'ClusterName'),
    param('virtualIps', file.virtualIps.join(' ') || 'none', 'ClusterIPAddress'),
    param('mode', file.mode, 'MulticastSupportEnable, IGMPSupport'),
    param('listenOn', file.listenOn),
    param('heartbeat.periodMs', heartbeat.periodMs, 'AliveMsgPeriod'),
    param('heartbeat.missedMax', heartbeat.missedMax, 'AliveMsgTolerance'),
    param('hashSeed', `0x${file.hashSeed.toString(16).padStart(8, '0')}`),
    param('ipv6PrefixLength', file.ipv6PrefixLength),
    param('otherPorts', file.mode === 'routed' ? (file.otherPorts ?? 'entryHost') : 'defaultHost'),
    ...Object.entries({ ...ports, redirect: ports.redirect ?? 7624 }).map(([name, port]) =>
      param(`ports.${name}`, port),
    ),
    param('keyFile', file.keyFile),
    ...linkParams(file),
    ...remoteParams(file),
    ...logParams(file),
  ];
}

/** What is of one host alone. */
export function hostParams({ link, mode }: ClusterFile, host: HostConfig): Param[] {
  const own = (key: string, value: string | number, nlb: string | null): Param =>
    param(`${host.name}: ${key}`, value, nlb);
  const kept = host.persistedStates?.join(' ') ?? 'started stopped suspended';
  const interfaceName = link?.interfaces[host.name] ?? 'the one that has the dedicatedIp';
  return [
    own('priority', host.priority, 'HostPriority'),
    own('dedicatedIp', host.dedicatedIp, 'DedicatedIPAddress'),
    own('initialState', host.initialState ?? 'started', 'ClusterModeOnStart'),
    own('persistedStates', kept || 'none', 'PersistedStates'),
    ...(mode === 'routed' ? [] : [own('interface', interfaceName, 'InterfaceName')]),
  ];
}

/** What the table of port rules has no column for. */
export function ruleParams(rule: PortRule): Param[] {
  const { name, service, filteringMode } = rule;
  const of = (key: string, value: string | number, nlb: string | null = null): Param =>
    param(`${name}: ${key}`, value, nlb);
  if (filteringMode === 'disabled') return [];
  const isMultiple = filteringMode === 'multiple';
  const stickFor = rule.stickForMs === undefined ? 'off' : stickTimeText(rule.stickForMs);
  return [
    ...(isMultiple ? [of('loadWeight', byHost(rule.loadWeights), 'LoadWeight, EqualLoad')] : []),
    ...(isMultiple ? [of('stickFor', stickFor, 'Timeout')] : []),
    ...(isMultiple ? [] : [of('handlingPriority', byHost(rule.handlingPriorities), 'HandlingPriority')]),
    of('failback', failbackText(rule)),
    of('ownerPatienceMs', rule.ownerPatienceMs),
    ...(service === null ? [] : serviceParams(service).map(([key, value]) => of(`service.${key}`, value))),
  ];
}

function serviceParams({ address, proxyProtocol, trustsNobodyByAddress, check }: NonNullable<PortRule['service']>) {
  const trusts: [string, string][] = trustsNobodyByAddress ? [['trustsNobodyByAddress', 'true']] : [];
  const expect: [string, string][] = check.kind === 'banner' ? [['check.expect', check.expect]] : [];
  const port: [string, number][] = check.port === undefined ? [] : [['check.port', check.port]];
  const times: [string, number][] =
    check.kind === 'none'
      ? []
      : [
          ['check.periodMs', check.periodMs],
          ['check.timeoutMs', check.timeoutMs],
          ['check.failuresMax', check.failuresMax],
        ];
  const kind: [string, string] = ['check.kind', check.kind];
  return [['address', address], ['proxyProtocol', proxyProtocol], ...trusts, kind, ...expect, ...port, ...times] as [
    string,
    string | number,
  ][];
}

function linkParams({ link }: ClusterFile): Param[] {
  if (link === undefined) return [];
  const { failback } = link;
  const when =
    typeof failback === 'string' ? failback : `${clockText(failback.fromMinute)}-${clockText(failback.toMinute)}`;
  return [param('failback', when), param('outgoing', link.outgoing)];
}

function clockText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

function remoteParams({ remoteControl }: ClusterFile): Param[] {
  if (remoteControl === undefined) return [param('remoteControl', 'off', 'RemoteControlEnabled')];
  const { port, tokenFile, certificate, privateKey, names } = remoteControl;
  return [
    param('remoteControl', 'on', 'RemoteControlEnabled'),
    param('remoteControl.port', port, 'RemoteControlUDPPort'),
    param('remoteControl.tokenFile', tokenFile, 'RemoteControlCode'),
    param('remoteControl.certificate', certificate ?? 'made by each host'),
    param('remoteControl.privateKey', privateKey ?? 'made by each host'),
    param('remoteControl.names', names.join(' ') || 'none'),
  ];
}

function logParams({ connectionLog }: ClusterFile): Param[] {
  if (connectionLog === undefined) return [param('connectionLog', 'off')];
  return Object.entries(connectionLog).map(([key, value]) => param(`connectionLog.${key}`, value as string | number));
}

/** `50` where it is the same for all, else `mail1 60, mail2 40`. */
function byHost(values: Readonly<Record<string, number>>): string {
  const entries = Object.entries(values);
  const [first] = entries;
  if (first !== undefined && entries.every(([, value]) => value === first[1])) return `${first[1]} for every host`;
  return entries.map(([name, value]) => `${name} ${value}`).join(', ') || 'none';
}

export function param(key: string, value: string | number, nlb: string | null = null): Param {
  return { key, value, nlb };
}
