/**
 * `nlb params` and `nlb display` (before 2003: `wlbs`): a banner, then for each cluster `Name = value` lines and a table of
 * port rules whose columns are as wide as their line of dashes.
 *
 *     Cluster 10.0.0.100
 *     Retrieving parameters
 *     HostPriority              = 1
 *     PortRules (1):
 *           VIP       Start  End  Prot   Mode   Pri Load Affinity
 *     --------------- ----- ----- ---- -------- --- ---- --------
 *     All                25    25 TCP  Multiple      Eql Single
 */
import { addOnce, affinityOf, hostIn, type NlbSource, virtualIpOf } from './source.js';

const RULE_DASHES = /^-{15} -{5} -{5} -{4} -{8} -{3} -{4} -+\s*$/;
const RULE = /^(.{15}) (.{5}) (.{5}) (.{4}) (.{8}) (.{3}) (.{4}) ?(.*)$/;

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
  host.initialState = (take('HostState') || take('ClusterModeOnStart') || null)?.toLowerCase() ?? null;
  values.delete('ClusterModeOnStart');
  const dedicatedIp = take('DedicatedIPAddress');
  if (dedicatedIp !== '0.0.0.0') addOnce(host.dedicatedIps, dedicatedIp);
  addOnce(source.clusterIps, take('ClusterIPAddress'));
  addOnce(source.clusterNames, take('ClusterName'));
  addOnce(source.modes, modeOf(take('MulticastSupportEnable'), take('IGMPSupport')));
  for (const [setting, value] of values) source.settings.push({ host: name, name: setting, value });
  readRules(lines, name, source);
}

function modeOf(multicast: string, igmp: string): string {
  if (isOn(igmp)) return 'igmpmulticast';
  return isOn(multicast) ? 'multicast' : 'unicast';
}

function isOn(value: string): boolean {
  return /^(enabled|yes|true|1)$/i.test(value);
}

function readRules(lines: readonly string[], host: string, source: NlbSource): void {
  let isInTable = false;
  for (const line of lines) {
    if (RULE_DASHES.test(line)) isInTable = true;
    else if (isInTable) {
      const match = RULE.exec(line.padEnd(60));
      const [first, last] = [Number(match?.[2]), Number(match?.[3])];
      if (match === null || match[2]!.trim() === '' || !Number.isInteger(first) || !Number.isInteger(last)) {
        isInTable = false;
        continue;
      }
      const [priority, load] = [match[6]!.trim(), match[7]!.trim()];
      source.rules.push({
        host,
        virtualIp: virtualIpOf(match[1]!),
        first,
        last,
        protocol: match[4]!.trim().toLowerCase(),
        mode: match[5]!.trim().toLowerCase(),
        handlingPriority: priority === '' ? null : Number(priority),
        loadWeight: /^eql$/i.test(load) ? 'equal' : load === '' ? null : Number(load),
        affinity: affinityOf(match[8]!),
        timeoutMinutes: 0,
      });
    }
  }
}
