/**
 * `nlb params` and `nlb display` (before 2003: `wlbs`): a banner, then for each cluster `Name = value` lines and a table of
 * port rules (rule-table.ts).
 *
 *     Cluster 10.0.0.100
 *     Retrieving parameters
 *     HostPriority              = 1
 */
import { readRuleTable } from './rule-table.js';
import { addOnce, hostIn, type NlbSource } from './source.js';

export function isParams(text: string): boolean {
  return /^\s*HostPriority\s*=/m.test(text);
}

/** Adds what one capture says. */
export function readParams(text: string, source: NlbSource): void {
  const lines = text.split(/[\r\n]+/);
  const values = new Map<string, string>();
  for (const line of lines) {
    const match = /^\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match !== null) values.set(match[1]!, match[2]!);
  }
  const take = (name: string): string => {
    const value = values.get(name) ?? '';
    values.delete(name);
    return value;
  };
  const priority = Number(take('HostPriority'));
  const name = take('HostName') || `host${priority}`;
  const host = hostIn(source, name);
  host.priority = priority;
  // What it is after a start of the machine; HostState is what somebody made of it since.
  host.initialState = take('ClusterModeOnStart').toLowerCase() || null;
  host.stateThen = take('HostState').toLowerCase() || null;
  host.persisted = take('PersistedStates').toLowerCase() || null;
  const dedicatedIp = take('DedicatedIPAddress');
  if (dedicatedIp !== '0.0.0.0') addOnce(host.dedicatedIps, dedicatedIp);
  addOnce(source.clusterIps, take('ClusterIPAddress'));
  addOnce(source.clusterNames, take('ClusterName'));
  addOnce(source.modes, modeOf(take('MulticastSupportEnable'), take('IGMPSupport')));
  for (const [setting, value] of values) source.settings.push({ host: name, name: setting, value });
  readRuleTable(lines, name, source);
}

function modeOf(multicast: string, igmp: string): string {
  if (isOn(igmp)) return 'igmpmulticast';
  return isOn(multicast) ? 'multicast' : 'unicast';
}

function isOn(value: string): boolean {
  return /^(enabled|yes|true|1)$/i.test(value);
}
