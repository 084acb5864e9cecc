/** What a running sidecar offers to its doors, apart from how it is reached: routes.ts says under which path. */
import type { HostFacts } from '../doctor/facts.js';
import type { HistoryEntry } from '../history/entry.js';
import type { InForce } from '../protocol/types.js';
import type { Role } from './route.js';
import type { ClusterStatus } from './status.js';

export const VERBS = [
  'start',
  'stop',
  'drainstop',
  'suspend',
  'resume',
  'enable',
  'disable',
  'drain',
  'forget',
  'reload',
  'move-vip',
] as const;
export type Verb = (typeof VERBS)[number];

export interface VerbAnswer {
  ok: boolean;
  /** One or two sentences for a person: what happened, or why it did not. */
  text: string;
}

export interface EntryAnswer {
  isIn: boolean;
  reason: string;
}

/** What whoever asks may do here. */
export interface Access {
  role: Role;
  /** The name of the token; null where the door knows no names. */
  by: string | null;
}

export interface ExplainQuestion {
  /** `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1` or `[2001:db8::1]:4711`, as the person wrote it. */
  client: string;
  port: number;
  protocol: 'tcp' | 'udp';
  /** The virtual IP the client asked for; null for any. */
  to: string | null;
  /** ISO 8601: decided by the view of then; null for now. */
  at?: string | null;
}

/** What the loop (host/run.ts) offers to the admin servers. */
export interface AdminApi {
  status(): ClusterStatus;
  entry(): EntryAnswer;
  /** Null before the first view. */
  inForce(): InForce | null;
  /** For nlb doctor. @throws Error with a sentence for the person */
  examination(): Promise<HostFacts>;
  /** @param since  ISO 8601, or null for all */
  history(since: string | null): Promise<HistoryEntry[]>;
  /** @throws Error with a sentence for the person where the question cannot be answered */
  explain(question: ExplainQuestion): Promise<unknown>;
  verb(verb: Verb, asked: URLSearchParams): Promise<VerbAnswer>;
}
