/** NLB's port rules, as several hosts tell them, into one list of ours. */
import type { ImportAnswers, ImportFinding } from './carry.js';
import { type Say, sayDifferences, sayStates } from './rule-on-hosts.js';
import type { NlbRule } from './source.js';

export interface ImportedRule {
  name: string;
  virtualIp: string | null;
  first: number;
  last: number;
  filteringMode: 'multiple' | 'single' | 'disabled';
  affinity: 'none' | 'single' | 'classC';
  /** 0 where it has none. */
  stickForMinutes: number;
  /** By host of ours; empty for equal. */
  loadWeights: Record<string, number>;
  /** By host of ours; empty: by host priority. */
  handlingPriorities: Record<string, number>;
  /** Null for a disabled rule. */
  service: { address: string; proxyProtocol: 'v1' | 'v2' | 'none' } | null;
}

/**
 * Ports of one rule that are carried over without a word. NLB's rules were 0-65535 out of the box and never touched traffic to
 * a dedicated IP: a wider one is carried on the virtual IPs alone, or for the ports that the person named.
 */
const RANGE_MAX = 1024;
/** The default weight behind `Eql`. */
const EQUAL_WEIGHT = 50;
const WELL_KNOWN: Readonly<Record<number, string>> = {
  21: 'ftp',
  25: 'smtp',
  80: 'http',
  110: 'pop3',
  143: 'imap',
  389: 'ldap',
  443: 'https',
  465: 'smtps',
  587: 'submission',
  636: 'ldaps',
  993: 'imaps',
  995: 'pop3s',
  1433: 'mssql',
  1723: 'pptp',
  3389: 'rdp',
};

export function carryRules(
  rules: readonly NlbRule[],
  names: ReadonlyMap<string, string>,
  answers: ImportAnswers,
  virtualIps: readonly string[],
  findings: ImportFinding[],
): ImportedRule[] {
  const groups = new Map<string, NlbRule[]>();
  for (const rule of rules) {
    const key = `${rule.virtualIp ?? 'All'} ${rule.first}-${rule.last} ${rule.protocol}`;
    groups.set(key, [...(groups.get(key) ?? []), rule]);
  }
  if (groups.size === 0) {
    const text = 'are not in what was given; add nlb params or Get-NlbClusterNode | Get-NlbClusterPortRule | fl *';
    findings.push({ item: 'port rules', kind: 'missing', text });
  }
  const tellers = new Set(rules.flatMap(({ host }) => (host === null ? [] : [host])));
  const carried = [...groups.values()].flatMap((same) => {
    sayDifferences(same, tellers, (kind, text) => void findings.push({ item: itemOf(same[0]!), kind, text }));
    return narrowed(same, answers, virtualIps, findings).flatMap((each) => carryRule(each, names, answers, findings));
  });
  if (carried.length === 0 && groups.size > 0) {
    findings.push({
      item: 'port rules',
      kind: 'missing',
      text: 'are all left out; name the ports of the services: --port 25',
    });
  }
  return carried;
}

/** Is a rule so wide that on a dedicated IP it would take what the host itself has there? */
export function isWide({ first, last }: Pick<ImportedRule, 'first' | 'last'>): boolean {
  return last - first >= RANGE_MAX;
}

/** A rule for a wide range becomes one for each port that the person named; without any it stays whole where it can. */
function narrowed(
  same: readonly NlbRule[],
  { ports }: ImportAnswers,
  virtualIps: readonly string[],
  findings: ImportFinding[],
): NlbRule[][] {
  const { first, last } = same[0]!;
  if (!isWide(same[0]!)) return [[...same]];
  const wanted = ports.filter((port) => first <= port && port <= last);
  if (wanted.length === 0 && ports.length === 0 && virtualIps.length > 0) {
    const text =
      'is carried whole, on the virtual IPs: the kernel redirects it, which needs nft and CAP_NET_ADMIN; ' +
      'or name the ports of the services: --port 25';
    findings.push({ item: itemOf(same[0]!), kind: 'assumed', text });
    return [[...same]];
  }
  const become = wanted.length === 0 ? 'is left out' : `becomes rules for ${wanted.join(', ')}`;
  const text = `${become}: it would take every port of the host; name those of the services: --port 25`;
  findings.push({ item: itemOf(same[0]!), kind: 'leftBehind', text });
  return wanted.map((port) => same.map((rule) => ({ ...rule, first: port, last: port })));
}

function itemOf({ first, last, protocol, virtualIp }: NlbRule): string {
  return `port rule ${first}-${last}/${protocol}${virtualIp === null ? '' : ` of ${virtualIp}`}`;
}

