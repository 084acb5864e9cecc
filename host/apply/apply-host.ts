/** What applying a cluster file needs of the sidecar it runs in, and what hosts tell each other about it. */
import type { VerbAnswer } from '../admin/api.js';
import type { ClusterKeys } from '../edge/key-file.js';
import type { Log } from '../edge/log.js';
import type { Plan } from '../plan/plan.js';
import type { ProtocolStatus } from '../protocol/events.js';
import type { ClusterFile, Fingerprint, HostName, Milliseconds } from '../protocol/types.js';

export interface ApplyHost {
  self: HostName;
  clusterName: string;
  keys(): ClusterKeys;
  log: Log;
  nowMs(): Milliseconds;
  wallIso(): string;
  /** Null before the first view. */
  current(): { file: ClusterFile; fingerprint: Fingerprint; revision: number } | null;
  protocol(): ProtocolStatus;
  /** The text of the file in force; null where it is not known here. */
  textInForce(): string | null;
  /** @throws Error with all mistakes of the text */
  parse(text: string): { file: ClusterFile; fingerprint: Fingerprint };
  /** Whose clients would go to whom by that file in the place of the one in force; without spreads. */
  moves(file: ClusterFile): Promise<Plan>;
  /** @throws Error naming who has a port of that file on this host */
  refusePortsTakenFor(file: ClusterFile): Promise<void>;
  /** Why this host's Envoy did not take what is in force; null while it did or is at it. */
  envoyRefusal(): string | null;
  offer(offer: { file: ClusterFile; fingerprint: Fingerprint; revision: number; without: HostName[] }): void;
  withdraw(fingerprint: Fingerprint): void;
  /** @throws HostSilent */
  ask<T>(host: HostName, path: string, body?: unknown): Promise<T>;
}

/** Where one host is with a revision, as it tells the others (`GET /apply/state`). */
export interface ApplyState {
  host: HostName;
  revision: number;
  fingerprint: Fingerprint;
  /** Envoy decides by the view in force. */
  isTaken: boolean;
  /** Why its Envoy does not. */
  refusal: string | null;
  /** A revision that is prepared or offered here and not in force. */
  pending: { revision: number; fingerprint: Fingerprint; isOffered: boolean } | null;
  /** The revision in force waits to be confirmed. */
  isUnconfirmed: boolean;
}

export interface ApplyOrder {
  text: string;
  /** `root on mail1` */
  by: string;
  cause: string;
  isDryRun: boolean;
  /** Names or host priorities. */
  without: string[];
  confirmMs: Milliseconds | null;
}

export interface ApplyAnswer extends VerbAnswer {
  /** The number it has, or would have; null where it did not come to that. */
  revision: number | null;
  /** In words. */
  difference: string[];
  /** Which part of the clients moves; null where it did not come to a difference, or could not be counted. */
  moves: Plan | null;
}
