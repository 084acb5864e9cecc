/** Checks of each port rule: what its filtering mode needs, which hosts it names, and how its service is reached. */
import { MAIL_PORTS } from './defaults.js';
import type { Draft, RuleDraft, ServiceDraft } from './draft.js';
import { nearest } from './hints.js';
import { covers, portsOf } from './ports.js';
import { fillPlaceholders, followsPort, parseServiceAddress } from './service-address.js';
import { STANDBY_RULES_MAX } from '../rule-code.js';
import { repeatedAt } from './check-hosts.js';
import type { Complaint } from './yaml-text.js';

export function ruleComplaints(draft: Draft): Complaint[] {
  const names = draft.rules.map((rule) => ({ path: [...rule.path, 'name'], key: rule.name }));
  const repeated = repeatedAt(names).map(({ at, first }) => {
    const expected = 'another rule name';
    const says = `is ${draft.rules[first]!.name}, which is taken by portRules[${first}], expected ${expected}`;
    return { path: at, expected, says };
  });
  return [...repeated, ...standbyComplaints(draft), ...draft.rules.flatMap((rule) => complaintsOf(rule, draft))];
}

function complaintsOf(rule: RuleDraft, draft: Draft): Complaint[] {
  return [
    ...virtualIpOf(rule, draft),
    ...modeComplaints(rule),
    ...unknownHosts(rule, draft),
    ...weightComplaints(rule, draft),
    ...handlingComplaints(rule),
    ...stickComplaints(rule),
    ...failbackComplaints(rule),
    ...(rule.service === undefined ? [] : serviceComplaints(rule, rule.service, draft)),
  ];
}

function virtualIpOf(rule: RuleDraft, draft: Draft): Complaint[] {
  const path = [...rule.path, 'virtualIp'];
  if (rule.virtualIp === null) return [];
  if (draft.listenOn === 'dedicatedIp') {
    const expected = 'no virtualIp, because with listenOn dedicatedIp connections arrive at the address of each host';
    return [{ path, expected }];
  }
  if (draft.virtualIps.some(({ address }) => address === rule.virtualIp)) return [];
  const addresses = draft.virtualIps.map(({ address }) => address).join(', ');
  return [{ path, expected: `one of virtualIps (${addresses})` }];
}

/** Keys that mean nothing under a filtering mode are refused: who wrote them expects something of them. */
function modeComplaints(rule: RuleDraft): Complaint[] {
  const mode = rule.filteringMode;
  if (mode === undefined || mode === 'disabled') return [];
  const complaints: Complaint[] = [];
  const foreign = mode === 'single' ? ['affinity', 'loadWeight'] : ['handlingPriority'];
  for (const key of foreign.filter((each) => rule.written.has(each))) {
    const instead = mode === 'single' ? 'handlingPriority' : 'loadWeight';
    const expected = `no ${key} under filteringMode ${mode}`;
    const says = `has no meaning under filteringMode ${mode}: hosts are chosen by ${instead} there`;
    complaints.push({ path: [...rule.path, key], expected, says, atKey: true });
  }
  if (!rule.written.has('service')) {
    const expected = 'a service with address and proxyProtocol (only a disabled rule needs none)';
    complaints.push({ path: [...rule.path, 'service'], expected });
  }
  return complaints;
}

function unknownHosts(rule: RuleDraft, draft: Draft): Complaint[] {
  const known = [...new Set(draft.hosts.flatMap((host) => (host.name === undefined ? [] : [host.name])))];
  const maps = { loadWeight: rule.loadWeights, handlingPriority: rule.handlingPriorities };
  return Object.entries(maps).flatMap(([key, map]) =>
    Object.keys(map ?? {})
      .filter((name) => !known.includes(name))
      .map((name) => {
        const near = nearest(name, known);
        const expected = `one of the hosts ${known.join(', ')}`;
        const says = `names a host that is not in hosts, expected ${expected}`;
        const hint = near === null ? '' : `; did you mean ${near}?`;
        return { path: [...rule.path, key, name], expected, says: says + hint, atKey: true };
      }),
  );
}

function weightComplaints(rule: RuleDraft, draft: Draft): Complaint[] {
  const weights = rule.loadWeights;
  if (weights === null || rule.filteringMode !== 'multiple') return [];
  const path = [...rule.path, 'loadWeight'];
  // A host that was added to `hosts` and forgotten here must not get a share that nobody chose.
  const forgotten = draft.hosts.flatMap(({ name }) =>
    name === undefined || rule.weightedHosts.has(name) ? [] : [name],
  );
  if (forgotten.length > 0) {
    const expected = 'a weight 0-100 for each host (0 takes no connections), or `equal`';
    return [{ path, expected, says: `does not name ${forgotten.join(', ')}, expected ${expected}` }];
  }
  const unsound = Object.keys(weights).length < rule.weightedHosts.size;
  if (unsound || Object.values(weights).some((weight) => weight > 0)) return [];
  const expected = 'at least one weight above 0; filteringMode: disabled switches a rule off';
  return [{ path, expected, says: `gives every host weight 0, expected ${expected}` }];
}

function handlingComplaints(rule: RuleDraft): Complaint[] {
  const entries = Object.entries(rule.handlingPriorities ?? {});
  const places = entries.map(([name, key]) => ({ path: [...rule.path, 'handlingPriority', name], key }));
  return repeatedAt(places).map(({ at, first }) => {
    const expected = 'a handling priority of its own for each host';
    const [holder, priority] = entries[first]!;
    return { path: at, expected, says: `is ${priority}, which is taken by ${holder}, expected ${expected}` };
  });
}

