/**
 * Checks of who listens where: no two listeners of a host on one address and port, and no service that is really one of
 * the cluster's own listeners, where a connection would come in again and again.
 */
import type { Draft, HostDraft, RuleDraft } from './draft.js';
import { hostLabel } from './check-hosts.js';
import { isLinkMode } from './link.js';
import { isRedirecting, redirectedDrafts, redirectPortOf } from './drafted.js';
import { covers, type PortRange, rangesMeet, rangeText } from './ports.js';
import { atPort, fillPlaceholders, followsPort, parseServiceAddress } from './service-address.js';
import type { Complaint } from './yaml-text.js';

/** The page is for people on the host itself. */
const PAGE_ADDRESS = '127.0.0.1';
/** For an address that does not ask which. */
const ANY_PORT = 1;

export function portComplaints(draft: Draft): Complaint[] {
  return [
    ...ownPorts(draft),
    ...overlaps(draft.rules),
    ...otherPortsComplaints(draft),
    ...draft.rules.flatMap((rule) => rulePortComplaints(rule, draft)),
    ...draft.rules.flatMap((rule) => serviceLoops(rule, draft)),
  ];
}

/** Handoff, channel and page are TCP on the same host; heartbeats are UDP and may share a number with them. */
function ownPorts(draft: Draft): Complaint[] {
  const ports = { ...draft.ports, redirect: redirectPortOf(draft) };
  const complaints: Complaint[] = [];
  const differ = (key: 'channel' | 'page' | 'redirect', others: ('handoff' | 'channel' | 'page')[]): void => {
    const other = others.find((each) => ports[each] === ports[key]);
    if (other === undefined) return;
    const expected = `a port of its own: ports.${other} is ${ports[other]} too, and both are TCP`;
    complaints.push({ path: ['ports', key], expected, says: `is ${ports[key]}, expected ${expected}` });
  };
  differ('channel', ['handoff']);
  differ('page', ['handoff', 'channel']);
  differ('redirect', ['handoff', 'channel', 'page']);
  return complaints;
}

function otherPortsComplaints({ otherPorts, isOtherPortsWritten, listenOn, link }: Draft): Complaint[] {
  if (isOtherPortsWritten && isLinkMode(link.mode)) {
    const expected = `no such key, because in mode ${link.mode} what no rule covers always goes to the default host`;
    return [
      {
        path: ['otherPorts'],
        expected,
        says: `has no meaning in mode ${link.mode}: what no rule covers always goes to the default host`,
        atKey: true,
      },
    ];
  }
  if (otherPorts !== 'defaultHost' || listenOn !== 'dedicatedIp') return [];
  const expected = 'entryHost, because with listenOn dedicatedIp every port of an address belongs to its own host';
  return [{ path: ['otherPorts'], expected }];
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
    ...(draft.remoteControl === null ? [] : [{ what: 'remoteControl.port', address, port: draft.remoteControl.port }]),
    page,
  ];
}

/** Addresses a rule's listeners have on a host. */
function listenAddresses(draft: Draft, rule: RuleDraft, host: HostDraft): string[] {
  if (draft.listenOn === 'dedicatedIp') return host.dedicatedIp === undefined ? [] : [host.dedicatedIp];
  if (draft.listenOn === undefined) return [];
  return rule.virtualIp === null ? draft.virtualIps.map(({ address }) => address) : [rule.virtualIp];
}

/** Of rules that are redirected the sidecar's own ports are left out, see warnings.ts; listeners cannot share them. */
function rulePortComplaints(rule: RuleDraft, draft: Draft): Complaint[] {
  const range = rule.range;
  if (range === undefined || rule.filteringMode === 'disabled' || redirectedDrafts(draft).has(rule)) return [];
  const met = new Map<string, string>();
  for (const host of draft.hosts) {
    const addresses = listenAddresses(draft, rule, host);
    for (const own of ownListeners(draft, host)) {
      if (covers(range, own.port) && addresses.includes(own.address))
        met.set(own.what, `${own.port}, which is ${own.what} on ${own.address}`);
    }
  }
  const { handoff } = draft.ports;
  if (draft.listenOn === 'virtualIp' && covers(range, handoff)) {
    met.set('ports.handoff', `${handoff}, which is ports.handoff: what is handed off must not arrive for it`);
  }
  const redirect = redirectPortOf(draft);
  if (isRedirecting(draft) && covers(range, redirect)) {
    met.set('ports.redirect', `${redirect}, which is ports.redirect, where rules listen`);
  }
  return [...met.values()].map((which) => {
    const expected = `ports without ${which}`;
    return { path: [...rule.path, 'ports'], expected, says: `is ${rangeText(range)}, expected ${expected}` };
  });
}

/** A service at one of the cluster's own listeners, on whichever host, would lead each connection back into Envoy. */
function serviceLoops(rule: RuleDraft, draft: Draft): Complaint[] {
  const template = rule.service?.address;
  if (template === undefined) return [];
  for (const host of draft.hosts) {
    if (host.name === undefined || host.dedicatedIp === undefined) continue;
    const { name, dedicatedIp } = host;
    const written = fillPlaceholders(template, { name, dedicatedIp });
    for (const port of followsPort(written) ? listenersWithin(draft, rule.range) : [ANY_PORT]) {
      const target = parseServiceAddress(atPort(written, port));
      if (target?.kind !== 'tcp') break;
      const listener = listenerAt(draft, host, target.address, target.port);
      if (listener === null) continue;
      const expected = 'the address and port of the service itself';
      const says = `is ${target.address}:${target.port} on ${name}, where ${listener} listens, expected ${expected}`;
      return [{ path: [...rule.path, 'service', 'address'], expected, says }];
    }
  }
  return [];
}

/** A port of `range` for each rule with listeners there: with `{port}` each of them may lead to itself. */
function listenersWithin(draft: Draft, range: PortRange | undefined): number[] {
  if (range === undefined) return [];
  return draft.rules.flatMap((rule) => {
    if (rule.range === undefined || !rangesMeet(rule.range, range)) return [];
    return [Math.max(rule.range.first, range.first)];
  });
}

function listenerAt(draft: Draft, from: HostDraft, address: string, port: number): string | null {
  for (const host of draft.hosts) {
    const isFromHere = host === from || draft.listenOn === 'virtualIp';
    const own = ownListeners(draft, host).find((each) => each.address === address && each.port === port);
    if (own !== undefined) return own.what;
    const rule = draft.rules.find(
      (each) =>
        each.range !== undefined &&
        each.filteringMode !== 'disabled' &&
        // The kernel redirects what comes from elsewhere, not what this host's own Envoy opens.
        !(isFromHere && redirectedDrafts(draft).has(each)) &&
        covers(each.range, port) &&
        listenAddresses(draft, each, host).includes(address),
    );
    if (rule !== undefined)
      return host.dedicatedIp === address ? `${ruleLabel(rule)} of ${hostLabel(host)}` : ruleLabel(rule);
  }
  return null;
}
