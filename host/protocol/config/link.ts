/**
 * What the modes arp and multicast need beside the rest: the interface the virtual IPs are on, who gets them back, and which
 * address outgoing connections have. All of it in one place: the schema, what is checked, and the filled-in form.
 */
import type { LinkSettings } from '../types.js';
import type { Draft, Sound } from './draft.js';
import type { YamlPath } from './finding.js';
import type { Complaint } from './yaml-text.js';

const FAILBACK = /^(never|immediate|([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)$/;
/** `null` in a map by host stands for no key: an interface name of Linux, at most 15 bytes. */
const INTERFACE = '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$';

export const LINK_DEFAULTS = { failback: 'never', outgoing: 'dedicatedIp' } as const;

export const LINK_SCHEMA = {
  interface: {
    type: ['string', 'object'],
    pattern: INTERFACE,
    additionalProperties: { type: 'string', pattern: INTERFACE, 'x-expected': 'a network interface such as eth0' },
    'x-expected': 'a network interface such as eth0, or one for each host such as {mail1: eth0, mail2: ens3}',
    description: 'Modes arp and multicast: where the virtual IPs are. Left out: the interface with the dedicated IP.',
  },
  failback: {
    type: 'string',
    pattern: FAILBACK.source,
    default: LINK_DEFAULTS.failback,
    'x-expected': 'never, immediate or a time of day such as 02:00-04:00',
    description: 'Mode arp: when the virtual IPs go back to the host of highest priority. A time is that of each host.',
  },
  outgoing: {
    enum: ['dedicatedIp', 'virtualIp'],
    default: LINK_DEFAULTS.outgoing,
    description: "Mode arp: the address the holder's own connections go out with.",
  },
} as const;

export interface LinkDraft {
  mode?: 'routed' | 'arp' | 'multicast' | undefined;
  /** Keys of LINK_SCHEMA that are written, sound or not. */
  written: readonly string[];
  interfaces: string | Record<string, string> | null;
  failback: string;
  outgoing: 'dedicatedIp' | 'virtualIp';
}

export function linkDraft(sound: Sound): LinkDraft {
  const written = sound.keys();
  return {
    mode: sound.get('mode'),
    written: Object.keys(LINK_SCHEMA).filter((key) => written.has(key)),
    interfaces: sound.entries<string>('interface') ?? sound.get<string>('interface') ?? null,
    failback: sound.or<string>(LINK_DEFAULTS.failback, 'failback'),
    outgoing: sound.or<'dedicatedIp' | 'virtualIp'>(LINK_DEFAULTS.outgoing, 'outgoing'),
  };
}

/** Whether the virtual IPs are shared on a link, so that rules can listen on nothing else. */
export function isLinkMode(mode: string | undefined): mode is 'arp' | 'multicast' {
  return mode === 'arp' || mode === 'multicast';
}

export function linkComplaints(draft: Draft): Complaint[] {
  const { link } = draft;
  if (!isLinkMode(link.mode)) return link.mode === undefined ? [] : meaningless(link, ['arp', 'multicast']);
  return [
    ...meaningless(link, ['arp']).filter(() => link.mode === 'multicast'),
    ...listenComplaints(draft, link.mode),
    ...loopback(draft, link.mode),
    ...unknownHosts(draft),
    ...emptyWindow(link),
  ];
}

/** Who wrote a key expects something of it, so one that does nothing in this mode is refused. */
function meaningless(link: LinkDraft, modes: readonly string[]): Complaint[] {
  const onlyArp = ['failback', 'outgoing'];
  const expected = `no such key in mode ${link.mode}`;
  const keys = modes.includes('multicast') ? link.written : link.written.filter((key) => onlyArp.includes(key));
  return keys.map((key) => {
    const where = onlyArp.includes(key) ? 'mode arp' : 'the modes arp and multicast';
    const says = `has no meaning in mode ${link.mode}: it belongs to ${where}`;
    return { path: [key], expected, says, atKey: true };
  });
}

function listenComplaints({ listenOn }: Draft, mode: string): Complaint[] {
  if (listenOn !== 'dedicatedIp') return [];
  return [{ path: ['listenOn'], expected: `virtualIp (or nothing: in mode ${mode} rules listen on the virtual IPs)` }];
}

function loopback({ hosts }: Draft, mode: string): Complaint[] {
  const expected = `an address on a link that the hosts share: mode ${mode} shares the virtual IPs there`;
  return hosts
    .filter(({ dedicatedIp }) => dedicatedIp !== undefined && (dedicatedIp.startsWith('127.') || dedicatedIp === '::1'))
    .map((host) => ({ path: [...host.path, 'dedicatedIp'], expected }));
}

function unknownHosts({ link, hosts }: Draft): Complaint[] {
  if (link.interfaces === null || typeof link.interfaces === 'string') return [];
  const names = hosts.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const expected = `one of the hosts ${names.join(', ')}`;
  const says = `names a host that is not in hosts, expected ${expected}`;
  return Object.keys(link.interfaces)
    .filter((name) => !names.includes(name))
    .map((name) => ({ path: ['interface', name] as YamlPath, expected, says, atKey: true }));
}

function emptyWindow({ failback }: LinkDraft): Complaint[] {
  const [from, to] = failback.split('-');
  if (to === undefined || from !== to) return [];
  return [{ path: ['failback'], expected: 'a time of day that ends after it begins such as 02:00-04:00' }];
}

export function linkOf(draft: Draft): LinkSettings | undefined {
  const { mode, interfaces, failback, outgoing } = draft.link;
  if (!isLinkMode(mode)) return undefined;
  const names = draft.hosts.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const everywhere = typeof interfaces === 'string' ? interfaces : null;
  const byHost = everywhere === null ? (interfaces as Record<string, string> | null) : null;
  return {
    interfaces: everywhere === null ? { ...byHost } : Object.fromEntries(names.map((name) => [name, everywhere])),
    failback: failbackOf(failback),
    outgoing,
  };
}

function failbackOf(text: string): LinkSettings['failback'] {
  if (text === 'never' || text === 'immediate') return text;
  const [from, to] = text.split('-').map((time) => {
    const [hours, minutes] = time.split(':').map(Number);
    return hours! * 60 + minutes!;
  });
  return { fromMinute: from!, toMinute: to! };
}
