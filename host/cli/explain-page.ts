/** An explanation as a page of text. */
import type { ExplainedHost, Explanation } from '../admin/explain.js';
import { table, timeText, wrapped } from './output.js';
import { absenceText } from './status-text.js';

const KEY_WORDS = {
  none: 'client address and port',
  single: 'client address',
  classC: 'client address, cut to its network',
} as const;
const MODE_WORDS = { multiple: 'multiple hosts', single: 'single host', disabled: 'disabled' } as const;
const PLACE_WORDS = {
  kept: 'kept here',
  owner: 'owner',
  nextOwner: 'next owner',
  later: '',
  takesNoPart: 'takes no part',
} as const;

export function explanationPage(explanation: Explanation, source = sourceText(explanation)): string {
  const { text, key, rule, hosts } = explanation;
  const why = rule === null ? '' : `${factLines(rule, key)}\n${hostTable(hosts, rule)}\n`;
  return `${wrapped(text)}\n${why}${wrapped(source)}`;
}

/** @param where  the hosts that decide so */
export function sourceText({ viewNumber, entryHost, past }: Explanation, where = entryHost): string {
  if (viewNumber === null) return 'From the file alone: every host counts as there and well.';
  return `Decided by view ${viewNumber}, as in force on ${where}${past === undefined ? '' : pastText(past)}.`;
}

function pastText({ at, since }: NonNullable<Explanation['past']>): string {
  return ` at ${timeText(at)} (since ${timeText(since)})`;
}

function factLines(rule: NonNullable<Explanation['rule']>, key: Explanation['key']): string {
  const facts = [['rule', `${rule.name}, ${MODE_WORDS[rule.filteringMode]}`]];
  if (rule.filteringMode === 'multiple') facts.push(['affinity', `${rule.affinity}: ${KEY_WORDS[rule.affinity]}`]);
  if (key !== null) {
    facts.push(['key', key.bytesHex]);
    facts.push(['hash', `${hex32(key.hash)}, with hash seed ${hex32(key.hashSeed)}`]);
    facts.push(['bucket', `${key.bucket} of 0-65535, the hash's top 16 bits`]);
  }
  return facts.map(([name, value]) => `  ${name!.padEnd(10)}${value}\n`).join('');
}

function hostTable(hosts: readonly ExplainedHost[], rule: NonNullable<Explanation['rule']>): string {
  if (rule.filteringMode === 'multiple') {
    const rows = hosts.map((host) => [
      host.name,
      String(host.loadWeight),
      host.draw === null ? '-' : hex32(host.draw),
      host.cost === null ? '-' : host.cost.toFixed(6),
      placeText(host),
    ]);
    return table(['HOST', 'WEIGHT', 'DRAW', 'COST (least owns)', ''], rows);
  }
  const rows = hosts.map((host) => [
    host.name,
    host.handlingPriority === 0 ? '-' : String(host.handlingPriority),
    placeText(host),
  ]);
  return table(['HOST', 'HANDLING PRIORITY', ''], rows);
}

function placeText({ place, absence, standsInFor }: ExplainedHost): string {
  if (absence === null)
    return standsInFor === undefined ? PLACE_WORDS[place] : `${PLACE_WORDS[place]}, for ${standsInFor}`;
  return `takes no part: ${absence === 'notInView' ? 'not in the view' : absenceText(absence)}`;
}

function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
