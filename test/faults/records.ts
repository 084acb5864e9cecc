/** What the load, the services and the sidecars were seen to do: everything the judge has to go by. */

/** One new connection, from connect to the greeting. Times are of the one clock of this machine, in ms. */
export interface Attempt {
  client: string;
  /** Entry host. */
  entry: string;
  startedMs: number;
  endedMs: number;
  /** The host whose service greeted; null where none did. */
  host: string | null;
  /** Why none did: `ECONNREFUSED`, `closed`, `no greeting within 5000 ms`, `greeted as 10.77.0.1`; else null. */
  failure: string | null;
}

/** A connection held open from before the fault, on which a line goes out and comes back again and again. */
export interface Session {
  client: string;
  entry: string;
  host: string;
  /** When it was ended by somebody else than its client; null where it outlived the run. */
  lostMs: number | null;
}

/** What one sidecar said at one time. */
export interface Sample {
  atMs: number;
  asked: string;
  /** Number and checksum; with a star while hosts are lost since, or Envoy has not taken it yet. */
  view: string;
  /** False while Envoy may still decide by what was said before. */
  isTaken: boolean;
  /** Hosts that take part in the rule. */
  takers: string[];
}

export interface LoadSettings {
  /** Address by entry host. */
  entries: Record<string, string>;
  port: number;
  ratePerS: number;
  clients: string[];
  sessionCount: number;
}

export type LoadOrder = { kind: 'entries'; names: string[] } | { kind: 'end' };
export type LoadAnswer = { kind: 'ready' } | { kind: 'done'; attempts: Attempt[]; sessions: Session[] };
