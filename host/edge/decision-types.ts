/** What is asked of decision.wasm and what it answers; docs/decision.md says what the numbers mean. */
import type { Affinity, HostName, Protocol } from '../protocol/types.js';

export type { ScoredHost } from '../protocol/seats.js';

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. */
export interface Endpoint {
  address: Uint8Array;
  port: number;
}

export interface ClientKey {
  /** 4-20 bytes, as nftables' jhash reads them. */
  key: Uint8Array;
  /** u32 */
  hash: number;
  /** 0-65535, the hash's top 16 bits. */
  bucket: number;
}

export interface KeyQuestion {
  affinity: Affinity;
  /** Without brackets or port. */
  address: string;
  /** Looked at under affinity none only. */
  port: number;
  /** u32 */
  hashSeed: number;
  /** 1-128 */
  ipv6PrefixLength: number;
}

export interface Owners {
  owner: HostName | null;
  nextOwner: HostName | null;
}

/** One host's score for a bucket, as `nlb explain` shows it. */
export interface Score {
  name: HostName;
  loadWeight: number;
  /** u32, the greater the better. */
  draw: number;
  /** -log2((draw + 1) / 2^32). */
  logarithm: number;
  /** logarithm / loadWeight; the least cost owns. For people: hosts are ordered by the exact comparison. */
  cost: number;
}

export interface Connection {
  protocol: Protocol;
  /** `address:port`; IPv6 in brackets. */
  client: string;
  destination: string;
}

/** Host and rule by their index in the view's bytes: hosts by name, rules as in the file. */
export interface Outcome {
  /** Null: no port rule covers the connection. */
  rule: number | null;
  /** Null: refused. */
  owner: number | null;
  refused: 'disabled' | 'nobody' | null;
  /** The client is kept at `owner`, which is not the owner by its bucket. */
  isKept: boolean;
  /** May the view's own host serve it when the owner cannot be reached? */
  mayFallBack: boolean;
}

/** What is wrong with a view's bytes: the code of assembly/decision/fault.ts, the host or rule, the value found. */
export interface ViewFault {
  code: number;
  /** Index of the host or rule; null for the view itself. */
  at: number | null;
  value: number;
}
