/** A ClusterStatus in words and tables, for people; the words of nlb.exe where it had good ones. */
import type { ClusterStatus, HostStatus, ProblemStatus, RuleHostStatus, RuleStatus } from '../admin/status.js';
import type { SeenState } from '../protocol/events.js';
import { counted, percent, table, timeText, wrapped } from './output.js';
import { stickTimeText } from '../protocol/config/stick-time.js';

const STATE_WORDS: Record<SeenState, string> = {
  converged: 'converged',
  converging: 'converging',
  draining: 'draining',
  stopped: 'stopped',
  suspended: 'suspended',
  sidecarSilent: 'sidecar silent, Envoy serving',
  lost: 'lost',
  outside: 'outside',
  notSeen: 'not seen yet',
  forgotten: 'forgotten',
};

const ABSENCE_WORDS = {
  draining: 'draining',
  stopped: 'stopped',
  ruleDisabled: 'rule disabled',
  serviceDown: 'service down',
  weightZero: 'weight 0',
  lost: 'lost',
  notListed: 'not in the rule',
  standby: 'on standby',
} as const;

export function absenceText(absence: keyof typeof ABSENCE_WORDS): string {
  return ABSENCE_WORDS[absence];
}

/** `Host mail1 converged as DEFAULT with the following host(s) as part of the cluster: 1,2,3`. */
export function sentenceOf(status: ClusterStatus): string {
  const self = status.hosts.find((host) => host.isThisHost);
  const inView = status.hosts.filter(isInView);
  const list = inView.map((host) => host.priority).join(',');
  const asDefault = self?.isDefaultHost === true ? ' as DEFAULT' : '';
  const withHosts = `with the following host(s) as part of the cluster: ${list}`;
  const host = `Host ${status.thisHost}`;
  if (status.state === 'starting') return `${host} is starting and has no view yet`;
  if (self?.state === 'suspended') return `${host} is suspended and takes no verb but resume (nlb resume)`;
  if (status.state === 'stopped') return `${host} is stopped and takes no part in the cluster`;
  if (self?.state === 'outside') return `${host} is outside the cluster`;
  if (status.state === 'converging') return `${host} is converging ${withHosts}`;
  if (self?.state === 'draining') return `${host} is draining ${withHosts}`;
  const alone = status.state === 'alone' ? ', alone,' : '';
  return `${host} converged${asDefault}${alone} ${withHosts}`;
}

function isInView(host: HostStatus): boolean {
  return host.state === 'converged' || host.state === 'draining' || host.state === 'sidecarSilent';
}

/** Those that somebody wants to hear of. */
function listed(status: ClusterStatus): HostStatus[] {
  return status.hosts.filter(({ state }) => state !== 'forgotten');
}

function forgottenLine(names: readonly string[]): string {
  if (names.length === 0) return '';
  return wrapped(`Forgotten until heard again: ${names.join(', ')} (still in the cluster file)`, '  ');
}

export function hostTable(status: ClusterStatus): string {
  const forgotten = status.hosts.filter((host) => host.state === 'forgotten').map(({ name }) => name);
  const rows = listed(status).map((host) => [
    String(host.priority),
    host.name + (host.isThisHost ? ' *' : ''),
    host.dedicatedIp,
    STATE_WORDS[host.state] + (host.isDefaultHost ? ', default' : ''),
    timeText(host.since),
  ]);
  // What stands among the problems is not said twice.
  const details = status.hosts.flatMap(({ name, detail }) => {
    if (detail === null || status.problems.some(({ text }) => text.includes(detail))) return [];
    return [wrapped(`${name}: ${detail}`, '  ')];
  });
  return table(['PRI', 'HOST', 'ADDRESS', 'STATE', 'SINCE'], rows) + details.join('') + forgottenLine(forgotten);
}

/** The rules as nlb.exe shows them; Pri and Load are those of this host. */
export function ruleTable(status: ClusterStatus): string {
  const rows = status.rules.map((rule) => {
    const own = rule.hosts.find((host) => host.host === status.thisHost);
    return [
      rule.name,
      rule.virtualIp ?? 'All',
      String(rule.portFirst),
      String(rule.portLast),
      rule.protocol.toUpperCase(),
      { multiple: 'Multiple', single: 'Single', disabled: 'Disabled' }[rule.filteringMode],
      rule.filteringMode === 'single' ? String(own?.handlingPriority ?? '-') : '',
      rule.filteringMode === 'multiple' ? loadText(rule, own) : '',
      rule.filteringMode === 'multiple' ? { none: 'None', single: 'Single', classC: 'Class C' }[rule.affinity] : '',
    ];
  });
  return table(['RULE', 'VIP', 'START', 'END', 'PROT', 'MODE', 'PRI', 'LOAD', 'AFFINITY'], rows);
}

/** `Eql` where all that take part have one weight, as in nlb.exe. */
function loadText(rule: RuleStatus, own: RuleHostStatus | undefined): string {
  const weights = new Set(rule.hosts.filter((host) => host.takesPart).map((host) => host.loadWeight));
  if (weights.size === 1 && own?.takesPart === true) return 'Eql';
  return String(own?.loadWeight ?? '-');
}

