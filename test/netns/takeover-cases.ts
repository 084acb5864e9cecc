/**
 * What `npm run takeover` measures. The client is a program of its own in its namespace (takeover-client.ts), so that its clock is not
 * held up by the ones that start and stop hosts. A silent death is a link taken down: its kernel passes nothing on either.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, logsOf, startCluster, VIRTUAL_IP } from './cluster.js';
import { allConverged } from './detect-cases.js';

const DEFAULTS = { heartbeatPeriodMs: 1000, missedHeartbeatsMax: 5, planned: false };

export const TAKEOVER_CASES = {
  silent_default: DEFAULTS,
  silent_fast: { ...DEFAULTS, heartbeatPeriodMs: 100 },
  planned_stop: { ...DEFAULTS, planned: true },
} as const;
export type TakeoverCase = keyof typeof TAKEOVER_CASES;

const START_LIMIT_MS = 120_000;
const TAKEOVER_LIMIT_MS = 60_000;

interface Answer {
  /** CLOCK_MONOTONIC, the same for all processes of a machine. */
  openedMs: number;
  answeredMs: number;
}

function program(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.includes('/build/') ? join(here, `${name}.js`) : join(here, `../../build/test/netns/${name}.js`);
}

function startPrograms(cluster: Cluster): { answers: Answer[]; end(): void } {
  const inside = (namespace: string, ...command: string[]) =>
    spawn('ip', ['netns', 'exec', namespace, process.execPath, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  const services = cluster.hosts.map((host) => inside(host.namespace, program('takeover-client'), 'serve'));
  const client = inside(cluster.network.client.namespace, program('takeover-client'), 'ask', VIRTUAL_IP);
  const answers: Answer[] = [];
  createInterface({ input: client.stdout }).on('line', (line) => {
    const [openedMs, answeredMs] = line.split(' ').map(Number);
    answers.push({ openedMs: openedMs!, answeredMs: answeredMs! });
  });
  return { answers, end: () => [client, ...services].forEach((each) => void each.kill('SIGKILL')) };
}

async function holderOf(cluster: Cluster, except?: ClusterHost): Promise<ClusterHost | undefined> {
  const asked = cluster.hosts.filter((host) => host !== except);
  const statuses = await Promise.all(asked.map((host) => cluster.status(host)));
  return asked.find((_, i) => statuses[i]?.virtualIp?.isHeldHere === true);
}

/** The longest time after it in which no connection was answered. */
function longestGapMs(answers: readonly Answer[], diedMs: number): number {
  const times = answers.map(({ answeredMs }) => answeredMs).filter((atMs) => atMs > diedMs);
  const sorted = [diedMs, ...times.sort((a, b) => a - b)];
  return Math.max(...sorted.slice(1).map((atMs, i) => atMs - sorted[i]!));
}

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** @returns milliseconds in which no connection was answered, the longest time after the death or the verb */
export async function takeoverTime(name: TakeoverCase): Promise<number> {
  const { planned, ...heartbeat } = TAKEOVER_CASES[name];
  const cluster = startCluster({ hostCount: 3, mode: 'arp', ...heartbeat });
  const programs = startPrograms(cluster);
  try {
    await waitFor('three hosts converged', () => allConverged(cluster), START_LIMIT_MS);
    await waitFor('the client is answered', () => programs.answers.length > 50, START_LIMIT_MS);
    await new Promise((resolve) => setTimeout(resolve, 1500 + Math.random() * heartbeat.heartbeatPeriodMs));
    // On a busy machine they may have moved since the start.
    const dying = await waitFor('a holder', () => holderOf(cluster), START_LIMIT_MS);
    const diedMs = nowMs();
    if (planned) void cluster.post(dying, 'stop');
    else cluster.network.setLink(dying, false);
    const hasMoved = async () => (await holderOf(cluster, dying)) !== undefined;
    await waitFor('another host holds', hasMoved, TAKEOVER_LIMIT_MS);
    const movedMs = nowMs();
    await waitFor(
      'new connections are answered',
      () => programs.answers.some(({ openedMs }) => openedMs > movedMs + 200),
      TAKEOVER_LIMIT_MS,
    );
    return longestGapMs(programs.answers, diedMs);
  } catch (error) {
    process.stderr.write(`${logsOf(cluster)}\n`);
    throw error;
  } finally {
    programs.end();
    cluster.remove();
  }
}
