/**
 * One real Envoy on the generated configuration, in a directory of its own. It ends with the test process (Envoy asks for
 * SIGTERM when its parent dies), and its log is printed where it does not get ready.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectEnvoyAdmin, type EnvoyAdmin } from '../../../host/edge/envoy-admin.js';
import { findEnvoy } from '../../../host/edge/envoy-binary.js';
import type { ClusterFile } from '../../../host/protocol/types.js';
import { bootstrap, discoveryResponse, envoyClusters, type EnvoyJson } from '../../../host/protocol/xds/index.js';
import {
  type EnvoyPaths,
  envoyPaths,
  type HandoffIdentity,
  listeners,
  type SecretKind,
  secretsOf,
} from '../../../host/protocol/xds/index.js';
import { seesOwners as seesAllOwners } from './sees-owners.js';
import { waitFor } from './wait.js';

export interface EnvoyOptions {
  file: ClusterFile;
  self: string;
  /** Changes the generated listeners before they are written, e.g. chosenOwner(). */
  listenersAs?: (generated: EnvoyJson[]) => EnvoyJson[];
  clustersAs?: (generated: EnvoyJson[]) => EnvoyJson[];
  /** Changes the generated bootstrap. */
  bootstrapAs?: (generated: EnvoyJson, paths: EnvoyPaths) => EnvoyJson;
  ecds?: EnvoyJson;
  identity?: HandoffIdentity | null;
  openFilesMax?: number;
  workerCount?: number;
  /** Put before the command, e.g. `ip netns exec a`. */
  prefix?: string[];
}

export interface RunningEnvoy {
  paths: EnvoyPaths;
  admin: EnvoyAdmin;
  /** Of the process that runs now. */
  pid(): number;
  log(): string;
  /** Writes a file beside and renames it, as the sidecar does. */
  write(which: 'lds' | 'cds' | 'ecds' | SecretKind, resources: EnvoyJson[], version: string): void;
  /** Writes LDS and waits until Envoy has it in force. */
  relisten(resources: EnvoyJson[], version: string): Promise<void>;
  stat(name: string): Promise<number>;
  /** Resolves when every owner has answered a check: until then a client is served where it came in. */
  seesOwners(): Promise<void>;
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  ended(): boolean;
  /** SIGKILL, and a new process on the files that are there. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const OPEN_FILES_MAX = 4096;

export async function startEnvoy(options: EnvoyOptions): Promise<RunningEnvoy> {
  const { file, self } = options;
  const paths = envoyPaths(mkdtempSync(join(tmpdir(), `nlb-${process.pid}-${self}-`)));
  mkdirSync(paths.directory);
  const write: RunningEnvoy['write'] = (which, resources, version) =>
    writeBeside(paths[which], discoveryResponse(resources, version));

  const identity = options.identity ?? null;
  const secrets = identity === null ? null : paths;
  if (identity !== null) {
    const made = secretsOf(identity);
    for (const kind of ['certificate', 'accepted'] as const) write(kind, [made[kind]], '1');
  }
  const generated = listeners(file, self, paths, secrets);
  const clusters = envoyClusters(file, self, secrets);
  write('cds', options.clustersAs?.(clusters) ?? clusters, '1');
  write('lds', options.listenersAs?.(generated) ?? generated, '1');
  if (options.ecds) write('ecds', [options.ecds], '1');
  const limits = { openFilesMax: options.openFilesMax ?? OPEN_FILES_MAX, workerCount: options.workerCount ?? 1 };
  const generatedBootstrap = bootstrap(file, self, paths, limits);
  writeBeside(paths.bootstrap, options.bootstrapAs?.(generatedBootstrap, paths) ?? generatedBootstrap);

  const start = () => spawnEnvoy(paths, limits.workerCount, options.prefix ?? []);
  return handleOf(await start(), start, paths, write);
}

async function spawnEnvoy(paths: EnvoyPaths, workerCount: number, prefix: string[]): Promise<ChildProcess> {
  const { path } = await findEnvoy();
  // A drain time of 1 s: with the default of 600 s no test could tell a surviving connection from one that is drained.
  const own = ['-c', paths.bootstrap, '--drain-time-s', '1', '--use-dynamic-base-id'];
  const [command = '', ...args] = [...prefix, path, ...own, '--concurrency', String(workerCount), '-l', 'warning'];
  const log = openSync(join(paths.directory, 'envoy.log'), 'a');
  return spawn(command, args, { stdio: ['ignore', log, log] });
}

async function handleOf(
  first: ChildProcess,
  start: () => Promise<ChildProcess>,
  paths: EnvoyPaths,
  write: RunningEnvoy['write'],
): Promise<RunningEnvoy> {
  let child = first;
  const admin = connectEnvoyAdmin(paths.adminSocket);
  const log = () => readFileSync(join(paths.directory, 'envoy.log'), 'utf8');
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const stat = async (name: string) => Number((await admin.stats(`^${name.replaceAll('.', '\\.')}$`)).get(name) ?? 0);
  const kill = async () => {
    if (ended()) return;
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await waitFor(`Envoy ${child.pid} to end`, ended);
  };
  const stop = async () => {
    admin.close();
    await kill();
    rmSync(join(paths.directory, '..'), { recursive: true, force: true });
  };
  const serving = async () => {
    try {
      await untilServing(admin, ended, stat);
    } catch (error) {
      console.error(`log of Envoy in ${paths.directory}:\n${log()}`);
      await stop();
      throw error;
    }
  };
  const restart = async () => {
    await kill();
    child = await start();
    await serving();
  };
  const relisten: RunningEnvoy['relisten'] = async (resources, version) => {
    write('lds', resources, version);
    await waitFor(`listeners of version ${version}`, async () => {
      const taken = await admin.taken();
      if (taken.ldsRejectedCount > 0) throw new Error(`LDS rejected: ${(await admin.listenerErrors()).join('; ')}`);
      return taken.lds === version;
    });
  };
  const seesOwners = async () => {
    await waitFor('all owners to answer', () => seesAllOwners(join(paths.directory, '..')));
  };
  const signal = (name: NodeJS.Signals) => {
    child.kill(name);
    if (name === 'SIGSTOP' && child.pid) untilStopped(child.pid);
  };
  await serving();
  return {
    paths,
    admin,
    pid: () => child.pid ?? 0,
    log,
    write,
    relisten,
    stat,
    seesOwners,
    signal,
    ended,
    restart,
    stop,
  };
}

async function untilServing(admin: EnvoyAdmin, ended: () => boolean, stat: RunningEnvoy['stat']): Promise<void> {
  const state = await waitFor('Envoy to serve', async () => {
    if (ended()) return 'ended';
    const live = (await admin.serverInfo()).state === 'LIVE' && (await stat('listener_manager.workers_started')) === 1;
    return live ? 'live' : null;
  });
  if (state === 'ended') throw new Error('Envoy ended before it served');
}

export function writeBeside(path: string, content: EnvoyJson): void {
  writeFileSync(`${path}.new`, JSON.stringify(content));
  renameSync(`${path}.new`, path);
}

/** A busy machine lets a thread run on for a moment after the signal was sent. */
function untilStopped(pid: number): void {
  const endsAt = performance.now() + 5000;
  const isStopped = (task: string) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  };
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) {
    if (performance.now() > endsAt) throw new Error(`Cannot stop process ${pid}: it still runs 5 s after SIGSTOP`);
  }
}
