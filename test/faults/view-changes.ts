/** View after view under load: the weight of n3 goes up and down in the cluster file, offered on all hosts each time. */
import { waitFor } from '../e2e/harness/wait.js';
import { judge } from './judge.js';
import type { Lab } from './lab.js';
import { attemptNotes, inLab, type Outcome, ownersUnder, type RunSettings, startedLoad } from './run.js';

const WEIGHTS = [60, 50];
const CHANGE_LIMIT_MS = 20_000;

/** One changed file, until it is in force in all Envoys under a new view. @returns how long that took, ms */
async function changeView(lab: Lab, weight: number): Promise<number> {
  const { cluster } = lab;
  const before = (await cluster.status(lab.host('n1')))?.view?.number ?? 0;
  const startedMs = Date.now();
  cluster.writeFile(`{n1: 50, n2: 50, n3: ${weight}}`);
  await Promise.all(cluster.hosts.map((host) => cluster.post(host, 'reload')));
  await waitFor(
    `a view after ${before} with weight ${weight}`,
    async () => {
      const statuses = await Promise.all(cluster.hosts.map((host) => cluster.status(host)));
      const isIn = (status: (typeof statuses)[number]) =>
        !!status?.envoy.tookConfiguration &&
        (status.view?.number ?? 0) > before &&
        status.rules[0]?.hosts.find(({ host }) => host === 'n3')?.loadWeight === weight;
      return statuses.every(isIn) && new Set(statuses.map((status) => status?.view?.checksum)).size === 1;
    },
    CHANGE_LIMIT_MS,
  );
  return Date.now() - startedMs;
}

function median(times: number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0;
}

/** @param limitMs  no further view is begun after this, so that a busy machine does not take all day */
export async function runViewChanges(count: number, limitMs: number, settings: RunSettings): Promise<Outcome> {
  return inLab(null, async (lab, samples) => {
    const load = await startedLoad(lab, settings);
    const faultMs = Date.now();
    const times: number[] = [];
    while (times.length < count && Date.now() - faultMs < limitMs) {
      times.push(await changeView(lab, WEIGHTS[times.length % WEIGHTS.length] ?? 50));
    }
    const owners = await ownersUnder(['n1', 'n2', 'n3'], WEIGHTS);
    const never = () => false;
    const records = await load.end();
    const rest = { isDoomed: never, mayMove: never, closedEntries: [], faultMs, settledMs: Date.now() };
    const evidence = { ...records, samples, owners, ...rest };
    const figures = { ...judge(evidence), one_view_ms: median(times), whole_again_ms: Math.max(...times) };
    const spread = `median ${median(times)} ms, slowest ${Math.max(...times)} ms`;
    const summary = `${times.length} of ${count} views in ${Date.now() - faultMs} ms, ${spread}`;
    return { figures, notes: [summary, ...attemptNotes(evidence)] };
  });
}
