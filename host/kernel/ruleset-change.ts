/**
 * From what is in the kernel to what is wanted, as one transaction of nftables: only what differs is written. Pure.
 */
import type { OwnBuckets, RuleAcceptance } from './acceptance.js';
import { elementLines } from './kernel-state.js';
import { BUCKETS_TYPE, type Chains, COUNTERS, type Maps, TAKE } from './multicast-ruleset.js';

/** What the kernel has of ours, so that the next change can be told from it. */
export interface Loaded {
  chains: Chains;
  maps: Maps;
  /** The map of each rule whose buckets are shared out, by the rule's name. */
  mapOf: ReadonlyMap<string, string>;
}

/** Rules with the same buckets share a map, and keep the one they had. */
export function nameMaps(rules: readonly RuleAcceptance[], before: Loaded | null): Pick<Loaded, 'maps' | 'mapOf'> {
  const names = new Map<OwnBuckets, string>();
  const mapOf = new Map<string, string>();
  const taken = new Set<string>();
  const shared = rules.filter((rule): rule is RuleAcceptance & { takes: OwnBuckets } => typeof rule.takes !== 'string');
  for (const { name, takes } of shared) {
    const had = before?.mapOf.get(name);
    if (names.has(takes) || had === undefined || taken.has(had)) continue;
    names.set(takes, had);
    taken.add(had);
  }
  for (const { name, takes } of shared) {
    for (let i = 0; !names.has(takes); i++) {
      const free = `own_${i}`;
      if (taken.has(free) || before?.maps.has(free)) continue;
      names.set(takes, free);
      taken.add(free);
    }
    mapOf.set(name, names.get(takes)!);
  }
  return { maps: new Map([...names].map(([buckets, name]) => [name, buckets])), mapOf };
}

/** @returns the text of the transaction; empty where nothing differs */
export function changeText(table: string, before: Loaded, after: Loaded): string {
  const lines: string[] = [];
  const changed = [...after.chains].filter(([name, body]) => before.chains.get(name)?.join('\n') !== body.join('\n'));
  // All chains first: rules and elements go to them in any order.
  for (const [name, body] of changed) lines.push(addChain(table, name, body), `flush chain inet ${table} ${name}`);
  for (const [name, buckets] of after.maps) {
    const had = before.maps.get(name);
    if (had === undefined) lines.push(`add map inet ${table} ${name} { ${BUCKETS_TYPE} }`);
    lines.push(...bucketLines(table, name, had ?? new Uint8Array(buckets.length), buckets));
  }
  for (const [name, body] of changed) lines.push(...rulesOf(table, name, body));
  const goneChains = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  lines.push(...goneChains.map((name) => `delete chain inet ${table} ${name}`));
  const goneMaps = [...before.maps.keys()].filter((name) => !after.maps.has(name));
  lines.push(...goneMaps.map((name) => `delete map inet ${table} ${name}`));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** All of it, where nothing of ours is in the kernel but sets, or not even those. */
export function wholeText(table: string, sets: readonly string[], after: Loaded): string {
  const counters = COUNTERS.map((name) => `counter ${name} { }`);
  const body = [...sets, ...counters].map((line) => line.replace(/^(\w+) /, `add $1 inet ${table} `));
  const nothing: Loaded = { chains: new Map(), maps: new Map(), mapOf: new Map() };
  return `add table inet ${table}\n${body.join('\n')}\n${changeText(table, nothing, after)}`;
}

/** Takes out what an earlier run made, all but the sets that packets filled: connections go on. */
export function clearedText(table: string, chains: readonly string[], maps: readonly string[]): string {
  const lines = chains.map((name) => `flush chain inet ${table} ${name}`);
  lines.push(...maps.map((name) => `flush map inet ${table} ${name}`));
  lines.push(...chains.map((name) => `delete chain inet ${table} ${name}`));
  lines.push(...maps.map((name) => `delete map inet ${table} ${name}`));
  return lines.map((line) => `${line}\n`).join('');
}

function bucketLines(table: string, name: string, before: OwnBuckets, after: OwnBuckets): string[] {
  const [added, removed]: [number[], number[]] = [[], []];
  for (let bucket = 0; bucket < after.length; bucket++) {
    if (before[bucket] === after[bucket]) continue;
    if (after[bucket] === 1) added.push(bucket);
    else removed.push(bucket);
  }
  const lines = (command: string, elements: readonly (number | string)[]) =>
    elementLines(`${command} element inet ${table} ${name}`, elements);
  const elements = added.map((bucket) => `${bucket} : ${TAKE}`);
  return [...lines('delete', removed), ...lines('add', elements)];
}

function addChain(table: string, name: string, [first]: readonly string[]): string {
  const hook = first?.startsWith('type ') ? ` { ${first} }` : '';
  return `add chain inet ${table} ${name}${hook}`;
}

function rulesOf(table: string, name: string, body: readonly string[]): string[] {
  return body.filter((line) => !line.startsWith('type ')).map((line) => `add rule inet ${table} ${name} ${line}`);
}
