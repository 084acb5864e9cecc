/**
 * A cluster file as lines `item<TAB>value`, sent to hosts that have another one, so that the difference is named with
 * both values instead of two fingerprints. Lines are ASCII; a file is a few packets.
 */
import { asciiBytes, asciiText } from './bytes.js';
import { failbackText, stickTimeText } from './config/stick-time.js';
import type { ClusterFile, PortRule } from './types.js';

/** Less header, seal, instance and sequence this stays under a packet. */
const PART_BYTES_MAX = 1200;
/** BOUNDED: one line; 32 names of 24 bytes fit. */
const LINE_BYTES_MAX = 1150;
export const DIFFERENCES_MAX = 8;

export function fileItems(file: ClusterFile): Map<string, string> {
  const items = new Map<string, string>();
  const set = (item: string, value: unknown): void => void items.set(item, valueText(value));
  items.set('mode', file.mode);
  items.set('listenOn', file.listenOn);
  items.set('virtualIps', file.virtualIps.join(' '));
  items.set('otherPorts', file.otherPorts ?? 'entryHost');
  items.set('hashSeed', `0x${file.hashSeed.toString(16)}`);
  items.set('ipv6PrefixLength', String(file.ipv6PrefixLength));
  set('keyFile', file.keyFile);
  items.set('heartbeat periodMs', String(file.heartbeat.periodMs));
  items.set('heartbeat missedMax', String(file.heartbeat.missedMax));
  for (const [name, port] of Object.entries({ redirect: 'none', ...file.ports })) set(`port of ${name}`, port);
  items.set('hosts', file.hosts.map(({ name }) => name).join(' '));
  items.set('portRules', file.portRules.map(({ name }) => name).join(' '));
  for (const [key, value] of Object.entries(file.link ?? {})) set(key, value);
  for (const part of ['connectionLog', 'remoteControl'] as const) {
    set(part, file[part] === undefined ? 'off' : 'on');
    for (const [key, value] of Object.entries(file[part] ?? {})) set(`${part} ${key}`, value);
  }
  for (const { name, ...host } of file.hosts) {
    for (const [key, value] of Object.entries({ ...NO_HOST_KEYS, ...host })) set(`${key} of ${name}`, value);
  }
  for (const rule of file.portRules) addRule(rule, set);
  return items;
}

/** Keys that may be missing: also what only the own file has is different. */
const NO_HOST_KEYS = { initialState: 'started', persistedStates: 'all' };
const NO_CHECK_KEYS = { port: 'none' };

function addRule(rule: PortRule, set: (item: string, value: unknown) => void): void {
  const { name, portFirst, portLast, virtualIp, loadWeights, handlingPriorities, service, ...more } = rule;
  const { stickForMs, failbackMs: _failbackMs, failback: _failback, ...rest } = more;
  const of = `port rule ${name}`;
  set(`${of} ports`, `${portFirst}-${portLast}`);
  set(`${of} virtualIp`, virtualIp ?? 'all');
  for (const [key, value] of Object.entries(rest)) set(`${of} ${key}`, value);
  set(`${of} stickFor`, stickForMs === undefined ? 'none' : stickTimeText(stickForMs));
  set(`${of} failback`, failbackText(rule));
  for (const [host, weight] of Object.entries(loadWeights)) set(`${of} loadWeight of ${host}`, weight);
  for (const [host, priority] of Object.entries(handlingPriorities)) set(`${of} handlingPriority of ${host}`, priority);
  if (service === null) return;
  const { check, ...settings } = service;
  for (const [key, value] of Object.entries(settings)) set(`${of} service ${key}`, value);
  for (const [key, value] of Object.entries({ ...NO_CHECK_KEYS, ...check })) set(`${of} check ${key}`, value);
}

/** Lines are ASCII. */
function valueText(value: unknown): string {
  const text = value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.replace(/[^\x20-\x7e]/g, '?');
}

/** Parts of whole lines, each below 1,200 bytes. */
export function fileParts(file: ClusterFile): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let text = '';
  for (const [item, value] of fileItems(file)) {
    const line = `${item}\t${value}`.slice(0, LINE_BYTES_MAX);
    if (text.length + line.length + 1 > PART_BYTES_MAX) {
      parts.push(textBytes(text));
      text = '';
    }
    text += text === '' ? line : `\n${line}`;
  }
  parts.push(textBytes(text));
  return parts;
}

