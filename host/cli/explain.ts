/** `nlb explain`: which host takes a client, and why. */
import type { ExplainQuestion } from '../admin/api.js';
import type { Explanation } from '../admin/explain.js';
import { type Call, portArgument, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, type Door, saidBy } from './client.js';
import { ALL_OPTION } from './every-host.js';
import { CliError, EXIT } from './exit-codes.js';
import { explainOnAll } from './explain-all.js';
import { explanationPage } from './explain-page.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';
import { timeArgument } from './time.js';

export const verb: Verb = {
  usage: 'nlb explain CLIENT[:PORT] --port PORT [--at TIME] [--all] [--config FILE]',
  help: `
Tells which host owns a client's new connections and why: key, hash, bucket, the
draw of each host, the next owner, and who takes no part for which reason.
Asks the running sidecar; with --config the file alone, where every host counts
as there and well; with --at by the view of then, from this host's history.
With --all every host is asked, also of another time: one answer where they
decide alike, each host's own where they do not.
IPv6 with a port: [2001:db8::1]:4711.

Exit code 0: a host takes the client. 1: nobody does, or hosts differ (--all).
2: the question cannot be answered. 3: no sidecar answers, or one of --all.`,
  options: {
    port: { type: 'string', value: 'PORT', help: 'the port the client connects to' },
    protocol: { type: 'string', value: 'tcp|udp', help: 'tcp unless given' },
    to: { type: 'string', value: 'ADDRESS', help: 'the address the client connects to, where that matters' },
    at: { type: 'string', value: 'TIME', help: '02:14, 2026-11-22 02:14 or 20m ago: 20m' },
    config: { type: 'string', value: 'FILE', help: 'explain from this cluster file alone' },
    all: ALL_OPTION,
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 1, max: 1 },
  async run(call, terminal) {
    const question = questionOf(call);
    const config = call.text('config');
    if (call.flag('all')) {
      if (config !== null)
        throw new CliError(EXIT.usage, '--all and --config exclude each other: a file has no hosts to ask');
      return explainOnAll(call, terminal, (door) => askDoor(question, door));
    }
    const explanation =
      config === null
        ? await askDoor(question, await findSidecar(call, terminal))
        : await askFile(question, config, call);
    terminal.out(call.flag('json') ? jsonText(explanation) : explanationPage(explanation));
    return explanation.refused === null && explanation.rule !== null ? EXIT.yes : EXIT.no;
  },
};

function questionOf(call: Call): ExplainQuestion {
  const protocol = call.text('protocol') ?? 'tcp';
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw new CliError(EXIT.usage, `--protocol is ${protocol}, expected tcp or udp`);
  }
  return {
    client: call.positionals[0]!,
    port: portArgument('port', call.text('port')),
    protocol,
    to: call.text('to'),
    at: momentOf(call),
  };
}

function momentOf(call: Call): string | null {
  const text = call.text('at');
  if (text !== null && call.text('config') !== null) {
    throw new CliError(EXIT.usage, '--at and --config exclude each other: a file has no past');
  }
  return text === null ? null : timeArgument('at', text, new Date());
}

async function askDoor(question: ExplainQuestion, door: Door): Promise<Explanation> {
  const { client, port, protocol, to, at = null } = question;
  const asked = new URLSearchParams({ client, port: String(port), protocol, ...(to === null ? {} : { to }) });
  if (at !== null) asked.set('at', at);
  const { code, body } = await ask(door, 'GET', `/explain?${asked}`);
  if (code !== 200) throw new CliError(EXIT.usage, saidBy(body));
  return body as Explanation;
}

/** Loaded only here: without --config neither YAML nor the decision is needed in this process. */
async function askFile(question: ExplainQuestion, path: string, call: Call): Promise<Explanation> {
  const [{ loadClusterFile }, { findThisHost }, { explain, inForceOfFile }, { loadDecision }] = await Promise.all([
    import('../edge/cluster-file.js'),
    import('../edge/this-host.js'),
    import('../admin/explain.js'),
    import('../edge/decision.js'),
  ]);
  const loaded = loadClusterFile(path);
  if (!loaded.ok) throw new CliError(EXIT.no, `${path} has mistakes; nlb check ${path} names them`);
  const wanted = call.text('host');
  const self = wanted === null ? null : findThisHost(loaded.file, wanted, []);
  if (self !== null && !self.ok) throw new CliError(EXIT.usage, self.text);
  const decision = await loadDecision();
  try {
    const inForce = inForceOfFile(loaded.file, decision.version);
    return explain(inForce, self?.host.name ?? null, decision, question, 'file');
  } catch (error) {
    throw new CliError(EXIT.usage, (error as Error).message);
  }
}
