/**
 * What the cluster file may leave out. Nothing here chooses what only the administrator can know: the mode, where rules
 * listen, and how a service learns the client's address have no default.
 */
import type { Affinity } from '../types.js';

export const DEFAULTS = {
  keyFile: 'cluster.key',
  /** Bits; a /64 is what one IPv6 subscriber has at least. */
  ipv6PrefixLength: 64,
  /** The values of Windows NLB: AliveMsgPeriod and AliveMsgTolerance. */
  heartbeat: { periodMs: 1000, missedMax: 5 },
  ports: { heartbeat: 7620, handoff: 7620, channel: 7621, page: 7622 },
  redirectPort: 7624,
  otherPorts: 'entryHost',
  protocol: 'tcp',
  filteringMode: 'multiple',
  affinity: 'single',
  /** Each host's weight under `loadWeight: equal`, as in Windows NLB. */
  equalWeight: 50,
  check: { kind: 'connect', periodMs: 1000, timeoutMs: 1000, failuresMax: 3 },
} as const;

/** A client without affinity loses nothing by being served elsewhere; with affinity it may lose its session. */
export function defaultPatienceMs(affinity: Affinity): number {
  return affinity === 'none' ? 250 : 1000;
}

/** Envoy listeners of port rules, one for each port and address (1,000 cost 37 MB and 1.2 s); what is beyond is redirected: carried.ts. */
export const LISTENERS_MAX = 1024;

/**
 * Ports where mail servers take or relay mail: LMTP, SMTP, submission over TLS, submission, the usual second SMTP port
 * and postfix's way back from a content filter. Most of them trust loopback, so `proxyProtocol: none` makes an open relay.
 */
export const MAIL_PORTS: readonly number[] = [24, 25, 465, 587, 2525, 10025];
