/**
 * NLB's words into ours. What cannot be carried over is said, each as one finding with what to do; nothing is dropped
 * silently and nothing is guessed without saying so.
 */
import { carryMode } from './carry-mode.js';
import { whyLeftBehind } from './left-behind.js';
import type { Mode } from '../protocol/types.js';
import { without } from '../protocol/config/ports.js';
import { carryHosts, type ImportedHost, ourName } from './carry-hosts.js';
import { carryRules, type ImportedRule, isWide } from './carry-rules.js';
import type { NlbSource } from './source.js';

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
  const findings: ImportFinding[] = source.unread.map((unread) => ({ ...unread, kind: 'leftBehind' as const }));
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
    const text = `is ${setting.value}: ${why}`;
    const isSaid = findings.some((finding) => finding.item === setting.name + of && finding.text === text);
    if (why !== null && !isSaid) findings.push({ item: setting.name + of, kind: 'leftBehind', text });
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
