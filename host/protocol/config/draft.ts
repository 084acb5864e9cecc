/**
 * The file as far as it is sound: single values that the schema accepted, defaults filled in, the rest left undefined.
 * So the checks between values can run over a file with mistakes in it, and all of them are told at once.
 */
import type { Affinity, FilteringMode, ServiceCheck, PersistedState } from '../types.js';
import { parseAddress } from './address.js';
import { DEFAULTS } from './defaults.js';
import { pathText, type YamlPath } from './finding.js';
import { type RemoteControlDraft, remoteControlDraft } from './remote-control.js';
import { isLinkMode, type LinkDraft, linkDraft } from './link.js';
import { type PortRange, parsePortRange } from './ports.js';
import { parseFailback, parseStickTime } from './stick-time.js';
import { valueAt } from './yaml-text.js';

export interface HostDraft {
  path: YamlPath;
  name?: string | undefined;
  priority?: number | undefined;
  dedicatedIp?: string | undefined;
  initialState?: PersistedState | undefined;
  persistedStates?: PersistedState[] | undefined;
}

export interface ServiceDraft {
  path: YamlPath;
  address?: string | undefined;
  proxyProtocol?: 'v1' | 'v2' | 'none' | undefined;
  trustsNobodyByAddress: boolean;
  checkExpect?: string | undefined;
  /** Keys under `check` that are written. */
  checkWritten: ReadonlySet<string>;
  check: Omit<ServiceCheck, 'expect'>;
}

export interface RuleDraft {
  path: YamlPath;
  name?: string | undefined;
  virtualIp: string | null;
  range?: PortRange | undefined;
  filteringMode?: FilteringMode | undefined;
  affinity?: Affinity | undefined;
  /** The sound ones; null for `equal`. */
  loadWeights: Record<string, number> | null;
  /** Hosts that are named under loadWeight, with a sound weight or not. */
  weightedHosts: ReadonlySet<string>;
  /** Null where the host priorities are taken. */
  handlingPriorities: Record<string, number> | null;
  ownerPatienceMs?: number | undefined;
  /** Undefined where clients are not remembered. */
  stickForMs?: number | undefined;
  /** 0 for at once. */
  failback?: number | 'never' | undefined;
  /** Undefined where there is none, or where it is no map. */
  service?: ServiceDraft | undefined;
  /** Keys that are written, sound or not. */
  written: ReadonlySet<string>;
}

export interface Draft {
  link: LinkDraft;
  /** Null where it is off. */
  remoteControl: RemoteControlDraft | null;
  /** Implied in the modes arp and multicast. */
  listenOn?: 'dedicatedIp' | 'virtualIp' | undefined;
  isListenOnWritten: boolean;
  virtualIps: { path: YamlPath; address: string }[];
  heartbeat: { periodMs: number; missedMax: number };
  ports: { heartbeat: number; handoff: number; channel: number; page: number; redirect?: number };
  otherPorts?: 'entryHost' | 'defaultHost' | undefined;
  isOtherPortsWritten: boolean;
  hosts: HostDraft[];
  rules: RuleDraft[];
}

/** Sound values under the places they stand at; undefined for what is missing or was complained of. */
export class Sound {
  constructor(
    private readonly root: unknown,
    private readonly bad: ReadonlySet<string>,
  ) {}

  get<T>(...path: YamlPath): T | undefined {
    if (this.bad.has(pathText(path))) return undefined;
    const value = valueAt(this.root, path);
    return value === null ? undefined : (value as T | undefined);
  }

  or<T>(fallback: T, ...path: YamlPath): T {
    return this.get<T>(...path) ?? fallback;
  }

  /** Paths of the elements of a list; none where there is no list. */
  elements(...path: YamlPath): YamlPath[] {
    const list = valueAt(this.root, path);
    return Array.isArray(list) ? list.map((_, index) => [...path, index]) : [];
  }

  /** The sound entries of a map, or null where there is no map. */
  entries<T>(...path: YamlPath): Record<string, T> | null {
    const map = this.get<unknown>(...path);
    if (map === undefined || typeof map !== 'object' || Array.isArray(map)) return null;
    const sound = Object.keys(map as object).filter((key) => this.get(...path, key) !== undefined);
    return Object.fromEntries(sound.map((key) => [key, this.get<T>(...path, key)!]));
  }

  keys(...path: YamlPath): ReadonlySet<string> {
    const map = valueAt(this.root, path);
    return new Set(map !== null && typeof map === 'object' ? Object.keys(map) : []);
  }
}

