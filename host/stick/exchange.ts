/**
 * How two hosts tell each other of their clients: a question brings what the asked host does not have of the asking one yet,
 * and says what the asking one has of it; the answer brings the same the other way. So one exchange brings both up to date,
 * whoever begins, and a lost, repeated or reordered one does no harm. Pure.
 */
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { ClientRow, RecentClients } from './table.js';

/** Changes of one message: some 300 kB of JSON. */
export const ROWS_MAX = 10_000;

export interface StickMessage {
  /** Of the sender's table, another one at each start of its sidecar: numbers of changes begin anew with it. */
  life: string;
  /** The greatest claim that the sender has seen. */
  clock: number;
  /** The message has the changes behind `from`, up to and with `to`; `newest` is the last there is. */
  from: number;
  to: number;
  newest: number;
  rules: { name: string; form: string; clients: ClientRow[] }[];
  /** What the sender has of the receiver's changes. */
  have: { life: string; to: number };
}

interface Peer {
  /** Of its changes, what is in the table here. */
  have: { life: string; to: number };
  /** Of the own changes, what it has. */
  given: number;
  /** The newest change of its own that it spoke of. */
  newest: number;
}

export class Exchange {
  /** BOUNDED: by the hosts of the file. */
  private readonly peers = new Map<HostName, Peer>();

  constructor(
    private readonly table: RecentClients,
    /** Random, another one at each start. */
    private readonly life: string,
  ) {}

  /** Is there anything that one of the two does not have? Also where nothing was ever exchanged. */
  isBehind(host: HostName): boolean {
    const peer = this.peers.get(host);
    return peer === undefined || peer.given < this.table.changes.newest || peer.have.to < peer.newest;
  }

  /** What goes to a host next. */
  messageFor(host: HostName, nowMs: Milliseconds): StickMessage {
    const { table, life } = this;
    table.changes.compact(({ rule, hash, number }) => table.get(rule, hash)?.change === number);
    const peer = this.peerOf(host);
    const from = peer.given;
    const rows = new Map<string, ClientRow[]>();
    let [to, count] = [from, 0];
    for (const { rule, hash, number } of table.changes.after(from)) {
      if (count >= ROWS_MAX) break;
      to = number;
      const client = table.get(rule, hash);
      if (client?.change !== number) continue;
      const age = Math.round(table.ageOf(client, nowMs));
      const ofRule = rows.get(rule) ?? [];
      ofRule.push([hash, client.claim, age, client.isOpen ? 1 : 0]);
      rows.set(rule, ofRule);
      count += 1;
    }
    // What follows was changed again or forgotten: there is nothing more to tell.
    if (count < ROWS_MAX) to = table.changes.newest;
    const rules = table.rules().flatMap(({ name, form }) => {
      const clients = rows.get(name);
      return clients ? [{ name, form, clients }] : [];
    });
    return { life, clock: table.newestClaim, from, to, newest: table.changes.newest, rules, have: peer.have };
  }

  /** Takes what a host sent, as question or as answer. */
  take(host: HostName, message: StickMessage, nowMs: Milliseconds): void {
    const peer = this.peerOf(host);
    this.table.heard(host, message.clock, nowMs);
    peer.given = message.have.life === this.life ? Math.min(message.have.to, this.table.changes.newest) : 0;
    peer.newest = message.newest;
    if (peer.have.life !== message.life) peer.have = { life: message.life, to: 0 };
    // A gap: the next exchange says what is here, and gets the rest.
    if (message.from > peer.have.to) return;
    const isAlike = ({ name, form }: StickMessage['rules'][number]) => this.table.ruleOf(name)?.form === form;
    // Its file is another one for a moment: asked again until both are of one mind.
    if (!message.rules.every(isAlike)) return;
    for (const { name, clients } of message.rules) this.table.merge(host, name, clients, nowMs);
    peer.have = { life: message.life, to: Math.max(peer.have.to, message.to) };
  }

  /** Hosts that are in the file no more. */
  forgetAllBut(hosts: readonly HostName[]): void {
    for (const host of this.peers.keys()) if (!hosts.includes(host)) this.peers.delete(host);
  }

  private peerOf(host: HostName): Peer {
    const known = this.peers.get(host);
    if (known) return known;
    const peer: Peer = { have: { life: '', to: 0 }, given: 0, newest: 0 };
    this.peers.set(host, peer);
    return peer;
  }
}

/** A message of another host, or null where it is none: of a host with the cluster key, but perhaps of another release. */
export function readMessage(body: unknown): StickMessage | null {
  const message = body as StickMessage;
  if (message === null || typeof message !== 'object') return null;
  const { life, clock, from, to, newest, rules, have } = message;
  const isNumbers = [clock, from, to, newest, have?.to].every((each) => Number.isSafeInteger(each) && each! >= 0);
  if (!isNumbers || typeof life !== 'string' || typeof have.life !== 'string' || !Array.isArray(rules)) return null;
  const isRow = (row: ClientRow) =>
    Array.isArray(row) && row.length === 4 && row.every((each) => Number.isSafeInteger(each) && each >= 0);
  const isRule = ({ name, form, clients }: StickMessage['rules'][number]) =>
    typeof name === 'string' && typeof form === 'string' && Array.isArray(clients) && clients.every(isRow);
  return rules.every((rule) => rule !== null && typeof rule === 'object' && isRule(rule)) ? message : null;
}
