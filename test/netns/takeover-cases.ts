/**
 * What `npm run takeover` measures: the holder of the virtual IPs dies, and two of the clients that it owned, one of each address
 * family, wait for the next host to hold and to own. The clients are programs of their own in their namespace (takeover-client.ts), so
 * that their clock is not held up by the one that starts and stops hosts.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ownedAmong } from '../bench/owners.js';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, HASH_SEED, logsOf, startCluster, VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { clientAddresses } from './kernel-lab.js';

/**
 * How the holder dies: its link is down, so its kernel passes nothing on either; its sidecar and Envoy are killed, or stand still,
 * and its kernel is there; or it is told to stop.
 */
type Death = 'link' | 'SIGKILL' | 'SIGSTOP' | 'stop';

interface Case {
  heartbeatPeriodMs: number;
  missedHeartbeatsMax: number;
  death: Death;
}

const DEFAULTS: Case = { heartbeatPeriodMs: 1000, missedHeartbeatsMax: 5, death: 'link' };

export const TAKEOVER_CASES = {
  silent_default: DEFAULTS,
  killed_default: { ...DEFAULTS, death: 'SIGKILL' },
  frozen_default: { ...DEFAULTS, death: 'SIGSTOP' },
  silent_fast: { ...DEFAULTS, heartbeatPeriodMs: 100 },
  planned_stop: { ...DEFAULTS, death: 'stop' },
} as const satisfies Record<string, Case>;
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

interface Programs {
  /** By address family. */
  answers: Record<Family, Answer[]>;
  end(): void;
}

const FAMILIES = { ipv4: ['ip', VIRTUAL_IP], ipv6: ['ip6', VIRTUAL_IP6] } as const;
export type Family = keyof typeof FAMILIES;
/** BOUNDED: addresses among which one that a host owns is looked for; of three hosts each owns a third. */
const CANDIDATES = 100;

async function ownedBy(host: ClusterHost, cluster: Cluster, family: 'ip' | 'ip6'): Promise<string> {
  const hosts = cluster.hosts.map(({ name }) => ({ name, loadWeight: 50 }));
  const key = { affinity: 'single', hashSeed: HASH_SEED, ipv6PrefixLength: 64 } as const;
  const [first] = await ownedAmong(host.name, hosts, key, clientAddresses(family, CANDIDATES));
  return first!;
}

function startInside(namespace: string, ...command: string[]): ChildProcessByStdio<null, Readable, null> {
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
  return spawn('ip', ['netns', 'exec', namespace, process.execPath, ...command], { stdio });
}

/** A client of each family, owned by `owner`. */
async function startClients(cluster: Cluster, owner: ClusterHost): Promise<Programs> {
  const answers: Programs['answers'] = { ipv4: [], ipv6: [] };
  const clients = await Promise.all(
    (Object.keys(FAMILIES) as Family[]).map(async (family) => {
      const [kind, to] = FAMILIES[family];
      const from = await ownedBy(owner, cluster, kind);
      const { namespace } = cluster.network.client;
      // A local route is enough for IPv4; for IPv6 a program has to ask for an address that no interface has, and Node.js cannot.
      if (family === 'ipv6') execFileSync('ip', ['-n', namespace, 'addr', 'add', `${from}/128`, 'dev', 'lo', 'nodad']);
      const client = startInside(namespace, program('takeover-client'), 'ask', to, from);
      createInterface({ input: client.stdout }).on('line', (line) => {
        const [openedMs, answeredMs] = line.split(' ').map(Number);
        answers[family].push({ openedMs: openedMs!, answeredMs: answeredMs! });
      });
      return client;
    }),
  );
  return { answers, end: () => clients.forEach((each) => void each.kill('SIGKILL')) };
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

function die(cluster: Cluster, host: ClusterHost, death: Death): void {
  if (death === 'stop') void cluster.post(host, 'stop');
  else if (death === 'link') cluster.network.setLink(host, false);
  else cluster.signal(host, death);
}

/** @returns by address family, milliseconds in which no connection was answered, the longest time after the death or the verb */
export async function takeoverTime(name: TakeoverCase): Promise<Record<Family, number>> {
  const { death, ...heartbeat } = TAKEOVER_CASES[name];
  const cluster = startCluster({ hostCount: 3, mode: 'arp', ...heartbeat });
  const ends: (() => void)[] = [];
  try {
    for (const { namespace } of cluster.hosts) {
      const service = startInside(namespace, program('takeover-client'), 'serve');
      ends.push(() => service.kill('SIGKILL'));
    }
    await waitFor('three hosts converged', () => allConverged(cluster), START_LIMIT_MS);
    const dying = await waitFor('a holder', () => holderOf(cluster), START_LIMIT_MS);
    const { answers, end } = await startClients(cluster, dying);
    ends.push(end);
    const all = Object.values(answers);
    await waitFor('clients are answered', () => all.every((each) => each.length > 50), START_LIMIT_MS);
    await new Promise((resolve) => setTimeout(resolve, 1500 + Math.random() * heartbeat.heartbeatPeriodMs));
    const diedMs = nowMs();
    die(cluster, dying, death);
    const hasMoved = async () => (await holderOf(cluster, dying)) !== undefined;
    await waitFor('another host holds', hasMoved, TAKEOVER_LIMIT_MS);
    const movedMs = nowMs();
    const areAnswered = () => all.every((each) => each.some(({ openedMs }) => openedMs > movedMs + 200));
    await waitFor('new connections are answered', areAnswered, TAKEOVER_LIMIT_MS);
    return { ipv4: longestGapMs(answers.ipv4, diedMs), ipv6: longestGapMs(answers.ipv6, diedMs) };
  } catch (error) {
    process.stderr.write(`${logsOf(cluster)}\n`);
    throw error;
  } finally {
    for (const end of ends) end();
    cluster.remove();
  }
}
