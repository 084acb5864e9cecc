/**
 * A whole cluster in a test network: a sidecar and an Envoy a host, each in its own namespace, as `nlb run` starts them.
 * Everything is killed by pid on `remove`, also what was stopped with SIGSTOP.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClusterStatus } from '../../host/admin/status.js';
import { favour } from '../../host/edge/nft.js';
import { createNetwork, type Network, type NetworkHost, WITH_SYSCTLS } from './network.js';

/** `build/host/main.js`, from build/test/netns as from test/netns. */
function sidecarProgram(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.includes('/build/') ? join(here, '../../host/main.js') : join(here, '../../build/host/main.js');
}

/** What `nlb` is, for `process.execPath`. */
export const NLB = sidecarProgram();
export const VIRTUAL_IP = '10.77.0.200';
export const VIRTUAL_IP6 = 'fd77::200';
export const HASH_SEED = 0x5eed1234;

export interface ClusterHost extends NetworkHost {
  stateDir: string;
  logPath: string;
  sidecar: ChildProcess;
  envoyPid: number | null;
}

export interface Cluster {
  network: Network;
  hosts: ClusterHost[];
  directory: string;
  /** Null where the sidecar does not answer. */
  status(host: ClusterHost): Promise<ClusterStatus | null>;
  post(host: ClusterHost, verb: string): Promise<unknown>;
  signal(host: ClusterHost, signal: NodeJS.Signals): void;
  /** Starts the sidecar of a host again, whose last one has ended. @param file  in `directory`, @default cluster.yaml */
  runSidecar(host: ClusterHost, file?: string): void;
  /** Lines that the sidecar of a host has logged. */
  logOf(host: ClusterHost): string[];
  /** Writes the cluster file again, with other weights; `POST /reload` offers it. */
  writeFile(loadWeight: string): void;
  remove(): void;
}

/** On a busy machine an answer takes its time; a sidecar that is stopped gives none. */
const ANSWER_MS = 10_000;

/** @returns the parsed body, or null where nothing answered within that time */
function call(stateDir: string, method: string, path: string): Promise<unknown> {
  return new Promise((resolve) => {
    const call = request({ socketPath: join(stateDir, 'nlb.sock'), method, path, timeout: ANSWER_MS }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')));
        } catch {
          resolve(null);
        }
      });
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(null));
    if (method === 'POST') call.setHeader('content-type', 'application/json').write('{}');
    call.end();
  });
}

export interface ClusterOptions {
  hostCount: number;
  heartbeatPeriodMs: number;
  missedHeartbeatsMax: number;
  /** As in the cluster file; default `{kind: none}`. */
  serviceCheck?: string;
  /** @default mode routed on the dedicated addresses */
  mode?: 'arp' | 'multicast';
  /** Further lines of the cluster file. */
  lines?: string[];
  /** Further arguments of `nlb run`. */
  sidecarArguments?: string[];
  /** The whole cluster file, in place of one with a single rule. */
  fileText?(hosts: NetworkHost[]): string;
  /**
   * Sidecars and Envoys go before whatever else this machine does, where that may be said: several hosts share it, and one that has
   * no turn for as long as a lease lasts has lost it with good reason.
   */
  isFavoured?: boolean;
  /** Put before the sidecar's command, e.g. to take a right from it. */
  prefix?: readonly string[];
  /** What has to be there before a host's sidecar starts; its state directory is. */
  prepare?(host: NetworkHost, stateDir: string): void;
}

