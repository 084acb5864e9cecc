/**
 * What the NetworkLoadBalancingClusters cmdlets print: lists (`| Format-List *`) and tables, told apart by their columns.
 *
 *     Get-NlbCluster            Name  IPAddress  SubnetMask  Mode
 *     Get-NlbClusterVip         IPAddress  SubnetMask
 *     Get-NlbClusterNode        Name  State  Interface  HostID
 *     Get-NlbClusterNodeDip     Node  IPAddress  SubnetMask
 *     Get-NlbClusterPortRule    IPAddress  State  Start  End  Protocol  Mode  Affinity  Timeout
 *
 * What a list or table of theirs says beside what is taken here becomes a setting: left-behind.ts knows it, or says that it
 * does not.
 */
import { addOnce, affinityOf, hostIn, type NlbSource, virtualIpOf } from './source.js';

type Row = Map<string, string>;

/** Adds what one capture says; false where nothing in it is a cmdlet's. */
export function readCmdlets(text: string, source: NlbSource): boolean {
  const rows = [...lists(text), ...tables(text)];
  const taken = rows.map((row) => takeRow(row, source));
  return taken.includes(true);
}

function lists(text: string): Row[] {
  const rows: Row[] = [];
  for (const block of text.split(/(?:\r?\n[ \t]*){2,}/)) {
    const row: Row = new Map();
    for (const line of block.split(/\r?\n/)) {
      const match = /^([A-Za-z][A-Za-z0-9]*) *: ?(.*)$/.exec(line.trim());
      if (match !== null) row.set(match[1]!, match[2]!.trim());
    }
    if (row.size > 0) rows.push(row);
  }
  return rows;
}

function tables(text: string): Row[] {
  const lines = text.split(/\r?\n/);
  const rows: Row[] = [];
  for (const [index, line] of lines.entries()) {
    if (!/^-{2,}( +-{2,})+\s*$/.test(line) || index === 0) continue;
    const names = lines[index - 1]!.trim().split(/\s+/);
    const starts = [...line.matchAll(/-{2,}/g)].map((match) => match.index);
    for (const value of lines.slice(index + 1)) {
      if (value.trim() === '') break;
      const cells = cellsOf(value, starts);
      rows.push(new Map(names.map((name, column) => [name, cells[column] ?? ''])));
    }
  }
  return rows;
}

/** By words, where there is one for each column; else (an interface has a name of several, a cell is empty) by place. */
function cellsOf(line: string, starts: readonly number[]): string[] {
  const words = line.trim().split(/\s+/);
  const isInPlace = starts.every((start) => start === 0 || /\s/.test(line[start - 1] ?? ' '));
  if (words.length === starts.length || (words.length < starts.length && !isInPlace)) return words;
  return starts.map((start, column) => line.slice(start, starts[column + 1]).trim());
}

function takeRow(row: Row, source: NlbSource): boolean {
  const has = (...names: string[]): boolean => names.every((name) => row.has(name));
  if (has('StartPort', 'EndPort')) return takeRule(row, source, 'StartPort', 'EndPort', 'FilteringMode');
  if (has('Start', 'End', 'Mode')) return takeRule(row, source, 'Start', 'End', 'Mode');
  if (has('HostPriority', 'Name')) return takeNode(row, source, row.get('HostPriority')!);
  if (has('Name', 'State', 'HostID')) return takeNode(row, source, row.get('HostID')!);
  if (has('Node', 'IPAddress')) {
    addOnce(hostIn(source, row.get('Node')!).dedicatedIps, row.get('IPAddress')!);
    return true;
  }
  if (has('ClusterIPAddress', 'ClusterName')) return takeDriver(row, source);
  if (has('IPAddress', 'Mode') || has('ClusterPrimaryIP')) return takeCluster(row, source);
  if (has('IPAddress', 'SubnetMask')) {
    addOnce(source.clusterIps, row.get('IPAddress')!);
    return true;
  }
  const names = [...row.keys()];
  const isTable = names.length > 1 && names.every((name) => /^[A-Z]/.test(name));
  if (isTable)
    source.unread.push({ item: `a list or table of ${names.join(', ')}`, text: 'is none that nlb import knows' });
  return false;
}

