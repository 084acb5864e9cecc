/**
 * What the NetworkLoadBalancingClusters cmdlets print: lists (`| Format-List *`) and tables, told apart by their columns.
 *
 *     Get-NlbCluster            Name  IPAddress  SubnetMask  Mode
 *     Get-NlbClusterVip         IPAddress  SubnetMask
 *     Get-NlbClusterNode        Name  State  Interface  HostID
 *     Get-NlbClusterNodeDip     Node  IPAddress  SubnetMask
 *     Get-NlbClusterPortRule    IPAddress  State  Start  End  Protocol  Mode  Affinity  Timeout
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

/** By words; where there are more of them than columns (an interface may have a name of several), by place. */
function cellsOf(line: string, starts: readonly number[]): string[] {
  const words = line.trim().split(/\s+/);
  if (words.length <= starts.length) return words;
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
  return false;
}

function takeCluster(row: Row, source: NlbSource): boolean {
  addOnce(source.clusterNames, row.get('Name') ?? row.get('ClusterName') ?? '');
  addOnce(source.clusterIps, row.get('ClusterPrimaryIP') ?? row.get('IPAddress') ?? '');
  addOnce(source.modes, (row.get('Mode') ?? row.get('OperationMode') ?? '').toLowerCase());
  return true;
}

/** Get-NlbClusterDriverInfo -Params: of the host it was run on. */
function takeDriver(row: Row, source: NlbSource): boolean {
  addOnce(source.clusterNames, row.get('FullyQualifiedDomainName') ?? row.get('ClusterName')!);
  addOnce(source.clusterIps, row.get('ClusterIPAddress')!);
  const period = row.get('AliveMsgPeriod');
  if (period !== undefined) source.settings.push({ host: null, name: 'AliveMsgPeriod', value: period });
  return true;
}

/** What a node prints that is no setting of it. */
const NODE_FACTS = new Set([
  'Cluster',
  'Name',
  'InterfaceName',
  'Interface',
  'Host',
  'State',
  'HostPriority',
  'HostID',
]);
const NODE_KNOWN = new Set(['AdapterGuid', 'InitialHostState']);

function takeNode(row: Row, source: NlbSource, priority: string): boolean {
  const host = hostIn(source, row.get('Name')!);
  host.priority = Number(priority);
  host.initialState = row.get('InitialHostState')?.toLowerCase() ?? host.initialState;
  for (const [name, value] of row) {
    if (!NODE_FACTS.has(name) && !NODE_KNOWN.has(name)) source.settings.push({ host: host.name, name, value });
  }
  return true;
}

function takeRule(row: Row, source: NlbSource, first: string, last: string, mode: string): boolean {
  const weight = row.get('LoadWeight') ?? '';
  const isEqual = /^true$/i.test(row.get('EqualLoad') ?? '');
  const priority = row.get('Priority') ?? '';
  source.rules.push({
    host: row.get('NodeName') ?? null,
    virtualIp: virtualIpOf(row.get('VirtualIPAddress') ?? row.get('IPAddress') ?? ''),
    first: Number(row.get(first)),
    last: Number(row.get(last)),
    protocol: (row.get('Protocol') ?? 'both').toLowerCase(),
    mode: (row.get(mode) ?? 'multiple').toLowerCase(),
    handlingPriority: priority === '' ? null : Number(priority),
    loadWeight: isEqual ? 'equal' : weight === '' ? null : Number(weight),
    affinity: affinityOf(row.get('Affinity') ?? ''),
    timeoutMinutes: Number(row.get('Timeout') || 0),
  });
  return true;
}
