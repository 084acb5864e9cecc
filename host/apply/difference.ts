/** Two cluster files, checked and filled in, as the sentences of what changes from one to the other. Pure. */
import type { ClusterFile } from '../protocol/types.js';

/** BOUNDED: sentences; whoever changes more reads the file. */
export const SENTENCES_MAX = 200;

type Items = Map<string, string>;

/** `port rule smtp: loadWeights mail1 50 -> 30`, `host mail4 is added`; empty where nothing that counts differs. */
export function differenceOf(before: ClusterFile, after: ClusterFile): string[] {
  const sentences = [
    ...changes('', itemsOf(withoutLists(before)), itemsOf(withoutLists(after))),
    ...named('host', before.hosts, after.hosts),
    ...named('port rule', before.portRules, after.portRules),
    ...orderOf(before, after),
  ];
  return sentences.slice(0, SENTENCES_MAX);
}

function withoutLists(file: ClusterFile): object {
  const { hosts: _hosts, portRules: _portRules, ...rest } = file;
  return rest;
}

function named(kind: string, before: readonly { name: string }[], after: readonly { name: string }[]): string[] {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names.flatMap((name) => {
    const [was, is] = [before, after].map((list) => list.find((each) => each.name === name));
    if (was === undefined) return [`${kind} ${name} is added`];
    if (is === undefined) return [`${kind} ${name} is taken out`];
    return changes(`${kind} ${name}: `, itemsOf(was), itemsOf(is));
  });
}

/** Among rules the order decides nothing, but it is part of the view's bytes and of the fingerprint. */
function orderOf(before: ClusterFile, after: ClusterFile): string[] {
  const common = (list: ClusterFile, other: ClusterFile) =>
    list.portRules.map(({ name }) => name).filter((name) => other.portRules.some((rule) => rule.name === name));
  const [was, is] = [common(before, after).join(', '), common(after, before).join(', ')];
  return was === is ? [] : [`order of port rules ${was} -> ${is}`];
}

function changes(prefix: string, before: Items, after: Items): string[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].filter((key) => key !== 'name');
  return keys
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => `${prefix}${key} ${before.get(key) ?? 'none'} -> ${after.get(key) ?? 'none'}`);
}

/** `service check periodMs` -> `1000`: one entry for each single value, lists of values as one. */
function itemsOf(value: object, path = '', items: Items = new Map()): Items {
  for (const [key, part] of Object.entries(value)) {
    const at = path === '' ? key : `${path} ${key}`;
    if (part !== null && typeof part === 'object' && !Array.isArray(part)) itemsOf(part, at, items);
    else items.set(at, textOf(part));
  }
  return items;
}

function textOf(value: unknown): string {
  if (value === null || value === '') return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((each) => textOf(each)).join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
