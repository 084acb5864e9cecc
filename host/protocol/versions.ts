/**
 * Which versions a view runs at: the highest that all its hosts speak, so that hosts are upgraded one by one. Where no
 * version is spoken by all, the part of the hosts that is strongest goes on, and the others are named and outside.
 */
import type { Versions } from './seal.js';
import type { HostName, HostPriority } from './types.js';

export interface Speaker {
  name: HostName;
  priority: HostPriority;
  speaks: Versions;
  /** Number of the view it confirms, 0 for none. */
  confirmedNumber: number;
}

export interface Agreed {
  protocol: number;
  decision: number;
  /** Who speaks both. */
  names: HostName[];
  /** By host: a whole sentence of why it is outside. */
  speechless: Map<HostName, string>;
}

/** @param speakers at least one; every host that knows the same rows comes to the same answer */
export function agreeOnVersions(speakers: readonly Speaker[]): Agreed {
  const speechless = new Map<HostName, string>();
  const protocol = choose(speakers, (each) => [each.protocolLow, each.protocolHigh]);
  const rest = protocol.speakers;
  const decision = choose(rest, (each) => [each.decisionLow, each.decisionHigh]);
  for (const { name, speaks } of speakers) {
    const { protocolLow, protocolHigh, decisionLow, decisionHigh } = speaks;
    if (!rest.some((each) => each.name === name)) {
      speechless.set(name, sentence(name, 'protocol', protocolLow, protocolHigh, protocol.version));
    } else if (!decision.speakers.some((each) => each.name === name)) {
      speechless.set(name, sentence(name, 'decision', decisionLow, decisionHigh, decision.version));
    }
  }
  const names = decision.speakers.map((each) => each.name);
  return { protocol: protocol.version, decision: decision.version, names, speechless };
}

export function speaksDecision(speaks: Versions, version: number): boolean {
  return speaks.decisionLow <= version && version <= speaks.decisionHigh;
}

type Range = (speaks: Versions) => [low: number, high: number];

/** Most hosts, then most of the last view (R8), then the lowest priority number, then the highest version. */
function choose(speakers: readonly Speaker[], range: Range): { version: number; speakers: Speaker[] } {
  const last = Math.max(...speakers.map((each) => each.confirmedNumber));
  // The best version of any set of hosts is the highest of one of them.
  const versions = speakers.map((each) => range(each.speaks)[1]).sort((a, b) => b - a);
  let best: { version: number; speakers: Speaker[] } | null = null;
  let bestRank: number[] = [];
  for (const version of new Set(versions)) {
    const able = speakers.filter(({ speaks }) => range(speaks)[0] <= version && version <= range(speaks)[1]);
    const ofLastView = last === 0 ? 0 : able.filter((each) => each.confirmedNumber === last).length;
    const rank = [able.length, ofLastView, -Math.min(...able.map((each) => each.priority))];
    const difference = rank
      .map((each, i) => each - (bestRank[i] ?? Number.NEGATIVE_INFINITY))
      .find((each) => each !== 0);
    if (best !== null && (difference ?? 0) <= 0) continue;
    best = { version, speakers: able };
    bestRank = rank;
  }
  return best!;
}

function sentence(name: HostName, kind: string, low: number, high: number, version: number): string {
  const spoken = low === high ? `${kind} version ${low}` : `${kind} versions ${low} to ${high}`;
  return `host ${name} speaks ${spoken}, the view runs at ${version}`;
}
