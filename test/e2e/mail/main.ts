/**
 * `npm run mail`: 5,000 messages from a queueing postfix to three postfix behind a cluster, while a host is killed whole.
 * Exits 0 when every promise was kept. Needs root, postfix and swaks.
 */
import { parseArgs } from 'node:util';
import { brokenPromises, type Figures, KilledHost } from './killed-host.js';
import { whyNoMail } from './needs.js';

const USAGE = `usage: npm run mail -- [--messages N] [--json]

  --messages N   how many, 100-100000 (5000)
  --json         one object: {"results": {"killed_host": {...}}}
`;
const PREFIX = '127.0.75';

function stopWith(text: string, code: number): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function readArguments(): { messages: number; json: boolean } {
  try {
    const { values } = parseArgs({
      options: { messages: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) stopWith(USAGE, 0);
    const messages = Number(values.messages ?? 5000);
    if (!Number.isInteger(messages) || messages < 100 || messages > 100_000) {
      stopWith(`mail: --messages is ${values.messages}, expected a number of 100-100000`, 64);
    }
    return { messages, json: values.json ?? false };
  } catch (error) {
    return stopWith(`${(error as Error).message}\n\n${USAGE}`, 64);
  }
}

function report(figures: Figures): void {
  const hosts = Object.entries(figures.by_host).map(([host, count]) => `${host} ${count}`);
  const lines = [
    `${figures.messages} messages in ${figures.seconds} s; kept by ${hosts.join(', ')}`,
    `others converged ${figures.others_converged_ms} ms after the kill`,
    `${figures.cut_sessions} sessions cut, ${figures.refused_tries} tries refused by the dead host, ` +
      `${figures.deferred} messages put off, ${figures.bounced} given back`,
    `${figures.arrived_before_return} arrived while the host was dead, ${figures.in_dead_queue} lay in its queue`,
    `${figures.arrived} arrived in the end, ${figures.wrong_client} of them with another client address`,
    `${figures.taken_twice} taken twice (the sender warned of ${figures.may_be_sent_twice}), ` +
      `${figures.written_twice} written twice by the killed host`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const { messages, json } = readArguments();
const missing = whyNoMail();
if (missing !== null) stopWith(`mail: ${missing}`, 1);
const experiment = new KilledHost(PREFIX, messages, (text) => process.stderr.write(`${text}\n`));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void experiment.stop().finally(() => process.exit(130)));
}
try {
  const figures = await experiment.run();
  if (json) process.stdout.write(`${JSON.stringify({ results: { killed_host: figures } })}\n`);
  else report(figures);
  const broken = brokenPromises(figures);
  for (const text of broken) process.stderr.write(`FAIL  ${text}\n`);
  process.exitCode = broken.length === 0 ? 0 : 1;
} finally {
  await experiment.stop();
}
