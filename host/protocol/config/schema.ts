/**
 * The JSON Schema of the cluster file. docs/cluster-file.schema.json is this object, kept equal by a test, so that an
 * editor can complete and underline while somebody types.
 *
 * `x-expected` is what a message says was expected; where it is missing the message is made from the schema itself.
 * The formats `ip-address`, `port-range`, `service-address`, `stick-time` and `rule-failback` are ours (schema-formats.ts).
 */
import { DEFAULTS } from './defaults.js';
import { LINK_SCHEMA } from './link.js';
import { CONNECTION_LOG_SCHEMA } from './connection-log.js';
import { REMOTE_CONTROL_SCHEMA } from './remote-control.js';

const hostName = {
  type: 'string',
  pattern: '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$',
  'x-expected': 'a host name of a-z, 0-9 and inner hyphens, at most 32 characters',
} as const;

const port = { type: 'integer', minimum: 1, maximum: 65535, 'x-expected': 'a port 1-65535' } as const;
const hostAddress = { type: 'string', format: 'ip-address', 'x-expected': 'an IP address of one host' } as const;

export const LISTEN_ON_EXPECTED =
  "dedicatedIp (DNS with one address a host) or virtualIp (an upstream router spreads the virtual IPs' clients)";

function milliseconds(minimum: number, maximum: number, description: string) {
  const expected = `a whole number of milliseconds ${minimum}-${maximum}`;
  return { type: 'integer', minimum, maximum, description, 'x-expected': expected } as const;
}

const heartbeat = {
  type: 'object',
  additionalProperties: false,
  properties: {
    periodMs: {
      ...milliseconds(100, 10_000, 'How often each host says that it is there. Less finds a lost host sooner.'),
      default: DEFAULTS.heartbeat.periodMs,
    },
    missedMax: {
      type: 'integer',
      minimum: 5,
      maximum: 100,
      default: DEFAULTS.heartbeat.missedMax,
      description: 'Heartbeats a host may miss before it is lost. More rides out longer stalls and delays takeovers.',
    },
  },
} as const;

const ports = {
  type: 'object',
  additionalProperties: false,
  description: 'Ports of the sidecar itself, the same on every host.',
  properties: {
    heartbeat: { ...port, default: DEFAULTS.ports.heartbeat, description: 'UDP, on the dedicated address' },
    handoff: { ...port, default: DEFAULTS.ports.handoff, description: 'TCP, on the dedicated address: Envoy to Envoy' },
    channel: {
      ...port,
      default: DEFAULTS.ports.channel,
      description: 'TCP, on the dedicated address; the host channel',
    },
    page: { ...port, default: DEFAULTS.ports.page, description: 'TCP, on 127.0.0.1: the page' },
    redirect: {
      ...port,
      default: DEFAULTS.redirectPort,
      description:
        'TCP, where rules listen: what the kernel redirects to, of rules beyond 1,024 listeners and otherPorts',
    },
  },
} as const;

const host = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'priority', 'dedicatedIp'],
  properties: {
    name: { ...hostName, description: 'What owners are computed from: changing it moves its clients.' },
    priority: { type: 'integer', minimum: 1, maximum: 32, description: 'Unique; 1 is the highest. Orders hosts only.' },
    dedicatedIp: { ...hostAddress, description: 'The address that belongs to this host alone.' },
    initialState: {
      enum: ['started', 'stopped', 'suspended'],
      default: 'started',
      description: 'What this host is where no state of it is kept: at its first start, or with persistedStates.',
    },
    persistedStates: {
      type: 'array',
      uniqueItems: true,
      items: { enum: ['started', 'stopped', 'suspended'] },
      'x-expected': 'a list of started, stopped and suspended',
      description:
        'States of this host that are kept over a start of its machine; in others it has initialState then. Left out: all.',
    },
  },
} as const;

const check = {
  type: 'object',
  additionalProperties: false,
  description: 'How a host finds out whether its service works; a host whose service does not leaves the rule.',
  properties: {
    kind: { enum: ['connect', 'banner', 'none'], default: DEFAULTS.check.kind },
    expect: {
      type: ['string', 'integer'],
      minLength: 1,
      maxLength: 64,
      minimum: 0,
      'x-expected': 'how the banner starts, 1-64 characters such as 220',
    },
    periodMs: { ...milliseconds(100, 60_000, 'From check to check.'), default: DEFAULTS.check.periodMs },
    timeoutMs: { ...milliseconds(50, 60_000, 'At most periodMs.'), default: DEFAULTS.check.timeoutMs },
    failuresMax: { type: 'integer', minimum: 1, maximum: 10, default: DEFAULTS.check.failuresMax },
    port: { ...port, description: 'The port that is asked where the address has {port} and the rule a range.' },
  },
} as const;