/** What is not taken. @param host  null where the output does not name it */
function keepRest(row: Row, taken: readonly string[], host: string | null, source: NlbSource): void {
  for (const [name, value] of row) if (!taken.includes(name)) source.settings.push({ host, name, value });
}

function takeCluster(row: Row, source: NlbSource): boolean {
  addOnce(source.clusterNames, row.get('Name') ?? row.get('ClusterName') ?? '');
  addOnce(source.clusterIps, row.get('ClusterPrimaryIP') ?? row.get('IPAddress') ?? '');
  addOnce(source.modes, (row.get('Mode') ?? row.get('OperationMode') ?? '').toLowerCase());
  keepRest(row, CLUSTER_TAKEN, null, source);
  return true;
}

const CLUSTER_TAKEN = ['Name', 'ClusterName', 'ClusterPrimaryIP', 'IPAddress', 'Mode', 'OperationMode'];

/** Get-NlbClusterDriverInfo -Params: of the host it was run on, which it names by its host priority alone. */
function takeDriver(row: Row, source: NlbSource): boolean {
  addOnce(source.clusterNames, row.get('FullyQualifiedDomainName') ?? row.get('ClusterName')!);
  addOnce(source.clusterIps, row.get('ClusterIPAddress')!);
  source.drivers.push({
    priority: Number(row.get('HostId')),
    initialState: row.get('InitialHostState')?.toLowerCase() ?? null,
    persisted: persistedOf(row.get('PersistedHostStates')),
  });
  keepRest(row, DRIVER_TAKEN, null, source);
  return true;
}

const DRIVER_TAKEN = (
  'FullyQualifiedDomainName ClusterName ClusterIPAddress HostId InitialHostState PersistedHostStates ' +
  'ParametersVersion EffectiveNlbVersion ClusterMacAddress CurrentHostState'
).split(' ');

/** Suspended is the one state that NLB's tools let an administrator keep. */
function persistedOf(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  return /^true$/i.test(text) ? 'suspended' : /^false$/i.test(text) ? 'none' : text.toLowerCase();
}

const NODE_TAKEN =
  'Cluster Name InterfaceName Interface Host State HostPriority HostID AdapterGuid InitialHostState PersistSuspendOnReboot'.split(
    ' ',
  );

function takeNode(row: Row, source: NlbSource, priority: string): boolean {
  const host = hostIn(source, row.get('Name')!);
  host.priority = Number(priority);
  host.initialState = row.get('InitialHostState')?.toLowerCase() ?? host.initialState;
  host.persisted = persistedOf(row.get('PersistSuspendOnReboot')) ?? host.persisted;
  host.stateThen = row.get('State')?.toLowerCase() ?? host.stateThen;
  keepRest(row, NODE_TAKEN, host.name, source);
  return true;
}

function takeRule(row: Row, source: NlbSource, first: string, last: string, mode: string): boolean {
  const weight = row.get('LoadWeight') ?? '';
  const isEqual = /^true$/i.test(row.get('EqualLoad') ?? '');
  const priority = row.get('Priority') ?? '';
  const host = row.get('NodeName') ?? null;
  keepRest(row, RULE_TAKEN, host, source);
  source.rules.push({
    host,
    virtualIp: virtualIpOf(row.get('VirtualIPAddress') ?? row.get('IPAddress') ?? ''),
    first: Number(row.get(first)),
    last: Number(row.get(last)),
    protocol: (row.get('Protocol') ?? 'both').toLowerCase(),
    mode: (row.get(mode) ?? 'multiple').toLowerCase(),
    handlingPriority: priority === '' ? null : Number(priority),
    loadWeight: isEqual ? 'equal' : weight === '' ? null : Number(weight),
    affinity: affinityOf(row.get('Affinity') ?? ''),
    timeoutMinutes: Number(row.get('Timeout') || 0),
    state: (row.get('PortState') ?? row.get('State') ?? '').toLowerCase() || null,
  });
  return true;
}

const RULE_TAKEN = (
  'Cluster NodeName VirtualIPAddress IPAddress StartPort EndPort Start End Protocol FilteringMode Mode Affinity ' +
  'EqualLoad LoadWeight PortState State Priority Timeout'
).split(' ');
