/** `nlb doctor`: looks through the whole cluster for what is known to go wrong, and says what to do. */
import type { DoctorFinding, Examined, HostFacts, NotKnown } from '../doctor/facts.js';
import { judge, type Silent } from '../doctor/judge.js';
import { notKnownOf } from '../doctor/not-known.js';
import type { HostName, InForce } from '../protocol/types.js';
import { type Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, type Door, saidBy } from './client.js';
import { dnsOf } from './doctor-dns.js';
import { CliError, EXIT } from './exit-codes.js';
import { findAll, findSidecar } from './find-sidecar.js';
import { counted, jsonText, wrapped } from './output.js';
import type { Terminal } from './terminal.js';

/** As client.ts waits for an answer; an examination looks at services for 8 s, DNS is asked for 6 s. */
const MAX_S = 10;

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

All of it is done side by side. A service, or a host, that says nothing is
waited for 10 s at most; on a terminal the last line shows for whom.

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
  const doors = call.has('host')
    ? [{ host: call.text('host')!, door: await findSidecar(call, terminal) }]
    : await findAll(call, terminal);
  const waiting = new Waiting(terminal);
  // All side by side: whoever is slow, or does not answer, is waited for once.
  const asked = fileInForce(doors.map(({ door }) => door));
  const askedDns = call.flag('no-dns') ? null : waiting.until('DNS', asked.then(dnsOf));
  const examinations = doors.map(({ host, door }) => waiting.until(host, examination(host, door)));
  const [file, dns, outcomes] = await Promise.all([asked, askedDns, Promise.all(examinations)]);
  const examined = outcomes.flatMap((outcome) => ('facts' in outcome ? [outcome] : []));
  const silent = outcomes.flatMap((outcome) => ('reason' in outcome ? [outcome] : []));
  const findings = judge(file, examined, silent, dns, new Date().toISOString());
  return { findings, notKnown: notKnownOf(file, examined, dns), examined: examined.map(({ facts }) => facts.host) };
}

/** Shows who has not answered yet. */
class Waiting {
  private readonly names = new Set<string>();

  constructor(private readonly terminal: Terminal) {}

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

  private show(): void {
    const text = `waiting for ${[...this.names].join(', ')}; ${MAX_S} s at most ...`;
    this.terminal.progress?.(this.names.size === 0 ? '' : text);
  }
}

async function examination(host: HostName, door: Door): Promise<(Examined & { door: Door }) | Silent> {
  try {
    const askedMs = Date.now();
    const { code, body } = await ask(door, 'GET', '/examination');
    if (code !== 200) return { host, reason: saidBy(body) };
    const facts = body as HostFacts;
    // Its clock is read first, its examination may take seconds: the time of the question is the nearer end.
    const errorMs = Math.min(Date.now() - askedMs, 500);
    return { facts, clockAheadMs: Date.parse(facts.at) - askedMs, errorMs, door };
  } catch (error) {
    if (error instanceof CliError) return { host, reason: error.message };
    throw error;
  }
}

/**
 * All are asked side by side; the first of them, in their order, that knows one.
 *
 * @throws CliError where no host knows one
 */
async function fileInForce(doors: readonly Door[]): Promise<InForce['file']> {
  let last = 'no sidecar could be examined';
  const asked = doors.map((door) => ask(door, 'GET', '/in-force').catch((error: Error) => error));
  for (const answer of asked) {
    const said = await answer;
    if (said instanceof Error) {
      if (!(said instanceof CliError)) throw said;
      last = said.message;
      continue;
    }
    if (said.code === 200) return (said.body as InForce).file;
    last = saidBy(said.body);
  }
  throw new CliError(EXIT.unreachable, last);
}

function doctorText({ findings, notKnown, examined }: Diagnosis): string {
  const who = `Looked at ${examined.join(', ')}`;
  const count = findings.length === 0 ? 'nothing found' : `${counted(findings.length, 'finding')}\n`;
  const lines = findings.map(({ text, todo }, index) => {
    return wrapped(`${index + 1}. ${text}`) + wrapped(todo, '   -> ');
  });
  const open = notKnown.map(({ text }) => wrapped(text, ' - '));
  return `${who}: ${count}\n${lines.join('')}${open.length > 0 ? `\nNot found out:\n${open.join('')}` : ''}`;
}