const service = {
  type: 'object',
  additionalProperties: false,
  required: ['address', 'proxyProtocol'],
  properties: {
    address: {
      type: 'string',
      format: 'service-address',
      'x-expected':
        "address:port, [IPv6 address]:port or unix:/path (at most 107 bytes), with {dedicatedIp} and {name} for the host's own, and {port} for the port of the client's choice",
    },
    proxyProtocol: {
      enum: ['v2', 'v1', 'none'],
      'x-expected':
        "v2, v1 or none; it has no default, because with none the service sees Envoy's address in place of the client's",
    },
    trustsNobodyByAddress: {
      type: 'boolean',
      default: false,
      description: 'Your word that the service gives no address more rights than others; for `none` on a mail port.',
    },
    check,
  },
} as const;

const portRule = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'ports'],
  properties: {
    name: {
      type: 'string',
      pattern: '^[a-z0-9-]{1,24}$',
      'x-expected': 'a rule name of a-z, 0-9 and hyphens, at most 24 characters',
    },
    virtualIp: { ...hostAddress, 'x-expected': 'one of virtualIps', description: 'Left out: all virtual IPs.' },
    ports: {
      type: ['integer', 'string'],
      format: 'port-range',
      minimum: 1,
      maximum: 65535,
      'x-expected': 'a port 1-65535, or a range such as 1000-1099',
    },
    protocol: { enum: ['tcp'], default: DEFAULTS.protocol },
    filteringMode: { enum: ['multiple', 'single', 'disabled'], default: DEFAULTS.filteringMode },
    affinity: {
      enum: ['none', 'single', 'classC', 'network'],
      default: DEFAULTS.affinity,
      description: 'Which part of the client chooses its host. `network` is `classC`.',
    },
    loadWeight: {
      type: ['string', 'object'],
      pattern: '^equal$',
      propertyNames: hostName,
      additionalProperties: { type: 'integer', minimum: 0, maximum: 100, 'x-expected': 'a load weight 0-100' },
      'x-expected': 'equal, or a load weight 0-100 for each host such as {mail1: 60, mail2: 40}',
      default: 'equal',
    },
    handlingPriority: {
      type: 'object',
      minProperties: 1,
      propertyNames: hostName,
      additionalProperties: { type: 'integer', minimum: 1, maximum: 32, 'x-expected': 'a handling priority 1-32' },
      'x-expected': 'a handling priority 1-32 by host such as {mail1: 1, mail2: 2}',
      description: 'For filteringMode single; left out, the host priorities are taken.',
    },
    ownerPatienceMs: milliseconds(100, 30_000, 'How long a silent owner is waited for.'),
    stickFor: {
      type: 'string',
      format: 'stick-time',
      'x-expected': 'a time from 1s to 24h such as 90s, 30m or 4h',
      description: 'How long after its last connection a client is not taken from its host by one that comes.',
    },
    failback: {
      type: 'string',
      format: 'rule-failback',
      default: 'immediate',
      'x-expected': 'immediate, never, or slowly and a time from 1s to 24h such as slowly 10m',
      description:
        'How a host that comes or comes back gets its clients: at once, in eighths of its weight over a time, or not before another host leaves or nlb start --now.',
    },
    service,
  },
} as const;

export const CLUSTER_FILE_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'envoy-nlb cluster file',
  type: 'object',
  'x-expected': 'a map of settings',
  additionalProperties: false,
  required: ['cluster', 'mode', 'hashSeed', 'hosts', 'portRules'],
  properties: {
    cluster: {
      type: 'string',
      maxLength: 253,
      pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$',
      'x-expected': 'a full internet name in lower case such as mail.example.org',
    },
    mode: {
      enum: ['routed', 'arp', 'multicast'],
      description: 'How packets for the cluster come to the hosts; the same on all of them.',
    },
    listenOn: {
      enum: ['dedicatedIp', 'virtualIp'],
      'x-expected': LISTEN_ON_EXPECTED,
      description: 'Needed in mode routed. In the modes arp and multicast it is virtualIp.',
    },
    virtualIps: {
      type: 'array',
      maxItems: 32,
      items: { ...hostAddress, 'x-expected': 'an IP address' },
      'x-expected': 'a list of IP addresses',
    },
    hashSeed: {
      type: 'integer',
      minimum: 0,
      maximum: 4294967295,
      'x-expected': 'a whole number 0-4294967295 (0x00000000-0xffffffff), made by `nlb init`',
    },
    ipv6PrefixLength: { type: 'integer', minimum: 1, maximum: 128, default: DEFAULTS.ipv6PrefixLength },
    keyFile: {
      type: 'string',
      minLength: 1,
      default: DEFAULTS.keyFile,
      'x-expected': 'the path of the cluster key, relative to this file',
    },
    ...LINK_SCHEMA,
    heartbeat,
    ports,
    otherPorts: {
      enum: ['entryHost', 'defaultHost'],
      default: DEFAULTS.otherPorts,
      description:
        'Who takes TCP connections to a virtual IP that no port rule covers: programs of the host they come to, or those of the default host.',
    },
    remoteControl: REMOTE_CONTROL_SCHEMA,
    connectionLog: CONNECTION_LOG_SCHEMA,
    hosts: { type: 'array', minItems: 1, maxItems: 32, items: host, 'x-expected': 'a list of 1-32 hosts' },
    portRules: { type: 'array', minItems: 1, maxItems: 32, items: portRule, 'x-expected': 'a list of 1-32 port rules' },
  },
} as const;