function clusterFile(hosts: NetworkHost[], options: ClusterOptions, loadWeight: string): string {
  const hostLines = hosts.map((h, i) => `  - {name: ${h.name}, priority: ${i + 1}, dedicatedIp: ${h.address}}`);
  return [
    'cluster: mail.test.example',
    ...(options.mode === undefined ? ['mode: routed', 'listenOn: dedicatedIp'] : [`mode: ${options.mode}`]),
    `virtualIps: [${VIRTUAL_IP}, ${VIRTUAL_IP6}]`,
    ...(options.lines ?? []),
    `hashSeed: 0x${HASH_SEED.toString(16)}`,
    'keyFile: cluster.key',
    `heartbeat: {periodMs: ${options.heartbeatPeriodMs}, missedMax: ${options.missedHeartbeatsMax}}`,
    'hosts:',
    ...hostLines,
    'portRules:',
    '  - name: smtp',
    '    ports: 25',
    '    protocol: tcp',
    '    filteringMode: multiple',
    '    affinity: single',
    `    loadWeight: ${loadWeight}`,
    `    service: {address: '127.0.0.1:2525', proxyProtocol: v2, check: ${options.serviceCheck ?? '{kind: none}'}}`,
    '',
  ].join('\n');
}

function spawnSidecar(
  network: Network,
  host: NetworkHost,
  directory: string,
  options: ClusterOptions,
  file = 'cluster.yaml',
): ChildProcess {
  const logFd = openSync(join(directory, `${host.name}.log`), 'a');
  const place = ['--config', join(directory, file), '--state-dir', join(directory, host.name)];
  const args = [NLB, 'run', ...place, '--host', host.name, ...(options.sidecarArguments ?? [])];
  const [program, ...rest] = [...WITH_SYSCTLS, ...(options.prefix ?? []), process.execPath, ...args];
  const sidecar = network.spawn(host, program, rest, logFd);
  if (options.isFavoured) favour(sidecar.pid);
  closeSync(logFd);
  return sidecar;
}

function startHost(network: Network, host: NetworkHost, directory: string, options: ClusterOptions): ClusterHost {
  const stateDir = join(directory, host.name);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  options.prepare?.(host, stateDir);
  const sidecar = spawnSidecar(network, host, directory, options);
  return { ...host, stateDir, logPath: join(directory, `${host.name}.log`), sidecar, envoyPid: null };
}

function kill(pid: number | null | undefined, signal: NodeJS.Signals): void {
  if (!pid) return;
  try {
    process.kill(pid, signal);
  } catch {
    // ended already
  }
}

/** Pids that live in a namespace: Envoys are nobody's children, so they are found there. */
function pidsIn(namespace: string): number[] {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').filter(Boolean).map(Number);
}

export function startCluster(options: ClusterOptions): Cluster {
  const network = createNetwork(options.hostCount);
  const directory = mkdtempSync(join(tmpdir(), 'nlb-netns-'));
  const writeFile = (loadWeight: string) =>
    writeFileSync(
      join(directory, 'cluster.yaml'),
      options.fileText?.(network.hosts) ?? clusterFile(network.hosts, options, loadWeight),
    );
  writeFile('equal');
  writeFileSync(join(directory, 'cluster.key'), `1 ${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const hosts = network.hosts.map((host) => startHost(network, host, directory, options));
  return {
    network,
    hosts,
    directory,
    status: async (host) => {
      const status = (await call(host.stateDir, 'GET', '/status')) as ClusterStatus | null;
      if (status?.envoy?.pid) host.envoyPid = status.envoy.pid;
      return status;
    },
    post: (host, verb) => call(host.stateDir, 'POST', `/${verb}`),
    signal: (host, signal) => {
      kill(host.sidecar.pid, signal);
      kill(host.envoyPid, signal);
    },
    runSidecar: (host, file) => {
      host.sidecar = spawnSidecar(network, host, directory, options, file);
    },
    logOf: (host) => readFileSync(host.logPath, 'utf8').split('\n'),
    writeFile,
    remove: () => {
      for (const host of network.hosts) for (const pid of pidsIn(host.namespace)) kill(pid, 'SIGKILL');
      network.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The last lines of every host's log, for a failed run. */
export function logsOf(cluster: Cluster): string {
  return cluster.hosts.map((h) => `--- ${h.name}\n${cluster.logOf(h).slice(-30).join('\n')}`).join('\n');
}
