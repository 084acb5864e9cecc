/**
 * Checks of who listens where: no two listeners of a host on one address and port, and no service that is really one of
 * the cluster's own listeners, where a connection would come in again and again.
 */
import type { Draft, HostDraft, RuleDraft } from './draft.js';
import { hostLabel } from './check-hosts.js';
import { LISTENERS_MAX } from './defaults.js';
import { covers, portsOf, rangesMeet, rangeText } from './ports.js';
import { fillPlaceholders, parseServiceAddress } from './service-address.js';
import type { Complaint } from './yaml-text.js';

/** The page is for people on the host itself. */
const PAGE_ADDRESS = '127.0.0.1';

export function portComplaints(draft: Draft): Complaint[] {
  return [
    ...ownPorts(draft),
    ...overlaps(draft.rules),
    ...tooManyListeners(draft.rules),
    ...draft.rules.flatMap((rule) => rulePortComplaints(rule, draft)),
    ...draft.rules.flatMap((rule) => serviceLoops(rule, draft)),
  ];
}

/** Handoff, channel and page are TCP on the same host; heartbeats are UDP and may share a number with them. */
function ownPorts({ ports }: Draft): Complaint[] {
  const complaints: Complaint[] = [];
  const differ = (key: 'channel' | 'page', others: ('handoff' | 'channel')[]): void => {
    const other = others.find((each) => ports[each] === ports[key]);
    if (other === undefined) return;
    const expected = `a port of its own: ports.${other} is ${ports[other]} too, and both are TCP`;
    complaints.push({ path: ['ports', key], expected, says: `is ${ports[key]}, expected ${expected}` });
  };
  differ('channel', ['handoff']);
  differ('page', ['handoff', 'channel']);
  return complaints;
}

function overlaps(rules: readonly RuleDraft[]): Complaint[] {
  return rules.flatMap((rule, index) => {
    if (rule.range === undefined) return [];
    const range = rule.range;
    const other = rules.slice(0, index).find((each) => meet(each, rule));
    if (other?.range === undefined) return [];
    const expected = rule.virtualIp === null ? 'each port in one rule only' : 'each port in one rule a virtual IP';
    const on = rule.virtualIp === null ? '' : ` on ${rule.virtualIp}`;
    const says =
      `is ${rangeText(range)}, which overlaps ${ruleLabel(other)} ` +
      `(${rangeText(other.range)})${on}, expected ${expected}`;
    return [{ path: [...rule.path, 'ports'], expected, says }];
  });
}

/** A rule for one virtual IP goes before one for all of them, so those two may share ports: rule.ts of the filter. */
function meet(a: RuleDraft, b: RuleDraft): boolean {
  if (a.range === undefined || b.range === undefined || !rangesMeet(a.range, b.range)) return false;
  return a.virtualIp === b.virtualIp;
}

function ruleLabel(rule: RuleDraft): string {
  return rule.name === undefined ? `portRules[${String(rule.path[1])}]` : `rule ${rule.name}`;
}

function tooManyListeners(rules: readonly RuleDraft[]): Complaint[] {
  const open = rules.filter((rule) => rule.range !== undefined && rule.filteringMode !== 'disabled');
  const expected = `at most ${LISTENERS_MAX} ports in all, because each is an Envoy listener of its own`;
  const total = open.reduce((sum, rule) => sum + portsOf(rule.range!), 0);
  if (total <= LISTENERS_MAX) return [];
  const tooWide = open.filter((rule) => portsOf(rule.range!) > LISTENERS_MAX);
  if (tooWide.length === 0) {
    return [{ path: ['portRules'], expected, says: `cover ${total} ports, expected ${expected}` }];
  }
  return tooWide.map((rule) => {
    const says = `is ${rangeText(rule.range!)}, ${portsOf(rule.range!)} ports, expected ${expected}`;
    return { path: [...rule.path, 'ports'], expected, says };
  });
}

interface OwnListener {
  what: string;
  address: string;
  port: number;
}

function ownListeners(draft: Draft, host: HostDraft): OwnListener[] {
  const page = { what: 'ports.page', address: PAGE_ADDRESS, port: draft.ports.page };
  if (host.dedicatedIp === undefined) return [page];
  const address = host.dedicatedIp;
  return [
    { what: 'ports.handoff', address, port: draft.ports.handoff },
    { what: 'ports.channel', address, port: draft.ports.channel },
    page,
  ];
}

/** Addresses a rule's listeners have on a host. */
function listenAddresses(draft: Draft, rule: RuleDraft, host: HostDraft): string[] {
  if (draft.listenOn === 'dedicatedIp') return host.dedicatedIp === undefined ? [] : [host.dedicatedIp];
  if (draft.listenOn === undefined) return [];
  return rule.virtualIp === null ? draft.virtualIps.map(({ address }) => address) : [rule.virtualIp];
}

function rulePortComplaints(rule: RuleDraft, draft: Draft): Complaint[] {
  const range = rule.range;
  if (range === undefined || rule.filteringMode === 'disabled') return [];
  const met = new Map<string, OwnListener>();
  for (const host of draft.hosts) {
    const addresses = listenAddresses(draft, rule, host);
    for (const own of ownListeners(draft, host)) {
      if (covers(range, own.port) && addresses.includes(own.address)) met.set(own.what, own);
    }
  }
  return [...met.values()].map(({ what, port, address }) => {
    const expected = `ports without ${port}, which is ${what} on ${address}`;
    return { path: [...rule.path, 'ports'], expected, says: `is ${rangeText(range)}, expected ${expected}` };
  });
}

/** A service at one of the cluster's own listeners, on whichever host, would lead each connection back into Envoy. */
function serviceLoops(rule: RuleDraft, draft: Draft): Complaint[] {
  const template = rule.service?.address;
  if (template === undefined) return [];
  for (const host of draft.hosts) {
    if (host.name === undefined || host.dedicatedIp === undefined) continue;
    const target = parseServiceAddress(fillPlaceholders(template, { name: host.name, dedicatedIp: host.dedicatedIp }));
    if (target?.kind !== 'tcp') continue;
    const listener = listenerAt(draft, target.address, target.port);
    if (listener === null) continue;
    const expected = 'the address and port of the service itself';
    const says = `is ${target.address}:${target.port} on ${host.name}, where ${listener} listens, expected ${expected}`;
    return [{ path: [...rule.path, 'service', 'address'], expected, says }];
  }
  return [];
}

function listenerAt(draft: Draft, address: string, port: number): string | null {
  for (const host of draft.hosts) {
    const own = ownListeners(draft, host).find((each) => each.address === address && each.port === port);
    if (own !== undefined) return own.what;
    const rule = draft.rules.find(
      (each) =>
        each.range !== undefined &&
        each.filteringMode !== 'disabled' &&
        covers(each.range, port) &&
        listenAddresses(draft, each, host).includes(address),
    );
    if (rule !== undefined)
      return host.dedicatedIp === address ? `${ruleLabel(rule)} of ${hostLabel(host)}` : ruleLabel(rule);
  }
  return null;
}
