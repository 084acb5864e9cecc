/**
 * What can be asked of one host, as routes. The control socket `<stateDir>/nlb.sock` takes all of it, the page on loopback
 * what needs no more than the role `read`, remote control what the token's role may.
 */
import type { InForce } from '../protocol/types.js';
import { type AdminApi, type ExplainQuestion, type Verb, VERBS } from './api.js';
import { no, type Parameter, type Reply, type Route } from './route.js';

const SINCE: Parameter = { name: 'since', help: 'a time such as 2026-11-22T02:14:00Z; left out, all' };

const VERB_TEXTS: Record<Verb, string> = {
  start: 'Takes part again after stop or drainstop.',
  stop: 'Leaves the view at once; its open connections end.',
  drainstop: 'Takes no new connections and stops when the open ones have ended.',
  suspend: 'Stops this host, and refuses every verb but resume there.',
  resume: 'Takes verbs again after suspend; the host is stopped.',
  enable: 'This host takes its part in port rules again.',
  disable: 'This host ends the open connections of port rules and takes no new ones.',
  drain: 'This host takes no new connections of port rules; the open ones finish.',
  'move-vip': 'Mode arp: this host takes the virtual IPs from the host that holds them.',
  forget: 'A lost host is not missed here any more, until it is heard again.',
  reload: 'Offers the changed cluster file on the disk of this host.',
};

const RULES_MEANT: Parameter[] = [
  { name: 'port', help: 'a port, meaning every rule that holds it, or all', required: true },
  { name: 'vip', help: 'a virtual IP: the rule that takes what comes to it; all: rules of all virtual IPs alone' },
];

const VERB_QUERY: Partial<Record<Verb, Parameter[]>> = {
  forget: [{ name: 'name', help: 'the host, by name or host priority', required: true }],
  drainstop: [{ name: 'timeoutMs', help: 'what is open after that many milliseconds is ended; left out, nothing is' }],
  enable: RULES_MEANT,
  disable: RULES_MEANT,
  drain: [
    ...RULES_MEANT,
    {
      name: 'timeoutMs',
      help: 'what is open after that many milliseconds is ended, and the rule disabled; left out, nothing is',
    },
  ],
  start: [{ name: 'now', help: 'true skips the delay of a host that came and went often', isFlag: true }],
};

/** Verbs that bring other settings than an administrator at the keys of that host. */
const CONFIGURING: readonly Verb[] = ['reload'];

export function adminRoutes(api: AdminApi): Route[] {
  return [...lookingRoutes(api), explainRoute(api), ...VERBS.map((verb) => verbRoute(api, verb))];
}

function lookingRoutes(api: AdminApi): Route[] {
  const look = { method: 'GET', role: 'read', isForAnyHost: true } as const;
  return [
    {
      ...look,
      path: '/status',
      summary: 'Hosts, port rules, shares, Envoy and problems, as this host sees them.',
      replies: { 200: 'ClusterStatus' },
      handle: () => ({ code: 200, body: api.status() }),
    },
    {
      ...look,
      path: '/events',
      isForAnyHost: false,
      summary: 'The status as server-sent events: on every change, at least once a second.',
      replies: { 200: 'ClusterStatus', 503: 'VerbAnswer' },
      handle: () => ({ code: 200, body: null, isStream: true }),
    },
    {
      ...look,
      path: '/entry',
      summary: 'May clients be sent to this host? For DNS health checks and routers.',
      replies: { 200: 'EntryAnswer', 503: 'EntryAnswer' },
      handle() {
        const entry = api.entry();
        return { code: entry.isIn ? 200 : 503, body: entry };
      },
    },
    {
      ...look,
      path: '/access',
      isForAnyHost: false,
      summary: 'What whoever asks may do here.',
      replies: { 200: 'Access' },
      handle: ({ role, by }) => ({ code: 200, body: { role, by } }),
    },
    {
      ...look,
      path: '/in-force',
      summary: 'The view and the file this host decides by, for nlb plan.',
      replies: { 200: 'InForce', 409: 'VerbAnswer' },
      handle: () => inForce(api.inForce()),
    },
    {
      ...look,
      path: '/examination',
      summary: 'This host looks at itself, for nlb doctor; takes seconds.',
      replies: { 200: 'HostFacts' },
      handle: async () => ({ code: 200, body: await api.examination() }),
    },
    {
      ...look,
      path: '/history',
      summary: 'The views that were in force here, oldest first, at most 1,000.',
      query: [SINCE],
      replies: { 200: 'HistoryEntry[]' },
      handle: ({ url }) => history(api, url.searchParams.get('since')),
    },
  ];
}

function explainRoute(api: AdminApi): Route {
  return {
    method: 'GET',
    path: '/explain',
    role: 'read',
    summary: 'Which host owns a client, and why.',
    query: [
      { name: 'client', help: 'ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT', required: true },
      { name: 'port', help: '1-65535, the port it connects to', required: true },
      { name: 'protocol', help: 'tcp (unless given) or udp' },
      { name: 'to', help: 'the virtual IP it connects to; left out, any' },
      { name: 'at', help: 'a time: decided by the view of then' },
    ],
    replies: { 200: 'Explanation' },
    isForAnyHost: true,
    handle: ({ url }) => explain(api, url.searchParams),
  };
}

function verbRoute(api: AdminApi, verb: Verb): Route {
  return {
    method: 'POST',
    path: `/${verb}`,
    role: CONFIGURING.includes(verb) ? 'configure' : 'control',
    summary: VERB_TEXTS[verb],
    query: VERB_QUERY[verb] ?? [],
    replies: { 200: 'VerbAnswer', 409: 'VerbAnswer' },
    isForAnyHost: true,
    async handle({ url }) {
      const said = await api.verb(verb, url.searchParams);
      return { code: said.ok ? 200 : 409, body: said };
    },
  };
}

function inForce(inForce: InForce | null): Reply {
  return inForce === null
    ? { code: 409, body: no('There is no view yet; the hosts are still agreeing on the first') }
    : { code: 200, body: inForce };
}

async function history(api: AdminApi, since: string | null): Promise<Reply> {
  if (since !== null && !isTime(since)) return { code: 400, body: no(timeText('since', since)) };
  return { code: 200, body: await api.history(since) };
}

async function explain(api: AdminApi, asked: URLSearchParams): Promise<Reply> {
  const question = explainQuestion(asked);
  if (typeof question === 'string') return { code: 400, body: no(question) };
  try {
    return { code: 200, body: await api.explain(question) };
  } catch (error) {
    return { code: 400, body: no((error as Error).message) };
  }
}

/** @returns what is wrong with it, where something is */
function explainQuestion(asked: URLSearchParams): ExplainQuestion | string {
  const client = asked.get('client') ?? '';
  const port = Number(asked.get('port'));
  const protocol = asked.get('protocol') ?? 'tcp';
  const at = asked.get('at');
  if (client === '') return 'client is missing, expected ADDRESS or ADDRESS:PORT';
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return `port is ${asked.get('port') ?? 'missing'}, expected 1-65535`;
  }
  if (protocol !== 'tcp' && protocol !== 'udp') return `protocol is ${protocol}, expected tcp or udp`;
  if (at !== null && !isTime(at)) return timeText('at', at);
  return { client, port, protocol, to: asked.get('to'), at };
}

function isTime(text: string): boolean {
  return !Number.isNaN(Date.parse(text));
}

function timeText(name: string, text: string): string {
  return `${name} is ${text}, expected a time such as 2026-11-22T02:14:00Z`;
}
