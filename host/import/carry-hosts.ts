/** NLB's hosts into ours: name, host priority, dedicated IP, and what each is after a start of the machine. */
import type { PersistedState } from '../protocol/types.js';
import type { ImportAnswers, ImportFinding } from './carry.js';
import type { Say } from './rule-on-hosts.js';
import { type NlbHost, type NlbSource, unknownHost } from './source.js';

export interface ImportedHost {
  name: string;
  priority: number;
  dedicatedIp: string;
  initialState?: 'stopped' | 'suspended';
  persistedStates?: PersistedState[];
}

/** `WEB1.corp.example` is `web1`: a host name of ours is what owners are computed from. */
export function ourName(name: string): string {
  const first = name.trim().toLowerCase().split('.')[0]!;
  return first
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32);
}

export function carryHosts(source: NlbSource, answers: ImportAnswers, findings: ImportFinding[]): ImportedHost[] {
  const listed: NlbHost[] = source.hosts.map((host) => ({ ...host }));
  for (const name of answers.dedicatedIps.keys()) {
    const isKnown = listed.some((host) => ourName(host.name) === ourName(name));
    if (!isKnown) listed.push(unknownHost(name));
  }
  for (const driver of source.drivers) {
    const host = listed.find(({ priority }) => priority === driver.priority);
    if (host === undefined) {
      const text = 'is not among the hosts in what was given: what it says of that host is left out';
      const item = `Get-NlbClusterDriverInfo of HostId ${driver.priority}`;
      findings.push({ item, kind: 'leftBehind', text });
      continue;
    }
    host.initialState ??= driver.initialState;
    host.persisted ??= driver.persisted;
  }
  const hosts = listed.flatMap((host) => carryHost(host, listed, answers, findings));
  const silent = listed.filter(({ persisted }) => persisted === null).map(({ name }) => name);
  if (silent.length > 0) {
    const text = `of ${silent.join(', ')} over a start of the machine is not in what was given: here every state is kept, and persistedStates: [] keeps none`;
    findings.push({ item: 'what is kept', kind: 'assumed', text });
  }
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
  const name = ourName(host.name);
  const say = (kind: ImportFinding['kind'], text: string): void =>
    void findings.push({ item: `host ${host.name}`, kind, text });
  const given = [...answers.dedicatedIps].find(([each]) => ourName(each) === name)?.[1];
  const [first, ...others] = host.dedicatedIps.filter((address) => !/^fe80:/i.test(address));
  const dedicatedIp = given ?? first;
  if (dedicatedIp === undefined) {
    const how = `add Get-NlbClusterNodeDip's output, or --host ${name}=ADDRESS`;
    say('missing', `has no dedicated IP in what was given; ${how}`);
    return [];
  }
  if (given === undefined && others.length > 0) {
    say('leftBehind', `has further dedicated IPs ${others.join(', ')}: one is enough`);
  }
  const atStart = carryStates(host, say);
  const priority = host.priority ?? freePriority(listed);
  if (host.priority === null) {
    host.priority = priority;
    say('assumed', `has no priority in what was given: ${priority} is the next free one`);
  }
  return [{ name, priority, dedicatedIp, ...atStart }];
}

const STATES: readonly PersistedState[] = ['started', 'stopped', 'suspended'];
const RUNNING = /^(started|converg(ed|ing).*)$/;

/** The initial host state, which states are kept over a start of the machine; and what it was by somebody's word when captured. */
function carryStates(host: NlbHost, say: Say): Pick<ImportedHost, 'initialState' | 'persistedStates'> {
  const { stateThen } = host;
  const initial = STATES.find((state) => state === host.initialState) ?? 'started';
  if (host.initialState !== null && initial !== host.initialState) {
    say('assumed', `has the initial host state ${host.initialState}, which is not known: started was taken`);
  }
  if (stateThen !== null && stateThen !== initial && !(initial === 'started' && RUNNING.test(stateThen))) {
    const known = host.initialState === null ? `${initial} unless NLB's initial host state is another` : initial;
    say('leftBehind', `was ${stateThen} when this was captured: at its first start here it is ${known} (initialState)`);
  }
  const persistedStates = persistedOf(host, say);
  return { ...(initial === 'started' ? {} : { initialState: initial }), ...persistedStates };
}

/** Ours keeps every state unless the file says otherwise; NLB kept none unless somebody asked for it. */
function persistedOf({ persisted }: NlbHost, say: Say): Pick<ImportedHost, 'persistedStates'> {
  if (persisted === null) return {};
  const words = persisted.split(/[^a-z]+/).filter((word) => word !== '' && word !== 'none');
  const unknown = words.filter((word) => !STATES.some((state) => state === word));
  if (unknown.length > 0) {
    say('leftBehind', `keeps its state by ${persisted}, which nlb import does not know: here every state is kept`);
    return {};
  }
  const kept = STATES.filter((state) => words.includes(state));
  return kept.length === STATES.length ? {} : { persistedStates: kept };
}

function freePriority(listed: readonly NlbHost[]): number {
  const taken = new Set(listed.map(({ priority }) => priority));
  let priority = 1;
  while (taken.has(priority)) priority += 1;
  return priority;
}