/** Who takes part in each rule, with which part of the new connections. */
export function shareTable(status: ClusterStatus): string {
  const rows = status.rules
    .filter((rule) => rule.filteringMode !== 'disabled')
    .flatMap((rule) =>
      rule.hosts.map((host, index) => [
        index === 0 ? rule.name : '',
        host.host,
        host.takesPart
          ? takesPartText(host)
          : `no: ${host.absence === null ? 'out of the view' : absenceText(host.absence)}`,
        percent(host.expectedShare).padStart(8),
        percent(host.measuredShare).padStart(8),
        String(host.connectionCount).padStart(11),
      ]),
    );
  return table(['RULE', 'HOST', 'TAKES PART', 'EXPECTED', 'MEASURED', 'CONNECTIONS'], rows);
}

function takesPartText({ standsInFor }: RuleHostStatus): string {
  return standsInFor === undefined ? 'yes' : `yes, for ${standsInFor}`;
}

/** What did not go the plain way: open connections, fallbacks and refusals of each rule. */
export function countLines(status: ClusterStatus): string {
  const ofRules = status.rules
    .filter((rule) => rule.filteringMode !== 'disabled')
    .map((rule) => {
      const refused = Object.entries(rule.refusedCounts).map(([reason, count]) => `${count} ${reason}`);
      const refusals = refused.length === 0 ? 'none refused' : `refused: ${refused.join(', ')}`;
      const open = `${rule.openCount} open entered here, ${rule.servedOpenCount} open served here`;
      const fallbacks = counted(rule.fallbackCount, 'fallback');
      return `  ${rule.name}: ${open}, ${fallbacks}, ${refusals}${recentText(rule)}\n`;
    });
  return ofRules.join('') + otherPortsLine(status);
}

function otherPortsLine({ otherPorts, hosts }: ClusterStatus): string {
  if (otherPorts === undefined) return '';
  const { openCount, servedOpenCount, servedHereCount, handedOffCount } = otherPorts;
  const host = hosts.find(({ isDefaultHost }) => isDefaultHost)?.name ?? 'none yet';
  const open = `${openCount} open entered here, ${servedOpenCount} open served here`;
  const text = `other ports, default host ${host}: ${open}, ${servedHereCount} served here, ${handedOffCount} handed off`;
  return wrapped(text, '  ');
}

/** Which rules the kernel carries to one listener; nothing where all ports have their own. */
export function redirectedLine({ rules }: ClusterStatus): string {
  const names = rules.filter(({ isRedirected }) => isRedirected).map(({ name }) => name);
  return names.length === 0 ? '' : wrapped(`Redirected by the kernel to one listener: ${names.join(', ')}`, '  ');
}

function recentText({ recentClients: recent }: RuleStatus): string {
  if (!recent) return '';
  return `\n    ${counted(recent.count, 'recent client')} within ${stickTimeText(recent.stickForMs)}, ${recent.keptCount} of them kept at their host`;
}

const ENVOY_WORDS = { starting: 'starting', serving: 'serving', down: 'down', notOurs: 'serving, not started by us' };

export function envoyLine(status: ClusterStatus): string {
  const { state, pid, version, tookConfiguration, detail } = status.envoy;
  const named = version === null ? 'Envoy' : `Envoy ${version}`;
  const process = pid === null ? '' : ` (process ${pid})`;
  const took = tookConfiguration ? 'has the newest configuration' : 'does not have the newest configuration yet';
  return wrapped(`${named}${process}: ${ENVOY_WORDS[state]}, ${took}${detail === null ? '' : `; ${detail}`}`);
}

/** Who holds the virtual IPs, and whether its kernel passes on what is not its own; nothing in mode routed. */
export function virtualIpLines({ virtualIp, mode, thisHost, state }: ClusterStatus): string {
  if (virtualIp === null) return '';
  const { addresses, holder, since, device, leaseMs, isHeldHere, kernelProblem } = virtualIp;
  const held =
    holder === null
      ? 'held by no host that is heard'
      : `held by ${holder} since ${since === null ? '-' : timeText(since)}`;
  const who = mode === 'arp' ? held : 'every host has them';
  const whose = `Virtual IPs ${addresses.join(', ')}: ${who}`;
  if (state === 'stopped' && device === null)
    return wrapped(`${whose}; ${thisHost} is stopped and has nothing of them`);
  const where = device === null ? `no interface on ${thisHost} for them` : `${device} on ${thisHost}`;
  const lease = isHeldHere ? `, lease ${leaseMs} ms` : '';
  const works =
    mode === 'arp'
      ? 'connections are passed on to their owners in the kernel'
      : "the kernel takes this host's own clients";
  const kernel = kernelProblem ?? works;
  return wrapped(`${whose} (${where}${lease}); ${kernel}`);
}

export function problemLines(status: ClusterStatus): string {
  if (status.problems.length === 0) return 'No problems known\n';
  return `Problems (${status.problems.length}), newest first:\n${status.problems.map(problemText).join('')}`;
}

/** What hosts contradict each other in; problems of this host alone are for `nlb display`. */
export function contradictionLines(status: ClusterStatus): string {
  const found = contradictionsOf(status);
  return found.length === 0
    ? ''
    : `\nContradictions (${found.length}), newest first:\n${found.map(problemText).join('')}`;
}

export function contradictionsOf({ problems }: ClusterStatus): ProblemStatus[] {
  return problems.filter(({ cause }) => cause !== null);
}

function problemText({ since, text, todo }: ProblemStatus): string {
  return wrapped(`${timeText(since)}  ${text}`, '  ') + (todo === null ? '' : wrapped(`-> ${todo}`, '    '));
}