/** A sentence but for whose file this host's is: `host mail3: port rule smtp has affinity none, the cluster has single`. */
export interface Difference {
  item: string;
  before: string;
  after: string;
}

/** @param isOdd this host is outside: what it has is not what the cluster has */
export function differenceText({ before, after }: Difference, isOdd: boolean): string {
  return `${before}${isOdd ? 'this host' : 'the cluster'}${after}`;
}

/** Names in a row, of which each file may have others. */
const LISTS: Readonly<Record<string, string>> = {
  hosts: 'host',
  virtualIps: 'virtual IP',
  portRules: 'port rule',
};

export function differencesIn(host: string, part: Uint8Array, own: ClusterFile): Difference[] {
  const items = fileItems(own);
  const found: Difference[] = [];
  for (const line of partLines(part)) {
    const [item, value] = line.split('\t');
    if (item === undefined || value === undefined || item.length > 100 || value.length > LINE_BYTES_MAX) continue;
    const ours = items.get(item);
    const isSaidElsewhere = isOfStranger(item, items) || (ours === undefined && FOLLOWING.test(item));
    if (ours === value || isSaidElsewhere) continue;
    const kind = LISTS[item];
    if (kind !== undefined) found.push(...listDifferences(host, kind, value, ours ?? ''));
    else found.push({ item, before: `host ${host}${theirs(item, value)}, `, after: ` has ${ours ?? 'none'}` });
  }
  return found.slice(0, DIFFERENCES_MAX);
}

/** `: port rule smtp has affinity none`, `: the priority of mail2 is 3`, ` has mode arp`. */
function theirs(item: string, value: string): string {
  const ofRule = /^(port rule \S+) (.+)$/.exec(item);
  if (ofRule !== null) return `: ${ofRule[1]} has ${ofRule[2]} ${value}`;
  return / of /.test(item) ? `: the ${item} is ${value}` : ` has ${item} ${value}`;
}

/** What only one side has, once for each name; of what it is in particular there is nothing to compare. */
function listDifferences(host: string, kind: string, theirs: string, ours: string): Difference[] {
  const [there, here] = [theirs.split(' '), ours.split(' ')];
  const more = there.filter((name) => name !== '' && !here.includes(name)).map((name) => `${kind} ${name}`);
  const less = here.filter((name) => name !== '' && !there.includes(name)).map((name) => `${kind} ${name}`);
  const before = (lists: string): string => `host ${host}: its file ${lists}, that of `;
  if (more.length === 0 && less.length === 0) {
    // Hosts are in the order of their priorities, which are told themselves.
    if (kind === 'host') return [];
    const [was, is] = [there.join(', '), here.join(', ')];
    return [{ item: `order of ${kind}s`, before: before(`has the ${kind}s as ${was}`), after: ` as ${is}` }];
  }
  return [
    ...more.map((item) => ({ item, before: before(`lists ${item}`), after: ' does not' })),
    ...less.map((item) => ({ item, before: before(`does not list ${item}`), after: ' does' })),
  ];
}

/** Of a rule or host that the own file does not list: that alone is said. */
function isOfStranger(item: string, own: ReadonlyMap<string, string>): boolean {
  const rule = /^port rule (\S+) /.exec(item)?.[1];
  if (rule !== undefined && !own.get('portRules')!.split(' ').includes(rule)) return true;
  const host = /^(?:port rule .+ )?(?:\w+) of (\S+)$/.exec(item)?.[1];
  return host !== undefined && !item.startsWith('port of ') && !own.get('hosts')!.split(' ').includes(host);
}

/** Items that the own file need not have: that the mode, the filtering mode or the whole part is another says it. */
const FOLLOWING =
  /^(interfaces|failback|outgoing|(connectionLog|remoteControl) .+|port rule \S+ (service|check|loadWeight|handlingPriority) .+)$/;

/** Tab and newline do not survive `asciiText`, so lines are cut as bytes. */
function partLines(part: Uint8Array): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let i = 0; i <= part.length; i++) {
    if (i < part.length && part[i] !== 0x0a) continue;
    const line = part.subarray(start, i);
    const tab = line.indexOf(0x09);
    if (tab > 0) lines.push(`${asciiText(line.subarray(0, tab))}\t${asciiText(line.subarray(tab + 1))}`);
    start = i + 1;
  }
  return lines;
}

function textBytes(text: string): Uint8Array {
  return asciiBytes(text);
}
