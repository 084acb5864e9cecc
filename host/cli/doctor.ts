/** `nlb doctor`: looks through the whole cluster for what is known to go wrong, and says what to do. */
import { setMaxListeners } from 'node:events';
import type { DnsFacts, DoctorFinding, Examined, HostFacts, NotKnown } from '../doctor/facts.js';
import type { Silent } from '../doctor/judge.js';
import type { HostName, InForce } from '../protocol/types.js';
import { type Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, type Door, type Patience, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findAll, findSidecar } from './find-sidecar.js';
import { counted, jsonText, wrapped } from './output.js';
import type { Terminal } from './terminal.js';

/** From the first question to what is said; other hosts and DNS are waited for 8 s, side by side. */
const MAX_S = 10;
/** One deadline for all that is asked: what there is by then is still judged and said. */
const DEADLINE_MS = 9500;
/** A sidecar says from memory who is in its cluster; where several are on this machine, the next one is asked then. */
const FIND_MS = 3000;

export const verb: Verb = {
  usage: 'nlb doctor [--no-dns] [--state-dir DIR] [--json]',
  help: `
Looks through the whole cluster and says what is wrong and what to do: DNS names
forward, back and forward again, heartbeats, handoff and channel ports both
ways, clocks, several default hosts, differing files, virtual IPs that are
missing, left over or answered for by strangers, services that differ from host
to host or relay for strangers, certificates near their end, services that are
reached past Envoy, connections that all go to one host, remote control that
does not answer, and every problem the sidecars know of.

Mail servers are asked with EHLO and RCPT TO for a stranger; nothing is sent.
What could not be found out is said at the end, and why.

All of it is done side by side. A service, a host or a name server that says
nothing is waited for, all of them together, 10 s at most; on a terminal the
last line shows for whom.

Exit code 0: nothing found. 1: something. 3: no sidecar answers.`,
  options: { 'no-dns': { type: 'boolean', help: 'do not ask DNS' }, ...SIDECAR_OPTIONS },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const diagnosed = await diagnosis(call, terminal);
    const { findings, notKnown, examined } = diagnosed;
    if (call.flag('json')) terminal.out(jsonText({ ok: findings.length === 0, hosts: examined, findings, notKnown }));
    else terminal.out(doctorText(diagnosed));
    return findings.length === 0 ? EXIT.yes : EXIT.no;
  },
};

interface Diagnosis {
  findings: DoctorFinding[];
  notKnown: NotKnown[];
  examined: HostName[];
}

