/**
 * A cluster file as lines `item<TAB>value`, sent to hosts that have another one, so that the difference is named with
 * both values instead of two fingerprints. Lines are ASCII; a file is a few packets.
 */
import { asciiBytes, asciiText } from './bytes.js';
import type { ClusterFile } from './types.js';

/** Less header, seal, instance and sequence this stays under a packet. */
const PART_BYTES_MAX = 1200;
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
  for (const host of file.hosts) {
    items.set(`host ${host.name}`, 'listed');
    items.set(`priority of ${host.name}`, String(host.priority));
    items.set(`dedicatedIp of ${host.name}`, host.dedicatedIp);
  }
  for (const rule of file.portRules) {
    const of = `port rule ${rule.name}`;
    items.set(of, 'listed');
    items.set(`${of} ports`, `${rule.portFirst}-${rule.portLast}`);
    items.set(`${of} virtualIp`, rule.virtualIp ?? 'all');
    items.set(`${of} protocol`, rule.protocol);
    items.set(`${of} filteringMode`, rule.filteringMode);
    items.set(`${of} affinity`, rule.affinity);
    items.set(`${of} ownerPatienceMs`, String(rule.ownerPatienceMs));
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
    const line = `${item}\t${value}`.slice(0, 400);
    if (text.length + line.length + 1 > PART_BYTES_MAX) {
      parts.push(textBytes(text));
      text = '';
    }
    text += text === '' ? line : `\n${line}`;
  }
  parts.push(textBytes(text));
  return parts;
}

/**
 * @param whose `the cluster`, or `this host` where this one is outside
 * @returns     whole sentences: `host mail3: port rule smtp has affinity none, the cluster has single`
 */
export function differencesIn(host: string, part: Uint8Array, own: ClusterFile, whose: string): string[] {
  const items = fileItems(own);
  const sentences: string[] = [];
  for (const line of partLines(part)) {
    const [item, value] = line.split('\t');
    if (item === undefined || value === undefined || item.length > 100 || value.length > 300) continue;
    const ours = items.get(item);
    if (ours === value) continue;
    const subject = /^(port rule \S+) (.+)$/.exec(item);
    const what = subject === null ? `has ${item} ${value}` : `${subject[1]} has ${subject[2]} ${value}`;
    const colon = subject === null ? '' : ':';
    sentences.push(`host ${host}${colon} ${what}, ${whose} has ${ours ?? 'none'}`);
  }
  return sentences.slice(0, DIFFERENCES_MAX);
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
