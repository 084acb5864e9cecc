/**
 * NLB's words into ours. What cannot be carried over is said, each as one finding with what to do; nothing is dropped
 * silently and nothing is guessed without saying so.
 */
import { carryMode } from './carry-mode.js';
import { whyLeftBehind } from './left-behind.js';
import type { Mode } from '../protocol/types.js';
import { without } from '../protocol/config/ports.js';
import { carryRules, type ImportedRule, isWide } from './carry-rules.js';
import type { NlbHost, NlbSource } from './source.js';

export interface ImportFinding {
  /** What it is about, in NLB's words: `PortRules 80-80`, `RemoteControlEnabled of host WEB1`. */
  item: string;
  /** `missing`: no file can be written without it. */
  kind: 'assumed' | 'leftBehind' | 'contradiction' | 'missing';
  text: string;
}

/** What the person adds to what the outputs say. */
export interface ImportAnswers {
  /** Full internet name. */
  cluster: string | null;
  /** Null: by NLB's own. */
  mode: Mode | null;
  /** Dedicated addresses by host name. */
  dedicatedIps: ReadonlyMap<string, string>;
  /** What is carried of rules for a wide range. */
  ports: readonly number[];
  /** `address:port` by the first port of a rule. */
  services: ReadonlyMap<number, string>;
  proxyProtocol: 'v1' | 'v2' | 'none' | null;
}

export interface ImportedHost {
  name: string;
  priority: number;
  dedicatedIp: string;
  initialState?: 'stopped' | 'suspended';
}

export interface Imported {
  cluster: string;
  mode: Mode;
  listenOn: 'dedicatedIp' | 'virtualIp';
  virtualIps: string[];
  heartbeat: { periodMs: number | null; missedMax: number | null };
  hosts: ImportedHost[];
  rules: ImportedRule[];
  findings: ImportFinding[];
}

export function carryOver(source: NlbSource, answers: ImportAnswers): Imported {
  const findings: ImportFinding[] = [];
  const hosts = carryHosts(source, answers, findings);
  const names = new Map(source.hosts.map(({ name }) => [name, ourName(name)]));
  const rules = carryRules(source.rules, names, answers, virtualIps(source), findings);
  const needsVirtualIp = rules.some((rule) => rule.virtualIp !== null || isWide(rule));
  const mode = carryMode(source, answers.mode, needsVirtualIp, findings);
  const isOnVirtualIps = needsVirtualIp || mode !== 'routed';
  // On a link they are the default host's, as they were.
  if (needsVirtualIp && mode === 'routed') sayOtherPorts(rules, findings);
  for (const setting of source.settings) {
    const why = whyLeftBehind(setting);
    const of = setting.host === null ? '' : ` of host ${setting.host}`;
    if (why !== null)
      findings.push({ item: setting.name + of, kind: 'leftBehind', text: `is ${setting.value}: ${why}` });
  }
  return {
    cluster: clusterName(source, answers, findings),
    mode,
    listenOn: isOnVirtualIps ? 'virtualIp' : 'dedicatedIp',
    virtualIps: isOnVirtualIps ? virtualIps(source) : [],
    heartbeat: {
      periodMs: numberOf(source, 'AliveMsgPeriod', findings),
      missedMax: numberOf(source, 'AliveMsgTolerance', findings),
    },
    hosts,
    rules,
    findings,
  };
}

/** `WEB1.corp.example` is `web1`: a host name of ours is what owners are computed from. */
export function ourName(name: string): string {
  const first = name.trim().toLowerCase().split('.')[0]!;
  return first
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32);
}

function carryHosts(source: NlbSource, answers: ImportAnswers, findings: ImportFinding[]): ImportedHost[] {
  const listed: NlbHost[] = [...source.hosts];
  for (const name of answers.dedicatedIps.keys()) {
    const isKnown = listed.some((host) => ourName(host.name) === ourName(name));
    if (!isKnown) listed.push({ name, priority: null, dedicatedIps: [], initialState: null });
  }
  const hosts = listed.flatMap((host) => carryHost(host, listed, answers, findings));
  if (hosts.length === 1) {
    const text = `only host ${hosts[0]!.name} is known; give the output of every host, or --host NAME=ADDRESS for the others`;
    findings.push({ item: 'hosts', kind: 'assumed', text });
  }
  return hosts.sort((a, b) => a.priority - b.priority);
}

