/**
 * Three hosts of ours, real sidecars with real Envoys, changed as `nlb apply` does it: weights of the rule under load, and another
 * rule that comes, changes its affinity and its port, and goes.
 */
import type { ApplyAnswer } from '../../../host/apply/apply-host.js';
import { ask } from '../../../host/cli/client.js';
import { connectEnvoyAdmin } from '../../../host/edge/envoy-admin.js';
import { sleep, waitFor } from '../../e2e/harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from '../../e2e/sidecar-cluster.js';
import { CHANGES_PREFIX } from '../places.js';
import { type Contender, DRAIN_S } from './contender.js';

const APPLY_MAX_MS = 60_000;
/** Cuts at a drain's end are seen by then; a drain of filter chains is in none of the stats that we keep. */
const DRAINED_MS = DRAIN_S * 1000 + 1500;

/** What the file says besides the weights, in turn: the other rule is not there, comes, changes twice, and goes. */
const TURNS = [
  { what: 'weights', other: null },
  { what: 'another rule added', other: { port: PORTS.rule + 1, affinity: 'single' } },
  { what: 'affinity of the other rule', other: { port: PORTS.rule + 1, affinity: 'none' } },
  { what: 'weights', other: { port: PORTS.rule + 1, affinity: 'none' } },
  { what: 'port of the other rule', other: { port: PORTS.rule + 2, affinity: 'none' } },
  { what: 'the other rule removed', other: null },
] as const;

export async function startNlb(): Promise<Contender> {
  const cluster = new SidecarCluster(CHANGES_PREFIX, 3, true);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return {
    places: cluster.hosts.map(({ ip }) => ({ host: ip, port: PORTS.rule })),
    change: (change) => apply(cluster, change),
    settled: () => settled(cluster),
    stop: () => cluster.stop(),
  };
}

async function apply(cluster: SidecarCluster, change: number): Promise<{ ms: number; what: string }> {
  // Each host in turn is the one an administrator sits at.
  const host = cluster.hosts[change % cluster.hosts.length]!;
  const { what } = TURNS[(change - 1) % TURNS.length]!;
  const door = { socketPath: `${host.stateDir}/nlb.sock`, server: null, elsewhere: null };
  const startedMs = performance.now();
  const { body } = await ask(
    door,
    'POST',
    '/apply',
    { text: fileOf(cluster, change), by: 'bench' },
    { timeoutMs: APPLY_MAX_MS },
  );
  const ms = performance.now() - startedMs;
  const { ok, text, revision } = body as ApplyAnswer;
  if (!ok) throw new Error(`Change ${change} (${what}) was refused at ${host.name}: ${text}`);
  const revisions = await Promise.all(cluster.hosts.map(async (each) => (await each.status()).file.revision));
  if (revisions.some((each) => each !== revision)) {
    throw new Error(`Change ${change} is revision ${revision}, the hosts have ${revisions.join(', ')} in force`);
  }
  return { ms, what };
}

/** The cluster file after that change. */
export function fileOf(cluster: SidecarCluster, change: number): string {
  // The weights change with every whole turn and in the midst of it, and never come back to the ones before.
  const weight = 40 + (Math.ceil(change / 3) % 41);
  const text = cluster.fileText(`{mail1: ${weight}, mail2: 60, mail3: ${120 - weight}}`);
  const { other } = TURNS[(change - 1) % TURNS.length]!;
  if (other === null) return text;
  const service = `{address: '{dedicatedIp}:${PORTS.service}', proxyProtocol: v2}`;
  return `${text}  - {name: other, ports: ${other.port}, affinity: ${other.affinity}, service: ${service}}\n`;
}

async function settled(cluster: SidecarCluster): Promise<void> {
  await sleep(DRAINED_MS);
  await Promise.all(cluster.hosts.map((host) => waitFor(`${host.name} to have drained`, () => hasDrained(host))));
}

async function hasDrained(host: SidecarHost): Promise<boolean> {
  const admin = connectEnvoyAdmin(`${host.stateDir}/envoy/admin.sock`);
  try {
    const stats = await admin.stats('^listener_manager\\.total_listeners_draining$');
    return stats.get('listener_manager.total_listeners_draining') === 0;
  } finally {
    admin.close();
  }
}
