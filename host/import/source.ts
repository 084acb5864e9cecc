/**
 * What the outputs of NLB's tools say, before any of it is turned into ours: the words are NLB's, values as they were printed.
 * One text is what was captured on one host (`nlb params`, `nlb display`) or anywhere (cmdlets).
 */

export interface NlbHost {
  name: string;
  /** 1-32; null where the output does not say. */
  priority: number | null;
  dedicatedIps: string[];
  initialState: string | null;
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
}

export function emptySource(): NlbSource {
  return { clusterIps: [], clusterNames: [], modes: [], hosts: [], rules: [], settings: [] };
}

/** The host of that name, made where it was not known yet. */
export function hostIn(source: NlbSource, name: string): NlbHost {
  const known = source.hosts.find((host) => host.name.toLowerCase() === name.toLowerCase());
  if (known !== undefined) return known;
  const host: NlbHost = { name, priority: null, dedicatedIps: [], initialState: null };
  source.hosts.push(host);
  return host;
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
