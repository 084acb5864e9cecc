/**
 * Which host takes a client, and why: every number on the way, so that a person can follow it with docs/decision.md in
 * hand. The answer itself is what the filter's own code says; the rest shows how it comes to that.
 */
import type { Connection, KeyQuestion, Outcome, Owners, Score, ScoredHost } from '../edge/decision.js';
import type {
  Absence,
  Affinity,
  ClusterFile,
  FilteringMode,
  InForce,
  PortRule,
  View,
  ViewHost,
} from '../protocol/types.js';
import { scoredHost } from '../protocol/seats.js';
import { encodeView } from '../protocol/view-bytes.js';
import { type KeptClients, NOBODY_KEPT } from '../protocol/view-kept.js';
import type { ExplainQuestion } from './api.js';
import { destinationOf, endpointText, readClient } from './explain-question.js';
import { explanationText } from './explain-text.js';

/** What explain() asks of decision.wasm; host/edge/decision.ts is it. */
export interface ExplainDecision {
  readonly version: number;
  key(question: KeyQuestion): { key: Uint8Array; hash: number; bucket: number };
  owners(bucket: number, hosts: readonly ScoredHost[], hashSeed: number): Owners;
  scores(bucket: number, hosts: readonly ScoredHost[], hashSeed: number): Score[];
  decide(view: Uint8Array, connection: Connection): Outcome;
}

/** One host of the cluster file, in the order in which they would take the client; those that take no part come last. */
export interface ExplainedHost {
  name: string;
  place: 'kept' | 'owner' | 'nextOwner' | 'later' | 'takesNoPart';
  /** Null where it takes part, or where there is no rule. `notInView`: listed in the file, not in the view. */
  absence: Absence | 'notInView' | null;
  /** 0 unless the rule's filtering mode is multiple. */
  loadWeight: number;
  /** 0 unless it is single. */
  handlingPriority: number;
  /** It has the part of that host, by whose name it draws (failback never). Absent: its own. */
  standsInFor?: string;
  /** What it draws for the bucket and the cost of that, multiple hosts only; the least cost owns. */
  draw: number | null;
  logarithm: number | null;
  cost: number | null;
}

export interface Explanation {
  /** The answer in words. */
  text: string;
  client: { address: string; port: number | null };
  destination: { address: string; port: number; protocol: 'tcp' | 'udp' };
  /** The host that explains, or null where a file alone does. */
  entryHost: string | null;
  /** Null where a file alone explains: then every host counts as taking part. */
  viewNumber: number | null;
  rule: { name: string; filteringMode: FilteringMode; affinity: Affinity; ownerPatienceMs: number } | null;
  /** Multiple hosts only. */
  key: { bytesHex: string; hash: number; bucket: number; hashSeed: number } | null;
  /** Who takes the client: the host at which it is kept, or the owner of its bucket. */
  owner: string | null;
  nextOwner: string | null;
  /** Where it stays at a host that is not the owner of its bucket, because of a recent connection there. */
  kept?: KeptExplanation;
  refused: 'disabled' | 'nobody' | null;
  /** Does the entry host serve it itself when the owner does not answer? */
  mayFallBack: boolean;
  hosts: ExplainedHost[];
  /** Where it was asked for a time that is past: that time, and since when its view was in force. */
  past?: { at: string; since: string };
}

export interface KeptExplanation {
  host: string;
  /** Who would take it otherwise. */
  without: string;
  stickForMs: number;
  /** Since its last connection ended there; 0 while one is open. Null where that is just being forgotten. */
  ageMs: number | null;
}

/** Whom a running host keeps, and what it knows of them; host/sidecar-stick.ts has it. */
export interface KeptKnowledge {
  kept: KeptClients;
  /** Since the last connection of a client; 0 while one is open, null where it is not known. */
  ageOf(rule: string, hash: number): number | null;
}

