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
  const outcomes = await Promise.all(doors.map(({ host, door }) => examination(host, door)));
  const examined = outcomes.flatMap((outcome) => ('facts' in outcome ? [outcome] : []));
  const silent = outcomes.flatMap((outcome) => ('reason' in outcome ? [outcome] : []));
  const file = await fileInForce(examined.map(({ door }) => door));
  const dns = call.flag('no-dns') ? null : await dnsOf(file);
  const findings = judge(file, examined, silent, dns, new Date().toISOString());
  return { findings, notKnown: notKnownOf(file, examined, dns), examined: examined.map(({ facts }) => facts.host) };
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

/** @throws CliError where no host knows one */
async function fileInForce(doors: readonly Door[]): Promise<InForce['file']> {
  let last: unknown = { ok: false, text: 'no sidecar could be examined' };
  for (const door of doors) {
    const { code, body } = await ask(door, 'GET', '/in-force');
    if (code === 200) return (body as InForce).file;
    last = body;
  }
  throw new CliError(EXIT.unreachable, saidBy(last));
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
