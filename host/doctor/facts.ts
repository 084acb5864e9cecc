/** What `nlb doctor` looks at: facts of each host, found out there by its sidecar, and what DNS says. Shapes only. */
import type { ClusterStatus } from '../admin/status.js';
import type { HostName } from '../protocol/types.js';

export interface SmtpFacts {
  /** EHLO keywords with what stands behind them: `SIZE` -> `52428800`, `STARTTLS` -> ``. */
  offers: Record<string, string>;
  /** Does it take mail from a stranger for a stranger? Null where that was not asked. */
  relays: boolean | null;
}

export interface ServiceFacts {
  rule: string;
  address: string;
  /** Sockets that take connections meant for the service from outside: `0.0.0.0:2525 (smtpd, process 812)`. */
  exposed: string[];
  /** Null where it is no mail server, or did not answer. */
  smtp: SmtpFacts | null;
  /** ISO 8601, when its certificate ends; null where it shows none. */
  certificateEnds: string | null;
  /** Why it could not be looked at, or null. */
  failure: string | null;
}

/** What a sidecar finds out about its own host. */
export interface HostFacts {
  host: HostName;
  /** Its wall clock, ISO 8601. */
  at: string;
  status: ClusterStatus;
  /** Handoff ports of the other hosts as reached from here; `failure` null where it answered. */
  handoffs: { host: HostName; address: string; failure: string | null }[];
  services: ServiceFacts[];
  /** On ports of disabled rules: `10.0.0.11:26 (smtpd, process 812)`. */
  onDisabledPorts: { rule: string; socket: string }[];
  /** Virtual IPs this machine has on an interface, and on which. */
  virtualIpsHere: { address: string; interface: string }[];
  /** Mode arp: the MAC address of this host's link, and who answers there for the virtual IPs as this host hears it. */
  mac?: string | null;
  virtualIpAnswers?: { address: string; mac: string }[];
}

/** A host as the doctor got its facts: over the host channel, with the clock's error bounds. */
export interface Examined {
  facts: HostFacts;
  /** Its clock minus ours, in the middle of the question; known to half the answer's time. */
  clockAheadMs: number;
  errorMs: number;
}

export interface DnsFacts {
  /** Addresses of the cluster's full internet name; null where the question failed, with `failure`. */
  addresses: string[] | null;
  failure: string | null;
  /** Names that an address leads back to; `failure` as DNS said it. */
  reverse: { address: string; names: string[]; failure: string | null }[];
}

export interface DoctorFinding {
  /** `dns`, `clock`, `handoff` ...: stable, for programs. */
  check: string;
  host: HostName | null;
  text: string;
  /** What to do. */
  todo: string;
}

/** `host mail2`, `hosts mail1 and mail3`. */
export function hostsText(names: readonly HostName[]): string {
  if (names.length === 1) return `host ${names[0]}`;
  return `hosts ${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