function carryHost(
  host: NlbHost,
  listed: readonly NlbHost[],
  answers: ImportAnswers,
  findings: ImportFinding[],
): ImportedHost[] {
  const item = `host ${host.name}`;
  const name = ourName(host.name);
  const given = [...answers.dedicatedIps].find(([each]) => ourName(each) === name)?.[1];
  const [first, ...others] = host.dedicatedIps.filter((address) => !/^fe80:/i.test(address));
  const dedicatedIp = given ?? first;
  if (dedicatedIp === undefined) {
    const text = `has no dedicated IP in what was given; add Get-NlbClusterNodeDip's output, or --host ${name}=ADDRESS`;
    findings.push({ item, kind: 'missing', text });
    return [];
  }
  if (given === undefined && others.length > 0) {
    findings.push({ item, kind: 'leftBehind', text: `has further dedicated IPs ${others.join(', ')}: one is enough` });
  }
  const initialState = host.initialState === 'stopped' || host.initialState === 'suspended' ? host.initialState : null;
  if (initialState !== null) {
    const text = `starts ${initialState}: initialState says so; what nlb start and stop said later is kept over a start of the machine, persistedStates: [] does as NLB`;
    findings.push({ item, kind: 'assumed', text });
  }
  const priority = host.priority ?? freePriority(listed);
  if (host.priority === null) {
    host.priority = priority;
    findings.push({
      item,
      kind: 'assumed',
      text: `has no priority in what was given: ${priority} is the next free one`,
    });
  }
  return [{ name, priority, dedicatedIp, ...(initialState === null ? {} : { initialState }) }];
}

function freePriority(listed: readonly NlbHost[]): number {
  const taken = new Set(listed.map(({ priority }) => priority));
  let priority = 1;
  while (taken.has(priority)) priority += 1;
  return priority;
}

function clusterName(source: NlbSource, answers: ImportAnswers, findings: ImportFinding[]): string {
  const names = source.clusterNames.map((name) => name.toLowerCase());
  const name = answers.cluster ?? names.find((each) => each.includes('.')) ?? names[0] ?? '';
  if (new Set(names).size > 1 && answers.cluster === null) {
    findings.push({ item: 'ClusterName', kind: 'contradiction', text: `is ${names.join(' and ')}: took ${name}` });
  }
  if (!name.includes('.')) {
    const text = `is ${name || 'not there'}, expected a full internet name: --cluster mail.example.org`;
    findings.push({ item: 'ClusterName', kind: 'missing', text });
  }
  return name;
}

function virtualIps(source: NlbSource): string[] {
  const ofRules = source.rules.flatMap(({ virtualIp }) => (virtualIp === null ? [] : [virtualIp]));
  return [...new Set([...source.clusterIps, ...ofRules])];
}

function sayOtherPorts(rules: readonly ImportedRule[], findings: ImportFinding[]): void {
  const forAll = rules.filter(({ virtualIp }) => virtualIp === null);
  if (without([{ first: 1, last: 65535 }], forAll).length === 0) return;
  const text =
    'went to the default host; here they stay with the host that they come to, and otherPorts: defaultHost would lead them there';
  findings.push({ item: 'ports of no rule', kind: 'leftBehind', text });
}

/** The same on all hosts; the largest where they differ. */
function numberOf({ settings }: NlbSource, name: string, findings: ImportFinding[]): number | null {
  const values = [...new Set(settings.filter((each) => each.name === name).map(({ value }) => Number(value)))];
  if (values.length > 1) {
    const text = `is ${values.join(' and ')} on different hosts: took ${Math.max(...values)}`;
    findings.push({ item: name, kind: 'contradiction', text });
  }
  return values.length === 0 ? null : Math.max(...values);
}