const NOTHING_KEPT: KeptKnowledge = { kept: NOBODY_KEPT, ageOf: () => null };

/**
 * @param self  the host whose Envoy takes the connection in; null where a file alone is asked
 * @throws Error with a sentence for the person where the question cannot be answered
 */
export function explain(
  inForce: InForce,
  self: string | null,
  decision: ExplainDecision,
  question: ExplainQuestion,
  source: 'running' | 'file' = 'running',
  knowledge: KeptKnowledge = NOTHING_KEPT,
): Explanation {
  const { file } = inForce;
  const client = readClient(question.client);
  const address = destinationOf(file, self, question, client.address);
  const outcome = decision.decide(encodeView(inForce, self ?? '', knowledge.kept), {
    protocol: question.protocol,
    client: endpointText(client.address, client.port ?? 0),
    destination: endpointText(address, question.port),
  });
  const rule = outcome.rule === null ? null : file.portRules[outcome.rule]!;
  if (rule?.filteringMode === 'multiple' && rule.affinity === 'none' && client.port === null) {
    const expected = `${endpointText(client.address, 4711)} or another port of the client`;
    throw new Error(
      `client is ${question.client} without a port, but rule ${rule.name} has affinity none: expected ${expected}`,
    );
  }
  const key = rule?.filteringMode === 'multiple' ? keyOf(file, rule, client, decision) : null;
  const found = explainedHosts(inForce, rule, key?.bucket ?? null, decision);
  const taker = ownerOfFilter(inForce, outcome);
  const hosts = outcome.isKept ? withKept(found, taker) : found;
  const owner = hosts.find(({ place }) => place === 'kept' || place === 'owner')?.name ?? null;
  assertSame(taker, owner);
  const kept = outcome.isKept && rule && key && owner ? keptOf(rule, key.hash, owner, found, knowledge) : null;
  const explanation: Omit<Explanation, 'text'> = {
    client,
    destination: { address, port: question.port, protocol: question.protocol },
    entryHost: self,
    viewNumber: source === 'file' ? null : inForce.view.number,
    rule: rule === null ? null : briefly(rule),
    key,
    owner,
    nextOwner: hosts.find((host) => host.place === 'nextOwner')?.name ?? null,
    ...(kept === null ? {} : { kept }),
    refused: outcome.refused,
    mayFallBack: outcome.mayFallBack,
    hosts,
  };
  return { text: explanationText(explanation, file), ...explanation };
}

/** The host at which the client is kept comes first; who would take it otherwise is next. */
function withKept(hosts: readonly ExplainedHost[], name: string | null): ExplainedHost[] {
  const taking = hosts.filter((host) => host.place !== 'takesNoPart' && host.name !== name);
  return [
    ...hosts.filter((host) => host.name === name).map((host) => ({ ...host, place: 'kept' as const })),
    ...taking.map((host, index) => ({ ...host, place: index === 0 ? ('nextOwner' as const) : ('later' as const) })),
    ...hosts.filter((host) => host.place === 'takesNoPart'),
  ];
}

function keptOf(
  rule: PortRule,
  hash: number,
  host: string,
  hosts: readonly ExplainedHost[],
  knowledge: KeptKnowledge,
): KeptExplanation {
  const without = hosts.find(({ place }) => place === 'owner')?.name ?? host;
  return { host, without, stickForMs: rule.stickForMs ?? 0, ageMs: knowledge.ageOf(rule.name, hash) };
}

/** What would be in force if every host of the file were there and well: for a file without a running cluster. */
export function inForceOfFile(file: ClusterFile, decisionVersion: number): InForce {
  const hosts: ViewHost[] = file.hosts.map(({ name, priority }) => ({
    name,
    priority,
    rules: file.portRules.map((rule) => {
      const loadWeight = rule.loadWeights[name] ?? 0;
      const handlingPriority = rule.handlingPriorities[name] ?? 0;
      return { loadWeight, handlingPriority, absence: absenceInFile(rule, loadWeight, handlingPriority) };
    }),
  }));
  const view: View = {
    number: 0,
    checksum: '0'.repeat(16),
    fingerprint: '',
    decisionVersion,
    protocolVersion: 1,
    hosts,
  };
  return { file, view, lostSince: [] };
}

