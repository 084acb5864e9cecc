/**
 * A cluster file as lines `item<TAB>value`, sent to hosts that have another one, so that the difference is named with
 * both values instead of two fingerprints. Lines are ASCII; a file is a few packets.
 */
import { asciiBytes, asciiText } from './bytes.js';
import { failbackText, stickTimeText } from './config/stick-time.js';
import type { ClusterFile } from './types.js';

/** Less header, seal, instance and sequence this stays under a packet. */
const PART_BYTES_MAX = 1200;
/** BOUNDED: one line; 32 names of 24 bytes fit. */
const LINE_BYTES_MAX = 1150;
export const DIFFERENCES_MAX = 8;

export function fileItems(file: ClusterFile): Map<string, string> {
  const items = new Map<string, string>();
  items.set('mode', file.mode);
  items.set('listenOn', file.listenOn);
  items.set('virtualIps', file.virtualIps.join(' '));
  items.set('otherPorts', file.otherPorts ?? 'entryHost');
  items.set('hashSeed', `0x${file.hashSeed.toString(16)}`);
  items.set('ipv6PrefixLength', String(file.ipv6PrefixLength));
  items.set('heartbeat periodMs', String(file.heartbeat.periodMs));
  items.set('heartbeat missedMax', String(file.heartbeat.missedMax));
  for (const [name, port] of Object.entries(file.ports)) items.set(`port of ${name}`, String(port));
  for (const [item, value] of Object.entries(file.link ?? {})) items.set(item, JSON.stringify(value));
  items.set('hosts', file.hosts.map(({ name }) => name).join(' '));
  items.set('portRules', file.portRules.map(({ name }) => name).join(' '));
  for (const [item, value] of Object.entries(file.connectionLog ?? {})) {
    items.set(`connectionLog ${item}`, String(value).replace(/[^\x20-\x7e]/g, '?'));
  }
  for (const [item, value] of Object.entries(file.remoteControl ?? {})) {
    items.set(`remoteControl ${item}`, JSON.stringify(value).replace(/[^\x20-\x7e]/g, '?'));
  }
  for (const host of file.hosts) {
    items.set(`priority of ${host.name}`, String(host.priority));
    items.set(`dedicatedIp of ${host.name}`, host.dedicatedIp);
  }
  for (const rule of file.portRules) {
    const of = `port rule ${rule.name}`;
    items.set(`${of} ports`, `${rule.portFirst}-${rule.portLast}`);
    items.set(`${of} virtualIp`, rule.virtualIp ?? 'all');
    items.set(`${of} protocol`, rule.protocol);
    items.set(`${of} filteringMode`, rule.filteringMode);
    items.set(`${of} affinity`, rule.affinity);
    items.set(`${of} ownerPatienceMs`, String(rule.ownerPatienceMs));
    items.set(`${of} stickFor`, rule.stickForMs === undefined ? 'none' : stickTimeText(rule.stickForMs));
    items.set(`${of} failback`, failbackText(rule));
    for (const [name, weight] of Object.entries(rule.loadWeights))
      items.set(`${of} loadWeight of ${name}`, String(weight));
    for (const [name, priority] of Object.entries(rule.handlingPriorities)) {
      items.set(`${of} handlingPriority of ${name}`, String(priority));
    }
  }
  return items;
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
    if (ours === value || isOfStranger(item, items)) continue;
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