function carryRule(
  same: readonly NlbRule[],
  names: ReadonlyMap<string, string>,
  answers: ImportAnswers,
  findings: ImportFinding[],
): ImportedRule[] {
  const rule = same[0]!;
  const item = itemOf(rule);
  const say = (kind: ImportFinding['kind'], text: string): void => void findings.push({ item, kind, text });
  if (rule.protocol === 'udp') {
    say('leftBehind', 'UDP is not carried yet: the rule is left out');
    return [];
  }
  if (rule.protocol === 'both') say('leftBehind', 'its UDP half is not carried yet; TCP is');
  const first = Math.max(rule.first, 1);
  if (first !== rule.first) say('assumed', 'port 0 is none that a client can reach: it begins with 1');
  const filteringMode = modeOf(rule.mode, say);
  const service = filteringMode === 'disabled' ? null : serviceOf(first, rule.last, answers, say);
  if (filteringMode !== 'disabled') sayStates(same, first, names, say);
  return [
    {
      name: nameOf(rule, first),
      virtualIp: rule.virtualIp,
      first,
      last: rule.last,
      filteringMode,
      affinity: rule.affinity === 'network' ? 'classC' : rule.affinity === 'none' ? 'none' : 'single',
      stickForMinutes: stickForMinutes(rule, say),
      loadWeights: filteringMode === 'multiple' ? weightsOf(same, names, say) : {},
      handlingPriorities: filteringMode === 'single' ? prioritiesOf(same, names, say) : {},
      service,
    },
  ];
}

/** NLB's Timeout of extended affinity, which counted with affinity single and network under multiple hosts alone. */
function stickForMinutes({ mode, affinity, timeoutMinutes }: NlbRule, say: Say): number {
  if (timeoutMinutes === 0 || (mode === 'multiple' && affinity !== 'none')) return timeoutMinutes;
  say(
    'leftBehind',
    `its Timeout of ${timeoutMinutes} min, which had no effect with ${mode} hosts and affinity ${affinity}`,
  );
  return 0;
}

function modeOf(mode: string, say: Say): ImportedRule['filteringMode'] {
  if (mode === 'multiple' || mode === 'single' || mode === 'disabled') return mode;
  say('assumed', `its filtering mode ${mode || '(none)'} is not known: multiple hosts was taken`);
  return 'multiple';
}

function nameOf({ virtualIp, last }: NlbRule, first: number): string {
  const ports = first === last ? (WELL_KNOWN[first] ?? `port-${first}`) : `ports-${first}-${last}`;
  return virtualIp === null
    ? ports
    : `${ports}-${virtualIp.replace(/[^0-9a-f]+/gi, '-').slice(-24 + ports.length + 1)}`;
}

function serviceOf(first: number, last: number, answers: ImportAnswers, say: Say): ImportedRule['service'] {
  const given = answers.services.get(first);
  const address = given ?? `127.0.0.1:${first === last ? first : '{port}'}`;
  if (given === undefined) {
    const where = first === last ? `127.0.0.1:${first}` : `127.0.0.1, each at its port of ${first}-${last}`;
    const text = `NLB had its service on the port itself; here it must listen on ${where}, or say --service ${first}=ADDRESS`;
    say('assumed', text);
  }
  const proxyProtocol = answers.proxyProtocol ?? 'v2';
  if (answers.proxyProtocol === null) {
    say('assumed', 'the service must take the PROXY protocol v2 to see its clients, or say --proxy-protocol v1|none');
  }
  return { address, proxyProtocol };
}

function weightsOf(same: readonly NlbRule[], names: ReadonlyMap<string, string>, say: Say): Record<string, number> {
  if (same.every(({ loadWeight }) => loadWeight === 'equal' || loadWeight === null)) return {};
  const weights: Record<string, number> = {};
  for (const { host, loadWeight } of same) {
    if (host === null) {
      say('leftBehind', `a load weight of ${loadWeight} without its host: Get-NlbClusterPortRule | fl * names it`);
      return {};
    }
    weights[names.get(host) ?? host] = loadWeight === 'equal' || loadWeight === null ? EQUAL_WEIGHT : loadWeight;
  }
  for (const name of names.values()) {
    if (weights[name] !== undefined) continue;
    weights[name] = EQUAL_WEIGHT;
    say('assumed', `the load weight of ${name} is not in what was given: ${EQUAL_WEIGHT}, NLB's own default`);
  }
  return weights;
}

function prioritiesOf(same: readonly NlbRule[], names: ReadonlyMap<string, string>, say: Say): Record<string, number> {
  const told = same.filter(({ host, handlingPriority }) => host !== null && handlingPriority !== null);
  const priorities = Object.fromEntries(
    told.map((rule) => [names.get(rule.host!) ?? rule.host!, rule.handlingPriority!]),
  );
  const values = Object.values(priorities);
  const isWhole = values.length === names.size && new Set(values).size === values.length;
  if (isWhole) return priorities;
  say('assumed', 'handling priorities are not known of all hosts, or are not unique: host priorities were taken');
  return {};
}
