/** `npm run bench`: what a new connection costs, in turns, ours beside others. See --help and docs/performance.md. */
import { changesTable, measureChanges } from './changes/measure.js';
import { decisionTimes } from './decision-time.js';
import { measureMapChanges } from './kernel/map-changes.js';
import { measureMulticastChanges } from './kernel/multicast-changes.js';
import { measureKernelTurns } from './kernel/turns.js';
import { HELP, type Options, readOptions } from './options.js';
import { measureOpen, measureSoak, measureTurns } from './parts.js';
import { sidecarDelay } from './sidecar-delay.js';
import { measureVerbs, verbsTable } from './verbs.js';
import { align, comparisonsOf, comparisonTable, resultOf, tableOf } from './report.js';

/** Each takes some ten seconds: every host is stopped and started in it. */
const VERB_ROUNDS = 10;
const say = (text: string) => void process.stderr.write(`bench: ${text}\n`);

async function run({ parts, variants, plan, soak, changes }: Options, show: (text: string) => void): Promise<object> {
  const report: Record<string, unknown> = {};
  if (parts.includes('turns')) {
    const lanes = await measureTurns(variants, plan, say);
    const comparisons = comparisonsOf(lanes);
    show(`${tableOf(lanes)}\n\n${comparisonTable(comparisons)}`);
    report.results = Object.fromEntries(lanes.map((lane) => [lane.name, resultOf(lane)]));
    report.comparisons = comparisons;
  }
  if (parts.includes('decision')) {
    report.decision = await decisionTimes();
    show(`The decision alone:\n${fields(report.decision)}`);
  }
  if (parts.includes('open')) {
    report.open_connections = await measureOpen(plan, say);
    show(`New connections while many are open:\n${fields(report.open_connections)}`);
  }
  if (parts.includes('soak')) {
    report.soak = await measureSoak(soak, say);
    show(`Memory:\n${fields(report.soak)}`);
  }
  if (parts.includes('sidecar')) {
    report.sidecar = await sidecarDelay(say, plan.pin);
    show(`Event-loop delay of a sidecar, 32 hosts and 32 port rules:\n${fields(report.sidecar)}`);
  }
  if (parts.includes('kernel')) {
    report.kernel_turns = await measureKernelTurns(plan, say);
    show(`One address for all, in namespaces:\n${fields(report.kernel_turns)}`);
    const mapChanges = [await measureMapChanges(3, say), await measureMapChanges(8, say)];
    report.kernel_map_changes = mapChanges;
    for (const one of mapChanges) show(`The kernel's maps under load, ${one.hosts} hosts:\n${fields(one)}`);
    report.kernel_multicast_changes = await measureMulticastChanges(say);
    show(`The kernel's maps under load, mode multicast:\n${fields(report.kernel_multicast_changes)}`);
  }
  if (parts.includes('changes')) {
    const measured = await measureChanges(changes, say);
    report.changes = measured;
    show(`Changes of the configuration under load:\n${changesTable(measured)}`);
  }
  if (parts.includes('verbs')) {
    const measured = await measureVerbs(Math.min(plan.turns, VERB_ROUNDS), say);
    report.verbs = measured;
    show(`Every verb as it is typed, on three hosts:\n${verbsTable(measured)}`);
  }
  return report;
}

/** Anything as lines of `name  value`. */
function fields(value: unknown): string {
  const rows = Object.entries(value as object).flatMap(([name, one]) =>
    typeof one === 'object' && !Array.isArray(one)
      ? Object.entries(one).map(([inner, number]) => [`  ${name} ${inner}`, String(number)])
      : [[`  ${name}`, String(one)]],
  );
  return align(rows);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const report = await run(options, options.json ? () => {} : (text) => void process.stdout.write(`${text}\n\n`));
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

main().catch((error: Error) => {
  say(error.message);
  process.exitCode = 1;
});
