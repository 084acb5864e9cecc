/**
 * How long is a sidecar's event loop held up by a view change? One real sidecar with its Envoy, in a cluster of 32 hosts and
 * 32 port rules of differing weights (so that no two share a table); the other 31 hosts speak the real protocol.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterStatus } from '../../host/admin/status.js';
import { endEnvoy, findOwnEnvoy } from '../../host/edge/envoy-process.js';
import { sleep, waitFor } from '../e2e/harness/wait.js';
import type { DelayAnswer, LoopDelay } from './delay-hook.js';
import { pin } from './pin.js';
import { SIDECAR_PREFIX } from './places.js';
import { ROOT } from './root.js';
import { estimateOf } from './statistics.js';

const HOSTS = 32;
const RULES = 32;
const CHANGES = 10;
/** All of a change is over by then: convergence, files, tables. */
const SETTLE_MS = 4000;
const CONVERGENCE_MAX_MS = 180_000;
const ENVOY_END_MS = 5000;

export interface SidecarDelay {
  view_changes: number;
  /** Longest delay of the event loop in each change: the median of them, and the worst. */
  median_ms: number;
  worst_ms: number;
  /** What the worst was made of, as the scheduler and V8 count it. */
  worst_ran_ms: number;
  worst_waited_for_cpu_ms: number;
  worst_gc_ms: number;
  /** So long did the event loop itself run, at most, without looking at its timers: the worst of all changes, and its part of gc. */
  longest_turn_ms: number;
  longest_turn_gc_ms: number;
  /** The same over as long a time without a change. */
  idle_ms: number;
  idle_waited_for_cpu_ms: number;
}

/** @param isPinned  the sidecar with its Envoy has the last CPU, the other 31 hosts the others */
export async function sidecarDelay(say: (text: string) => void, isPinned = false): Promise<SidecarDelay> {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-bench-sidecar-'));
  const path = writeCluster(directory);
  const stateDir = join(directory, 'state');
  mkdirSync(stateDir, { mode: 0o700 });
  const children: ChildProcess[] = [];
  try {
    const fakes = fork(join(ROOT, 'build/test/bench/fake-hosts.js'), [path, '1']);
    children.push(fakes);
    await once(fakes, 'message');
    const sidecar = startSidecar(path, stateDir, directory);
    children.push(sidecar);
    await waitFor('32 hosts to converge', () => isIn(stateDir, HOSTS), CONVERGENCE_MAX_MS);
    const envoyPid = findOwnEnvoy(join(stateDir, 'envoy'));
    if (isPinned) pin(envoyPid === null ? [sidecar.pid!] : [sidecar.pid!, envoyPid], fakes.pid!);
    await sleep(SETTLE_MS);
    const idle = await delaysOf(sidecar, () => sleep(SETTLE_MS));
    say(`no view change: ${delayText(idle)}`);
    const changes: DelayAnswer[] = [];
    for (let change = 0; change < CHANGES; change++) {
      const hostState = change % 2 === 0 ? 'draining' : 'started';
      const delays = await delaysOf(sidecar, () => changeView(fakes, stateDir, hostState));
      changes.push(delays);
      say(`view change ${change + 1} of ${CHANGES}: ${delayText(delays)}`);
    }
    return resultOf(idle, changes);
  } catch (error) {
    say(lastLines(join(directory, 'sidecar.log')));
    throw error;
  } finally {
    await endAll(children, stateDir);
    rmSync(directory, { recursive: true, force: true });
  }
}

function resultOf(idle: DelayAnswer, changes: readonly DelayAnswer[]): SidecarDelay {
  const worst = worstBy(changes, ({ longest }) => longest.delayMs).longest;
  const { turn } = worstBy(changes, (each) => each.turn.ranMs);
  return {
    view_changes: changes.length,
    median_ms: round(estimateOf(changes.map(({ longest }) => longest.delayMs)).median),
    worst_ms: round(worst.delayMs),
    worst_ran_ms: round(worst.ranMs),
    worst_waited_for_cpu_ms: round(worst.waitedMs),
    worst_gc_ms: round(worst.gcMs),
    longest_turn_ms: round(turn.ranMs),
    longest_turn_gc_ms: round(turn.gcMs),
    idle_ms: round(idle.longest.delayMs),
    idle_waited_for_cpu_ms: round(idle.longest.waitedMs),
  };
}