async function diagnosis(call: Call, terminal: Terminal): Promise<Diagnosis> {
  const waiting = new Waiting(terminal.progress ?? null);
  const over = new AbortController();
  const { signal } = over;
  const deadline = setTimeout(() => over.abort(new Error(`no answer within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS);
  try {
    const doors = await doorsOf(call, terminal, { timeoutMs: FIND_MS, signal });
    return await diagnosisOf(doors, call.flag('no-dns') ? null : askDns, waiting, signal);
  } finally {
    clearTimeout(deadline);
    // Before anything is said, an error as well.
    waiting.end();
    // Who has not answered is waited for no more: an open question would keep the process.
    over.abort(new Error('all is said'));
  }
}

async function doorsOf(call: Call, terminal: Terminal, patience: Patience): Promise<{ host: HostName; door: Door }[]> {
  if (!call.has('host')) return findAll(call, terminal, patience);
  return [{ host: call.text('host')!, door: await findSidecar(call, terminal, patience) }];
}

/** Loaded for it alone: without, the verb is there in less time. */
async function askDns(file: InForce['file'], signal: AbortSignal): Promise<DnsFacts> {
  const { dnsOf } = await import('./doctor-dns.js');
  return dnsOf(file, signal);
}

/**
 * All side by side: whoever is slow, or does not answer, is waited for once. Exported for tests.
 *
 * @param askDns  null where DNS is left out
 * @param signal  ends every question: who has not answered by then is silent
 */
export async function diagnosisOf(
  doors: readonly { host: HostName; door: Door }[],
  askDns: ((file: InForce['file'], signal: AbortSignal) => Promise<DnsFacts>) | null,
  waiting: Waiting,
  signal: AbortSignal,
): Promise<Diagnosis> {
  // Each question listens to it, which Node.js takes for a leak from the eleventh on.
  setMaxListeners(0, signal);
  const asked = fileInForce(
    doors.map(({ door }) => door),
    signal,
  );
  const askedDns =
    askDns &&
    waiting.until(
      'DNS',
      asked.then((file) => askDns(file, signal)),
    );
  const examinations = doors.map(({ host, door }) => waiting.until(host, examination(host, door, signal)));
  // Loaded while the hosts look at themselves.
  const judging = Promise.all([import('../doctor/judge.js'), import('../doctor/not-known.js')]);
  const [file, dns, outcomes] = await Promise.all([asked, askedDns, Promise.all(examinations)]);
  const [{ judge }, { notKnownOf }] = await judging;
  const examined = outcomes.flatMap((outcome) => ('facts' in outcome ? [outcome] : []));
  const silent = outcomes.flatMap((outcome) => ('reason' in outcome ? [outcome] : []));
  const findings = judge(file, examined, silent, dns, new Date().toISOString());
  return { findings, notKnown: notKnownOf(file, examined, dns), examined: examined.map(({ facts }) => facts.host) };
}

/** Shows who has not answered yet. Exported for tests. */
export class Waiting {
  private readonly names = new Set<string>();

  /** @param progress  as `Terminal` has it; null once nothing may be shown */
  constructor(private progress: ((text: string) => void) | null) {}

  async until<T>(name: string, answer: Promise<T>): Promise<T> {
    this.names.add(name);
    this.show();
    try {
      return await answer;
    } finally {
      this.names.delete(name);
      this.show();
    }
  }

  /** Takes the line away, and shows none for what answers later. */
  end(): void {
    this.progress?.('');
    this.progress = null;
  }

  private show(): void {
    const text = `waiting for ${[...this.names].join(', ')}; ${MAX_S} s at most ...`;
    this.progress?.(this.names.size === 0 ? '' : text);
  }
}

/** The sidecar that was to ask that host is not to blame. */
const OVER = 'not within the time that nlb doctor has';

function isOver(signal: AbortSignal, { elsewhere }: Door): boolean {
  return signal.aborted && elsewhere !== null;
}

async function examination(
  host: HostName,
  door: Door,
  signal: AbortSignal,
): Promise<(Examined & { door: Door }) | Silent> {
  try {
    const askedMs = Date.now();
    const { code, body } = await ask(door, 'GET', '/examination', undefined, { signal });
    if (code !== 200) return { host, reason: saidBy(body) };
    const facts = body as HostFacts;
    // Its clock is read first, its examination may take seconds: the time of the question is the nearer end.
    const errorMs = Math.min(Date.now() - askedMs, 500);
    return { facts, clockAheadMs: Date.parse(facts.at) - askedMs, errorMs, door };
  } catch (error) {
    if (error instanceof CliError) return { host, reason: isOver(signal, door) ? OVER : error.message };
    throw error;
  }
}

/**
 * Of the sidecar that is asked itself: it answers from memory. Only where it knows none yet the others are asked, side by
 * side, and the first answer counts: DNS waits for it, and whoever is silent must keep nobody back.
 *
 * @throws CliError where no host knows one
 */
async function fileInForce(doors: readonly Door[], signal: AbortSignal): Promise<InForce['file']> {
  const [first, ...rest] = [...doors].sort((a, b) => Number(a.elsewhere !== null) - Number(b.elsewhere !== null));
  if (first === undefined) throw new CliError(EXIT.unreachable, 'no sidecar could be examined');
  const file = await fileOf(first, signal).catch((error: Error) => error);
  if (!(file instanceof Error)) return file;
  if (!(file instanceof CliError)) throw file;
  // Of hosts that all know none, what the first says is as good as any.
  return Promise.any(rest.map((door) => fileOf(door, signal))).catch(() => Promise.reject(file));
}

async function fileOf(door: Door, signal: AbortSignal): Promise<InForce['file']> {
  const { code, body } = await ask(door, 'GET', '/in-force', undefined, { signal });
  if (code === 200) return (body as InForce).file;
  throw new CliError(EXIT.unreachable, saidBy(body));
}

function doctorText({ findings, notKnown, examined }: Diagnosis): string {
  const who = `Looked at ${examined.join(', ') || 'no host'}`;
  const count = findings.length === 0 ? 'nothing found' : `${counted(findings.length, 'finding')}\n`;
  const lines = findings.map(({ text, todo }, index) => {
    return wrapped(`${index + 1}. ${text}`) + wrapped(todo, '   -> ');
  });
  const open = notKnown.map(({ text }) => wrapped(text, ' - '));
  return `${who}: ${count}\n${lines.join('')}${open.length > 0 ? `\nNot found out:\n${open.join('')}` : ''}`;
}
