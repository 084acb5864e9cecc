/**
 * What a table of ours in the kernel holds, and the text of one transaction that makes one state of it out of another. Pure.
 * Only what differs is written: whole chains, single elements.
 */
import { hostLabel, pairLabel } from './labels.js';

/**
 * A map of buckets: by bucket the label, as (first << 8 | second) of a ranking or as a host's number alone; 0: no element.
 * Numbers and no texts, since there are 65,536 of them.
 */
export type BucketLabels = Uint16Array;

export type Elements = ReadonlyMap<string, string>;

export interface TableMap {
  type: string;
  elements: Elements | BucketLabels;
}

export interface TableState {
  /** Declarations of sets, maps and counters that others fill, by `set NAME`, `map NAME`, `counter NAME`. */
  sets: ReadonlyMap<string, string>;
  /** Maps we fill, by name. */
  maps: ReadonlyMap<string, TableMap>;
  /** Rules by chain; the first line of `entry` is its hook. */
  chains: ReadonlyMap<string, readonly string[]>;
}

export const EMPTY_STATE: TableState = { sets: new Map(), maps: new Map(), chains: new Map() };
/** The base chain. */
export const ENTRY = 'entry';

/** Elements of one command: nft reads a long line slower than its square root would have it. */
const ELEMENTS_A_LINE = 4096;

interface Change {
  removed: string[];
  added: string[];
}

export interface Transaction {
  text: string;
  /** Elements removed and added. */
  elementCount: number;
}

/** @param table  family and name, as `netdev envoy_nlb_handoff_mail` */
export function transactionOf(table: string, before: TableState, after: TableState): Transaction {
  const lines: string[] = [`add table ${table}`];
  let elementCount = 0;
  for (const [name, declaration] of after.sets) {
    if (!before.sets.has(name)) lines.push(`add ${withTable(name, table)}${declaration && ` { ${declaration} }`}`);
  }
  for (const [name, { type }] of after.maps) {
    if (!before.maps.has(name)) lines.push(`add map ${table} ${name} { ${type} }`);
  }
  for (const [name, { elements }] of after.maps) {
    const { removed, added } = changeOfElements(before.maps.get(name)?.elements, elements);
    elementCount += removed.length + added.length;
    lines.push(...elementLines(`delete element ${table} ${name}`, removed));
    lines.push(...elementLines(`add element ${table} ${name}`, added));
  }
  lines.push(...chainLines(table, before.chains, after.chains));
  const gone = [...before.maps.keys()].filter((name) => !after.maps.has(name));
  lines.push(...gone.map((name) => `delete map ${table} ${name}`));
  return { text: `${lines.join('\n')}\n`, elementCount };
}

/** `set lease` to `set TABLE lease`. */
function withTable(name: string, table: string): string {
  const [kind, own] = name.split(' ');
  return `${kind} ${table} ${own}`;
}

function chainLines(table: string, before: TableState['chains'], after: TableState['chains']): string[] {
  const changed = [...after].filter(([name, lines]) => before.get(name)?.join('\n') !== lines.join('\n'));
  const gone = [...before.keys()].filter((name) => !after.has(name));
  const declared = changed.map(([name, lines]) => {
    const hook = name === ENTRY && !before.has(name) ? ` { ${lines[0]} }` : '';
    return before.has(name) ? `flush chain ${table} ${name}` : `add chain ${table} ${name}${hook}`;
  });
  const rules = changed.flatMap(([name, lines]) => {
    return (name === ENTRY ? lines.slice(1) : lines).map((line) => `add rule ${table} ${name} ${line}`);
  });
  // Nothing may refer to a chain that goes.
  const emptied = gone.map((name) => `flush chain ${table} ${name}`);
  return [...declared, ...emptied, ...rules, ...gone.map((name) => `delete chain ${table} ${name}`)];
}

/** `command` with so many elements at a time; none where there are none. */
export function elementLines(command: string, elements: readonly (number | string)[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < elements.length; i += ELEMENTS_A_LINE) {
    lines.push(`${command} { ${elements.slice(i, i + ELEMENTS_A_LINE).join(', ')} }`);
  }
  return lines;
}

function changeOfElements(before: TableMap['elements'] | undefined, after: TableMap['elements']): Change {
  if (before === after) return { removed: [], added: [] };
  if (after instanceof Uint16Array) return changeOfBuckets(before as BucketLabels | undefined, after);
  const old = (before as Elements | undefined) ?? new Map<string, string>();
  return {
    removed: [...old].filter(([key, value]) => after.get(key) !== value).map(([key]) => key),
    added: [...after].filter(([key, value]) => old.get(key) !== value).map(([key, value]) => elementText(key, value)),
  };
}

/** A value of `''` is an element of a set. */
const elementText = (key: string, value: string): string => (value === '' ? key : `${key} : ${value}`);

function changeOfBuckets(before: BucketLabels | undefined, after: BucketLabels): Change {
  const [removed, added]: [string[], string[]] = [[], []];
  for (let bucket = 0; bucket < after.length; bucket++) {
    const [old, now] = [before?.[bucket] ?? 0, after[bucket]!];
    if (old === now) continue;
    if (old !== 0) removed.push(String(bucket));
    if (now !== 0) added.push(`${bucket} : ${labelOf(now)}`);
  }
  return { removed, added };
}

const labelOf = (value: number): string => (value < 256 ? hostLabel(value) : pairLabel(value >> 8, value & 0xff));