function worstBy(changes: readonly DelayAnswer[], ms: (one: DelayAnswer) => number): DelayAnswer {
  return changes.reduce((worst, one) => (ms(one) > ms(worst) ? one : worst));
}

const round = (ms: number): number => Number(ms.toFixed(1));

function delayText({ longest, turn }: DelayAnswer): string {
  const parts = ({ ranMs, waitedMs, gcMs }: LoopDelay) =>
    `ran ${ranMs.toFixed(1)}, waited for a CPU ${waitedMs.toFixed(1)}, gc ${gcMs.toFixed(1)}`;
  const longestText = `longest delay ${longest.delayMs.toFixed(1)} ms (${parts(longest)})`;
  return `${longestText}; longest turn ${turn.ranMs.toFixed(1)} ms (gc ${turn.gcMs.toFixed(1)})`;
}

async function delaysOf(sidecar: ChildProcess, work: () => Promise<void>): Promise<DelayAnswer> {
  sidecar.send('reset');
  await work();
  const answer = once(sidecar, 'message');
  sidecar.send('read');
  const [delays] = (await answer) as [DelayAnswer];
  return delays;
}

/** Another host begins to drain or comes back: all 32 rules have other owners. */
async function changeView(fakes: ChildProcess, stateDir: string, hostState: string): Promise<void> {
  const before = (await status(stateDir)).view?.number ?? 0;
  fakes.send({ host: 'mail02', hostState });
  await waitFor(
    `a view after ${before}`,
    async () => ((await status(stateDir)).view?.number ?? 0) > before,
    CONVERGENCE_MAX_MS,
  );
  await sleep(SETTLE_MS);
}

async function isIn(stateDir: string, hosts: number): Promise<boolean> {
  const inView = (await status(stateDir)).hosts.filter(({ state }) => state === 'converged');
  return inView.length === hosts;
}

function startSidecar(path: string, stateDir: string, directory: string): ChildProcess {
  const args = ['run', '--config', path, '--host', 'mail01', '--state-dir', stateDir, '--envoy-args=--concurrency 1'];
  const execArgv = ['--import', join(ROOT, 'build/test/bench/delay-hook.js')];
  const child = fork(join(ROOT, 'build/host/main.js'), args, { execArgv, silent: true });
  const log: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (bytes: Buffer) => {
      log.push(bytes);
      writeFileSync(join(directory, 'sidecar.log'), Buffer.concat(log));
    });
  }
  return child;
}

function status(stateDir: string): Promise<ClusterStatus> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(stateDir, 'nlb.sock'), path: '/status' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(JSON.parse(text) as ClusterStatus));
    });
    asked.on('error', reject).end();
  });
}

async function endAll(children: ChildProcess[], stateDir: string): Promise<void> {
  for (const child of children) {
    const exited = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await exited;
  }
  const pid = findOwnEnvoy(join(stateDir, 'envoy'));
  if (pid !== null) await endEnvoy(pid, join(stateDir, 'envoy'), ENVOY_END_MS);
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-20).join('\n');
  } catch {
    return '';
  }
}

/** Weights differ by rule and host: each rule has a table of its own. */
function writeCluster(directory: string): string {
  const names = Array.from({ length: HOSTS }, (_, i) => `mail${String(i + 1).padStart(2, '0')}`);
  const hosts = names.map(
    (name, i) => `  - {name: ${name}, priority: ${i + 1}, dedicatedIp: ${SIDECAR_PREFIX}.${i + 1}}`,
  );
  const rules = Array.from({ length: RULES }, (_, r) => {
    const weights = names.map((name, i) => `${name}: ${20 + ((i * 7 + r) % 60)}`).join(', ');
    return `  - name: rule${r}
    ports: ${4200 + r}
    protocol: tcp
    filteringMode: multiple
    affinity: single
    loadWeight: {${weights}}
    service: {address: '{dedicatedIp}:${4300 + r}', proxyProtocol: v2, check: {kind: none}}`;
  });
  const path = join(directory, 'cluster.yaml');
  writeFileSync(join(directory, 'cluster.key'), `1 ${'5a'.repeat(32)}\n`, { mode: 0o600 });
  const head = `cluster: bench.example.org
mode: routed
listenOn: dedicatedIp
hashSeed: 0x5eed1234
keyFile: cluster.key
ports: {heartbeat: 7663, handoff: 7663, channel: 7664, page: 7665}`;
  writeFileSync(path, [head, 'hosts:', ...hosts, 'portRules:', ...rules, ''].join('\n'));
  return path;
}
