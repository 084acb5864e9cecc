/**
 * What the outputs of NLB's tools say, before any of it is turned into ours: the words are NLB's, values as they were printed.
 * One text is what was captured on one host (`nlb params`, `nlb display`) or anywhere (cmdlets).
 */

export interface NlbHost {
  name: string;
  /** 1-32; null where the output does not say. */
  priority: number | null;
  dedicatedIps: string[];
  /** What it is after a start of the machine: `started`, `stopped`, `suspended`. Null where the output does not say. */
  initialState: string | null;
  /** States that NLB kept over a start of the machine, as words; null where the output does not say. */
  persisted: string | null;
  /** What it was when the output was taken, in lower case; null where the output does not say. */
  stateThen: string | null;
}

export interface NlbRule {
  /** The host that said so; null where the output does not say. */
  host: string | null;
  /** Null: All. */
  virtualIp: string | null;
  first: number;
  last: number;
  /** `TCP`, `UDP` or `Both` in lower case. */
  protocol: string;
  /** `multiple`, `single`, `disabled`. */
  mode: string;
  /** Null where it is not printed, as for multiple hosts. */
  handlingPriority: number | null;
  /** Null where it is not printed; `equal` as `Eql` says. */
  loadWeight: number | 'equal' | null;
  /** `none`, `single`, `network`; empty where it is not printed. */
  affinity: string;
  /** Extended affinity, minutes. */
  timeoutMinutes: number;
  /** `enabled`, `disabled`, `draining` when the output was taken; null where it does not say. */
  state: string | null;
}

/** One `Name = value` or `Name : value` that is neither host nor rule. */
export interface NlbSetting {
  host: string | null;
  name: string;
  value: string;
}

export interface NlbSource {
  /** Addresses of the clusters, the first is the primary one of each. */
  clusterIps: string[];
  clusterNames: string[];
  /** `unicast`, `multicast`, `igmpmulticast`. */
  modes: string[];
  hosts: NlbHost[];
  rules: NlbRule[];
  settings: NlbSetting[];
  /** What Get-NlbClusterDriverInfo says of a host that it names by its host priority alone. */
  drivers: { priority: number; initialState: string | null; persisted: string | null }[];
  /** What stands in an output and could not be read. */
  unread: { item: string; text: string }[];
}

export function emptySource(): NlbSource {
  return { clusterIps: [], clusterNames: [], modes: [], hosts: [], rules: [], settings: [], drivers: [], unread: [] };
}

/** The host of that name, made where it was not known yet. */
export function hostIn(source: NlbSource, name: string): NlbHost {
  const known = source.hosts.find((host) => host.name.toLowerCase() === name.toLowerCase());
  if (known !== undefined) return known;
  const host = unknownHost(name);
  source.hosts.push(host);
  return host;
}

export function unknownHost(name: string): NlbHost {
  return { name, priority: null, dedicatedIps: [], initialState: null, persisted: null, stateThen: null };
}

export function addOnce(list: string[], value: string): void {
  if (value !== '' && !list.includes(value)) list.push(value);
}

/** `All` and NLB's own 255.255.255.255 are all virtual IPs. */
export function virtualIpOf(text: string): string | null {
  return /^(all|255\.255\.255\.255|)$/i.test(text.trim()) ? null : text.trim();
}

export function affinityOf(text: string): string {
  const lower = text.trim().toLowerCase();
  return /^(network|class ?c)$/.test(lower) ? 'network' : lower;
}
