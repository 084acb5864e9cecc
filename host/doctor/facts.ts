/** What `nlb doctor` looks at: facts of each host, found out there by its sidecar, and what DNS says. Shapes only. */
import type { ClusterStatus } from '../admin/status.js';
import type { HostName, Mode } from '../protocol/types.js';

export interface Relaying {
  /** Does it take mail from a stranger for a stranger? Null where that is not known. */
  relays: boolean | null;
  /** Why it is not known; null where it is, left out by sidecars before this. */
  relayUnknown?: string | null;
}

export interface SmtpFacts extends Relaying {
  /** EHLO keywords with what stands behind them: `SIZE` -> `52428800`, `STARTTLS` -> ``. */
  offers: Record<string, string>;
  /** The same behind STARTTLS; null where there is none. */
  offersTls?: Record<string, string> | null;
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
  /** What ended the look at it, or null. */
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
  /** Likewise remote control, where the file has it on. */
  remoteControls?: { host: HostName; address: string; failure: string | null }[];
  services: ServiceFacts[];
  /** On ports of disabled rules: `10.0.0.11:26 (smtpd, process 812)`. */
  onDisabledPorts: { rule: string; socket: string }[];
  /** Virtual IPs this machine has on an interface, and on which. */
  virtualIpsHere: {
    address: string;
    interface: string;
    /** By its label, which IPv6 addresses do not have: mode arp or multicast put it there, now or earlier. */
    isOfMode?: boolean;
  }[];
  /** The MAC address of this host's link, and who answers there for the virtual IPs as this host hears it. */
  mac?: string | null;
  virtualIpAnswers?: { address: string; mac: string }[];
  /** Why the link was not asked; left out where it was, or where no rule listens on virtual IPs. */
  answersUnknown?: string;
  /** What earlier files and modes left here; left out by sidecars before this. */
  left?: {
    mode: Mode;
    /** `wasInFile`: a cluster file of the view history had it; else it carries our label. */
    addresses: { address: string; interface: string; wasInFile: boolean }[];
    /** `inet envoy_nlb_multicast_mail_example_org` */
    tables: string[];
  };
  /** Why tables could not be listed. */
  leftUnknown?: string;
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
  reverse: ReverseFacts[];
  /** Addresses that were not looked up backwards, because they are too many; left out where none. */
  notAsked?: string[];
}

/** Where an address leads back to, and where that leads: a receiver of mail wants the address itself (RFC 8601, 3). */
export interface ReverseFacts {
  address: string;
  /** `addresses` null where that name could not be looked up, with `failure`. */
  names: { name: string; addresses: string[] | null; failure: string | null }[];
  /** As DNS said it. */
  failure: string | null;
}

/** DNS said that there is none; anything else is no answer (ETIMEOUT, ESERVFAIL, ECONNREFUSED). */
export function isNoSuchName(failure: string): boolean {
  return failure === 'ENOTFOUND' || failure === 'ENODATA';
}

export interface DoctorFinding {
  /** `dns`, `clock`, `handoff` ...: stable, for programs. */
  check: string;
  host: HostName | null;
  text: string;
  /** What to do. */
  todo: string;
}

/** What the doctor looks at and could not find out this time: nothing is known to be wrong, nor that it is well. */
export interface NotKnown {
  check: string;
  host: HostName | null;
  text: string;
}

/** `a`, `a and b`, `a, b and c`. */
export function listText(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** `host mail2`, `hosts mail1 and mail3`. */
export function hostsText(names: readonly HostName[]): string {
  return `${names.length === 1 ? 'host' : 'hosts'} ${listText(names)}`;
}