export function draftOf(sound: Sound): Draft {
  const { heartbeat, ports } = DEFAULTS;
  const link = linkDraft(sound);
  // A file that is no map is told of once, and not key by key.
  const isListenOnWritten = sound.entries() === null || sound.keys().has('listenOn');
  const implied = isLinkMode(link.mode) && !isListenOnWritten ? 'virtualIp' : undefined;
  const redirect = sound.get<number>('ports', 'redirect');
  return {
    link,
    remoteControl: remoteControlDraft(sound),
    listenOn: sound.get('listenOn') ?? implied,
    isListenOnWritten,
    virtualIps: sound.elements('virtualIps').flatMap((path) => {
      const address = oneSpelling(sound.get(...path));
      return address === undefined ? [] : [{ path, address }];
    }),
    heartbeat: {
      periodMs: sound.or<number>(heartbeat.periodMs, 'heartbeat', 'periodMs'),
      missedMax: sound.or<number>(heartbeat.missedMax, 'heartbeat', 'missedMax'),
    },
    ports: {
      heartbeat: sound.or<number>(ports.heartbeat, 'ports', 'heartbeat'),
      handoff: sound.or<number>(ports.handoff, 'ports', 'handoff'),
      channel: sound.or<number>(ports.channel, 'ports', 'channel'),
      page: sound.or<number>(ports.page, 'ports', 'page'),
      ...(redirect === undefined ? {} : { redirect }),
    },
    otherPorts: sound.get('otherPorts'),
    isOtherPortsWritten: sound.keys().has('otherPorts'),
    hosts: sound.elements('hosts').map((path) => ({
      path,
      name: sound.get(...path, 'name'),
      priority: sound.get(...path, 'priority'),
      dedicatedIp: oneSpelling(sound.get(...path, 'dedicatedIp')),
      initialState: sound.get(...path, 'initialState'),
      persistedStates: sound.get(...path, 'persistedStates'),
    })),
    rules: sound.elements('portRules').map((path) => ruleDraft(sound, path)),
  };
}

function ruleDraft(sound: Sound, path: YamlPath): RuleDraft {
  const ports = sound.get<string | number>(...path, 'ports');
  const written = sound.keys(...path);
  const orDefault = <T>(key: string, fallback: T): T | undefined =>
    written.has(key) ? sound.get<T>(...path, key) : fallback;
  const affinity = orDefault<Affinity | 'network'>('affinity', DEFAULTS.affinity);
  return {
    path,
    name: sound.get(...path, 'name'),
    virtualIp: oneSpelling(sound.get(...path, 'virtualIp')) ?? null,
    range: ports === undefined ? undefined : (parsePortRange(ports) ?? undefined),
    filteringMode: orDefault<FilteringMode>('filteringMode', DEFAULTS.filteringMode),
    affinity: affinity === 'network' ? 'classC' : affinity,
    loadWeights: sound.entries<number>(...path, 'loadWeight'),
    weightedHosts: sound.keys(...path, 'loadWeight'),
    handlingPriorities: sound.entries<number>(...path, 'handlingPriority'),
    ownerPatienceMs: sound.get(...path, 'ownerPatienceMs'),
    stickForMs: timeOf(sound.get(...path, 'stickFor'), parseStickTime),
    failback: timeOf(sound.get(...path, 'failback'), parseFailback),
    service: sound.entries(...path, 'service') === null ? undefined : serviceDraft(sound, [...path, 'service']),
    written,
  };
}

function timeOf<T>(text: string | undefined, parse: (text: string) => T | null): T | undefined {
  return text === undefined ? undefined : (parse(text) ?? undefined);
}

function serviceDraft(sound: Sound, path: YamlPath): ServiceDraft {
  const { kind, periodMs, timeoutMs, failuresMax } = DEFAULTS.check;
  const period = sound.or<number>(periodMs, ...path, 'check', 'periodMs');
  const expect = sound.get<string | number>(...path, 'check', 'expect');
  const port = sound.get<number>(...path, 'check', 'port');
  return {
    path,
    address: sound.get(...path, 'address'),
    proxyProtocol: sound.get(...path, 'proxyProtocol'),
    trustsNobodyByAddress: sound.or<boolean>(false, ...path, 'trustsNobodyByAddress'),
    checkExpect: expect === undefined ? undefined : String(expect),
    checkWritten: sound.keys(...path, 'check'),
    check: {
      kind: sound.or<ServiceCheck['kind']>(kind, ...path, 'check', 'kind'),
      periodMs: period,
      timeoutMs: sound.or<number>(Math.min(timeoutMs, period), ...path, 'check', 'timeoutMs'),
      failuresMax: sound.or<number>(failuresMax, ...path, 'check', 'failuresMax'),
      ...(port === undefined ? {} : { port }),
    },
  };
}

function oneSpelling(address: string | undefined): string | undefined {
  return address === undefined ? undefined : parseAddress(address)?.text;
}