/** One host serves all there: there is no part of it to give back. */
function failbackComplaints(rule: RuleDraft): Complaint[] {
  if (rule.filteringMode !== 'single' || !rule.failback || rule.failback === 'never') return [];
  const expected = 'failback immediate or never under filteringMode single';
  const says = `has no meaning under filteringMode single, where one host serves all clients: expected ${expected}`;
  return [{ path: [...rule.path, 'failback'], expected, says }];
}

/** A heartbeat has room for the standby of so many rules. */
function standbyComplaints({ rules }: Draft): Complaint[] {
  const first = rules.find(({ failback }) => failback === 'never');
  if (first === undefined || rules.length <= STANDBY_RULES_MAX) return [];
  const expected = `at most ${STANDBY_RULES_MAX} port rules in a file with failback never`;
  return [
    { path: [...first.path, 'failback'], expected, says: `is one of ${rules.length} port rules, expected ${expected}` },
  ];
}

/** Refused where it could not mean anything: whoever writes it expects clients to stay. */
function stickComplaints(rule: RuleDraft): Complaint[] {
  const { filteringMode: mode, affinity } = rule;
  if (!rule.written.has('stickFor') || mode === undefined || mode === 'disabled') return [];
  const path = [...rule.path, 'stickFor'];
  if (mode === 'single') {
    const expected = 'no stickFor under filteringMode single';
    const says = 'has no meaning under filteringMode single: one host serves all clients there';
    return [{ path, expected, says, atKey: true }];
  }
  if (affinity !== 'none') return [];
  const expected = 'affinity single or classC beside it';
  const says = `has no meaning under affinity none: each connection of a client may go elsewhere; expected ${expected}`;
  return [{ path, expected, says, atKey: true }];
}

function serviceComplaints(rule: RuleDraft, service: ServiceDraft, draft: Draft): Complaint[] {
  return [
    ...openRelay(rule, service, draft),
    ...longPaths(service, draft),
    ...checkComplaints(service),
    ...checkedPort(rule, service),
  ];
}

/** A mail server that trusts loopback and sees Envoy's address for every client is an open relay. */
function openRelay(rule: RuleDraft, service: ServiceDraft, draft: Draft): Complaint[] {
  if (service.proxyProtocol !== 'none' || service.trustsNobodyByAddress) return [];
  const host = draft.hosts[0];
  const target = parseServiceAddress(
    fillPlaceholders(service.address ?? '', { name: host?.name ?? 'h', dedicatedIp: host?.dedicatedIp ?? '192.0.2.1' }),
  );
  const port = MAIL_PORTS.find(
    (each) =>
      (rule.range !== undefined && covers(rule.range, each)) || (target?.kind === 'tcp' && target.port === each),
  );
  if (port === undefined) return [];
  const expected =
    'v2 or v1, or trustsNobodyByAddress: true beside it if the service gives no address more rights than others';
  const says =
    `is none on mail port ${port}: the mail server would see Envoy's own address for every client, ` +
    `and one that trusts loopback becomes an open relay; expected ${expected}`;
  return [{ path: [...service.path, 'proxyProtocol'], expected, says }];
}

/** Behind `{port}` there may be a service on each port of the range, or now and then one (FTP): which to ask is no guess. */
function checkedPort(rule: RuleDraft, service: ServiceDraft): Complaint[] {
  const path = [...service.path, 'check'];
  const isMany = rule.range !== undefined && portsOf(rule.range) > 1 && followsPort(service.address ?? '');
  const { kind, port } = service.check;
  if (!isMany) {
    if (!service.checkWritten.has('port')) return [];
    return [{ path: [...path, 'port'], expected: 'no port, because the address says which', atKey: true }];
  }
  if (kind === 'none' || port !== undefined || service.checkWritten.has('port')) return [];
  const expected = 'kind: none, or the port that stands for the others such as {port: 21}';
  return [
    { path, expected, says: `does not say which port to ask, because the address has {port}; expected ${expected}` },
  ];
}

/** Only with the host's name filled in can a unix path turn out too long. */
function longPaths(service: ServiceDraft, draft: Draft): Complaint[] {
  const template = service.address;
  if (template === undefined || !template.startsWith('unix:')) return [];
  const host = draft.hosts.find(
    ({ name }) =>
      name !== undefined && parseServiceAddress(fillPlaceholders(template, { name, dedicatedIp: '::' })) === null,
  );
  if (host === undefined) return [];
  const expected = 'a path of at most 107 bytes on every host';
  return [{ path: [...service.path, 'address'], expected, says: `is too long on ${host.name}, expected ${expected}` }];
}

function checkComplaints(service: ServiceDraft): Complaint[] {
  const { kind, periodMs, timeoutMs } = service.check;
  const path = [...service.path, 'check'];
  const complaints: Complaint[] = [];
  if (kind === 'banner' && service.checkExpect === undefined) {
    complaints.push({
      path: [...path, 'expect'],
      expected: "how the banner starts such as '220', because kind is banner",
    });
  }
  if (kind !== 'banner' && service.checkExpect !== undefined) {
    const expected = `kind: banner beside it, or no expect with kind ${kind}`;
    complaints.push({ path: [...path, 'expect'], expected });
  }
  if (timeoutMs > periodMs) {
    const expected = `at most periodMs (${periodMs}), so that checks do not overlap`;
    complaints.push({ path: [...path, 'timeoutMs'], expected });
  }
  return complaints;
}