function absenceInFile(rule: PortRule, loadWeight: number, handlingPriority: number): Absence | null {
  if (rule.filteringMode === 'disabled') return 'ruleDisabled';
  if (rule.filteringMode === 'multiple') return loadWeight > 0 ? null : 'weightZero';
  return handlingPriority > 0 ? null : 'notListed';
}

function briefly({ name, filteringMode, affinity, ownerPatienceMs }: PortRule): NonNullable<Explanation['rule']> {
  return { name, filteringMode, affinity, ownerPatienceMs };
}

function keyOf(
  file: ClusterFile,
  rule: PortRule,
  client: Explanation['client'],
  decision: ExplainDecision,
): Explanation['key'] {
  const { hashSeed, ipv6PrefixLength } = file;
  const { address, port } = client;
  const { key, hash, bucket } = decision.key({
    affinity: rule.affinity,
    address,
    port: port ?? 0,
    hashSeed,
    ipv6PrefixLength,
  });
  return { bytesHex: Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join(' '), hash, bucket, hashSeed };
}

function explainedHosts(
  inForce: InForce,
  rule: PortRule | null,
  bucket: number | null,
  decision: ExplainDecision,
): ExplainedHost[] {
  const hosts = inForce.file.hosts.map(({ name }) => hostFor(inForce, rule, name));
  const taking = hosts.filter((host) => host.place !== 'takesNoPart');
  const scored = taking.map((host) => scoredHost(host.name, host));
  const scores = bucket === null ? [] : decision.scores(bucket, scored, inForce.file.hashSeed);
  for (const host of taking) {
    const score = scores.find((each) => each.name === host.name);
    if (score !== undefined) Object.assign(host, { draw: score.draw, logarithm: score.logarithm, cost: score.cost });
  }
  const order = scores.map((score) => score.name);
  // Without scores: by handling priority, or by host priority (the order of the file) where no rule covers the port.
  taking.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name) || a.handlingPriority - b.handlingPriority);
  taking.forEach((host, index) => {
    host.place = index === 0 ? 'owner' : index === 1 ? 'nextOwner' : 'later';
  });
  return [...taking, ...hosts.filter((host) => host.place === 'takesNoPart')];
}

function hostFor({ view, lostSince, file }: InForce, rule: PortRule | null, name: string): ExplainedHost {
  const inView = view.hosts.find((host) => host.name === name);
  const part = rule === null ? undefined : inView?.rules[file.portRules.indexOf(rule)];
  const absence = lostSince.includes(name) ? 'lost' : inView === undefined ? 'notInView' : (part?.absence ?? null);
  const loadWeight = part?.loadWeight ?? 0;
  const handlingPriority = part?.handlingPriority ?? 0;
  const place = absence === null && rule?.filteringMode !== 'disabled' ? 'later' : 'takesNoPart';
  const seat = part?.standsInFor === undefined ? {} : { standsInFor: part.standsInFor };
  return { name, place, absence, loadWeight, handlingPriority, ...seat, draw: null, logarithm: null, cost: null };
}

/** The filter's answer is an index into the hosts in force, by name. */
function ownerOfFilter({ view, lostSince }: InForce, outcome: Outcome): string | null {
  const names = view.hosts.map((host) => host.name).filter((name) => !lostSince.includes(name));
  return outcome.owner === null ? null : (names.sort()[outcome.owner] ?? null);
}

function assertSame(ofFilter: string | null, explained: string | null): void {
  if (ofFilter === explained) return;
  throw new Error(
    `The explanation says ${explained}, the filter decides ${ofFilter}: a mistake in nlb, please report it`,
  );
}
