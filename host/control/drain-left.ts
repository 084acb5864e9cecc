/**
 * What a draining host still waits for: how many connections, from where, for how long. Envoy says how many, the kernel from
 * where. The kernel does not say since when, so a connection's time counts from when it was first seen here: the drain's start at
 * the earliest.
 */
import { type OpenConnection, openConnections } from '../edge/open-connections.js';
import type { Traffic } from '../edge/traffic.js';
import type { ClusterFile, HostConfig, Milliseconds } from '../protocol/types.js';
import { redirectPortOf } from '../protocol/xds/redirects.js';
import { addressesOf, isRedirected, portsIn, rangesAt, rulesServed } from '../protocol/xds/rules.js';

export interface LeftConnection {
  client: string;
  clientPort: number;
  /** The one the client is connected to; of a redirected rule the port it was redirected to. */
  port: number;
  /** Null where no rule of the file has that port. */
  rule: string | null;
  firstSeenMs: Milliseconds;
}

/** Looks are not worth more: a drain takes minutes. */
const LOOK_MS = 2000;
/** BOUNDED: connections whose time is known; of more than these the first ones found are listed. */
const SEEN_MAX = 10_000;
/** BOUNDED: what a status names. */
export const LISTED_MAX = 20;

export class DrainLeft {
  private seen = new Map<string, LeftConnection>();
  private lookedMs = Number.NEGATIVE_INFINITY;
  private looking = false;

  constructor(private readonly read: typeof openConnections = openConnections) {}

  /** @param isDraining  where it does not, everything is forgotten and nothing read */
  async look(nowMs: Milliseconds, isDraining: boolean, file: ClusterFile, self: HostConfig): Promise<void> {
    if (!isDraining) {
      this.seen.clear();
      this.lookedMs = Number.NEGATIVE_INFINITY;
      return;
    }
    if (this.looking || nowMs - this.lookedMs < LOOK_MS) return;
    this.looking = true;
    this.lookedMs = nowMs;
    try {
      await this.readInto(nowMs, rulesByEndpoint(file, self), redirectPortOf(file));
    } finally {
      this.looking = false;
    }
  }

  /** Longest first. */
  oldest(): LeftConnection[] {
    return [...this.seen.values()].sort((a, b) => a.firstSeenMs - b.firstSeenMs).slice(0, LISTED_MAX);
  }

  private async readInto(nowMs: Milliseconds, rules: Map<string, string>, redirectPort: number): Promise<void> {
    const still = new Map<string, LeftConnection>();
    const ports = new Set([...[...rules.keys()].map((key) => Number(key.split(' ')[1])), redirectPort]);
    await this.read(ports, ({ local, remote }) => {
      const rule = rules.get(`${local.address} ${local.port}`) ?? null;
      if (still.size >= SEEN_MAX || (rule === null && local.port !== redirectPort)) return;
      const key = keyOf({ local, remote });
      const { address: client, port: clientPort } = remote;
      const firstSeenMs = this.seen.get(key)?.firstSeenMs ?? nowMs;
      still.set(key, { client, clientPort, port: local.port, rule, firstSeenMs });
    });
    this.seen = still;
  }
}

/** How many Envoy says there are: entered here, and handed here by other hosts. */
export interface LeftCounts {
  entered: number;
  handedHere: number;
}

/** @param handedOff  entered here and passed on */
export function leftCounts(traffic: Traffic, handedOff: number): LeftCounts {
  let [entered, served] = [0, 0];
  for (const { enteredOpenCount, servedOpenCount } of traffic.values()) {
    entered += enteredOpenCount;
    served += servedOpenCount;
  }
  // The three are read one after the other.
  return { entered, handedHere: Math.max(0, served - Math.max(0, entered - handedOff)) };
}

function rulesByEndpoint(file: ClusterFile, self: HostConfig): Map<string, string> {
  const rules = new Map<string, string>();
  for (const rule of rulesServed(file)) {
    if (isRedirected(file, rule)) continue;
    for (const address of addressesOf(file, rule, self)) {
      for (const port of portsIn(rangesAt(file, rule, address))) rules.set(`${address} ${port}`, rule.name);
    }
  }
  return rules;
}

function keyOf({ local, remote }: OpenConnection): string {
  return `${remote.address} ${remote.port} ${local.address} ${local.port}`;
}
