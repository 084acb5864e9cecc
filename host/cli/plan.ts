/** `nlb plan`: what a change would move, before it is made. */
import { type Change, ChangeError, type Weight } from '../plan/change.js';
import type { ClusterFile, InForce } from '../protocol/types.js';
import { type Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { ask, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText } from './output.js';
import { planText } from './plan-text.js';
import type { Terminal } from './terminal.js';

export const verb: Verb = {
  usage: 'nlb plan [--from FILE] [--config NEW] [--drain HOST] [--lost HOST] ...',
  help: `
Tells what a change would move: for each port rule the shares before and after,
how many clients go from whom to whom, and how evenly 50, 500 and 5,000 clients
will fall on the hosts. Changes nothing. Several changes are planned together;
without any it tells the spread of what is in force.

Asks the running sidecar what is in force; with --from a file, where every host
counts as there and well, and no sidecar is needed.

Exit code 0: told. 1: a file has mistakes. 2: no such rule or host.
3: no sidecar answers.`,
  options: {
    from: { type: 'string', value: 'FILE', help: 'start from this cluster file instead of what is in force' },
    config: { type: 'string', value: 'NEW', help: 'this cluster file comes into force' },
    weight: { type: 'string', multiple: true, value: 'RULE:HOST=N', help: 'a load weight becomes N (may be repeated)' },
    drain: { type: 'string', multiple: true, value: 'HOST', help: 'a host is drained (may be repeated)' },
    lost: { type: 'string', multiple: true, value: 'HOST', help: 'a host is lost (may be repeated)' },
    rule: { type: 'string', value: 'RULE', help: 'only this port rule' },
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const [{ loadDecision }, { planOf }, { changed }] = await Promise.all([
      import('../edge/decision.js'),
      import('../plan/plan.js'),
      import('../plan/change.js'),
    ]);
    const from = call.text('from');
    const change = await changeOf(call);
    const decision = await loadDecision();
    const before = from === null ? await askSidecar(call, terminal) : await inForceOf(from, decision.version);
    const after = orUsage(() => changed(before, change));
    const plan = await planOf(before, after, decision, { isFromFile: from !== null });
    const only = call.text('rule');
    const rules = plan.rules.filter(({ name }) => only === null || name === only);
    if (rules.length === 0 && only !== null) {
      const names = plan.rules.map(({ name }) => name).join(', ');
      throw new CliError(EXIT.usage, `There is no port rule ${only}, expected ${names}`);
    }
    terminal.out(call.flag('json') ? jsonText({ ...plan, rules }) : planText({ ...plan, rules }));
    return EXIT.yes;
  },
};

async function changeOf(call: Call): Promise<Change> {
  const config = call.text('config');
  return {
    file: config === null ? null : await fileAt(config),
    weights: call.texts('weight').map(weightOf),
    drained: call.texts('drain'),
    lost: call.texts('lost'),
  };
}

function weightOf(text: string): Weight {
  const match = /^([^:=]+):([^:=]+)=([0-9]{1,3})$/.exec(text);
  const loadWeight = Number(match?.[3] ?? NaN);
  if (match === null || loadWeight > 100) {
    throw new CliError(EXIT.usage, `--weight is ${text}, expected RULE:HOST=0-100 such as smtp:mail1=30`);
  }
  return { rule: match[1]!, host: match[2]!, loadWeight };
}

async function askSidecar(call: Call, terminal: Terminal): Promise<InForce> {
  const { code, body } = await ask(await findSidecar(call, terminal), 'GET', '/in-force');
  if (code !== 200) throw new CliError(EXIT.no, saidBy(body));
  return body as InForce;
}

async function inForceOf(path: string, decisionVersion: number): Promise<InForce> {
  const { inForceOfFile } = await import('../admin/explain.js');
  return inForceOfFile(await fileAt(path), decisionVersion);
}

async function fileAt(path: string): Promise<ClusterFile> {
  const { loadClusterFile } = await import('../edge/cluster-file.js');
  const loaded = loadClusterFile(path);
  if (!loaded.ok) throw new CliError(EXIT.no, `${path} has mistakes; nlb check ${path} names them`);
  return loaded.file;
}

function orUsage<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof ChangeError) throw new CliError(EXIT.usage, error.message);
    throw error;
  }
}
