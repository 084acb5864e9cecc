/**
 * What an earlier run left in the kernel. Flows that it remembered go on; rules and maps are made anew, because nobody knows what
 * view they were made for.
 */
import { hostOfLabel, type HostNumber } from './labels.js';
import type { Nft } from '../edge/nft.js';
import type { HostName } from '../protocol/types.js';
import { dynamicSets } from './handoff-ruleset.js';

export interface Left {
  exists: boolean;
  /** `kind name` of what the table has but chains. */
  things: string[];
  chains: string[];
  hosts: Map<HostName, HostNumber>;
  macs: Map<HostName, string>;
}

type Listed = Record<string, { name: string; table: string; elem?: unknown[] } | undefined>;

/** Asked in such words that nft does not fetch the elements of the large maps for it. */
export async function readLeft(nft: Nft, table: string): Promise<Left> {
  const [family, name] = table.split(' ') as [string, string];
  const left: Left = { exists: false, things: [], chains: [], hosts: new Map(), macs: new Map() };
  const lists = [['chains'], ['-t', 'sets'], ['-t', 'maps']].map((words) => nft.list(...words, family));
  for (const object of (await Promise.all(lists)).flat() as Listed[]) {
    for (const kind of ['set', 'map'])
      if (object[kind]?.table === name) left.things.push(`${kind} ${object[kind].name}`);
    if (object.chain?.table === name) left.chains.push(object.chain.name);
  }
  left.exists = left.chains.length + left.things.length > 0;
  if (left.things.includes('map macs')) readHosts(left, (await nft.list('map', family, name, 'macs')) as Listed[]);
  return left;
}

/** Elements are `[label, mac]`, the label with the host's name as its comment. */
function readHosts(left: Left, objects: Listed[]): void {
  for (const element of objects.flatMap(({ map }) => map?.elem ?? [])) {
    const [key, mac] = element as [{ elem?: { val?: string; comment?: string } }, string];
    const number = hostOfLabel(key.elem?.val ?? '');
    const host = key.elem?.comment;
    if (number === null || host === undefined) continue;
    left.hosts.set(host, number);
    left.macs.set(host, mac);
  }
}

/** Takes away everything but what packets filled, in front of the transaction that makes the rest anew. */
export function removalOf({ exists, things, chains }: Left, table: string): string {
  if (!exists) return '';
  const kept = dynamicSets();
  const lines = [`flush table ${table}`];
  // A set named in a rule of this very table is free once the rules are gone.
  lines.push(...chains.map((name) => `delete chain ${table} ${name}`));
  for (const thing of things) {
    const [kind, name] = thing.split(' ');
    if (!kept.has(thing)) lines.push(`delete ${kind} ${table} ${name}`);
  }
  return `${lines.join('\n')}\n`;
}
