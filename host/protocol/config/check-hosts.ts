/** Checks between hosts, and between hosts and virtual IPs: what must be unique, and what must be someone's own. */
import type { Draft, HostDraft } from './draft.js';
import type { YamlPath } from './finding.js';
import { isLinkMode } from './link.js';
import { LISTEN_ON_EXPECTED } from './schema.js';
import type { Complaint } from './yaml-text.js';

export function hostComplaints(draft: Draft): Complaint[] {
  return [
    ...repeated(draft.hosts, 'name', 'another host name'),
    ...repeated(draft.hosts, 'priority', freePriority(draft.hosts)),
    ...repeated(draft.hosts, 'dedicatedIp', 'an address that belongs to this host alone'),
    ...oneFamily(draft.hosts),
    ...listenOnComplaints(draft),
    ...virtualIpComplaints(draft),
  ];
}

/** `hosts[1].name` for a path, or with the name where there is one: what a message calls a host. */
export function hostLabel(host: HostDraft): string {
  return host.name ?? `hosts[${String(host.path[1])}]`;
}

/** Values that stand more than once in a list of places; told at each but the first. */
export function repeatedAt<T>(
  places: readonly { path: YamlPath; key: T | undefined }[],
): { at: YamlPath; first: number }[] {
  const firstIndex = new Map<T, number>();
  const found: { at: YamlPath; first: number }[] = [];
  for (const [index, { path, key }] of places.entries()) {
    if (key === undefined) continue;
    const first = firstIndex.get(key);
    if (first === undefined) firstIndex.set(key, index);
    else found.push({ at: path, first });
  }
  return found;
}

function repeated(
  hosts: readonly HostDraft[],
  key: 'name' | 'priority' | 'dedicatedIp',
  expected: string,
): Complaint[] {
  const places = hosts.map((host) => ({ path: [...host.path, key], key: host[key] }));
  return repeatedAt<string | number>(places).map(({ at, first }) => {
    const holder = hosts[first]!;
    const by = key === 'name' ? `hosts[${first}]` : hostLabel(holder);
    return { path: at, expected, says: `is ${String(holder[key])}, which is taken by ${by}, expected ${expected}` };
  });
}

function freePriority(hosts: readonly HostDraft[]): string {
  const taken = new Set(hosts.map((host) => host.priority));
  const free = Array.from({ length: 32 }, (_, index) => index + 1).filter((priority) => !taken.has(priority));
  return free[0] === undefined ? 'at most 32 hosts' : `a free one of 1-32 such as ${free[0]}`;
}

/** Hosts hand off to each other from their dedicated addresses, so these must be able to reach each other. */
function oneFamily(hosts: readonly HostDraft[]): Complaint[] {
  const first = hosts.find((host) => host.dedicatedIp !== undefined);
  if (first?.dedicatedIp === undefined) return [];
  const family = familyOf(first.dedicatedIp);
  const expected = `an ${family} address like that of ${hostLabel(first)}: hosts reach each other by these addresses`;
  return hosts
    .filter((host) => host.dedicatedIp !== undefined && familyOf(host.dedicatedIp) !== family)
    .map((host) => ({ path: [...host.path, 'dedicatedIp'], expected }));
}

function familyOf(address: string): 'IPv4' | 'IPv6' {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** In mode routed nobody but the administrator knows where clients arrive. */
function listenOnComplaints({ link, isListenOnWritten }: Draft): Complaint[] {
  if (isListenOnWritten || isLinkMode(link.mode)) return [];
  return [{ path: ['listenOn'], expected: LISTEN_ON_EXPECTED }];
}

function virtualIpComplaints(draft: Draft): Complaint[] {
  const complaints: Complaint[] = [];
  for (const { at, first } of repeatedAt(draft.virtualIps.map(({ path, address }) => ({ path, key: address })))) {
    const expected = 'each virtual IP once';
    const { address } = draft.virtualIps[first]!;
    complaints.push({
      path: at,
      expected,
      says: `is ${address}, which stands at virtualIps[${first}], expected ${expected}`,
    });
  }
  for (const { path, address } of draft.virtualIps) {
    const owner = draft.hosts.find((host) => host.dedicatedIp === address);
    if (owner === undefined) continue;
    const expected = 'an address that the hosts share and none has for itself';
    complaints.push({
      path,
      expected,
      says: `is ${address}, the dedicatedIp of ${hostLabel(owner)}, expected ${expected}`,
    });
  }
  if (draft.listenOn === 'virtualIp' && draft.virtualIps.length === 0) {
    const because = draft.isListenOnWritten ? 'listenOn is virtualIp' : `mode is ${draft.link.mode}`;
    const expected = `at least one address, because ${because}`;
    complaints.push({ path: ['virtualIps'], expected, says: `names no address, expected ${expected}` });
  }
  return complaints;
}
