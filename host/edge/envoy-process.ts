/**
 * One Envoy process: started as nobody's child, found again by what it was started with, ended on purpose only.
 *
 * Envoy asks the kernel to end it when its parent dies, so it must have none: `setsid -f` forks, and init is its parent
 * before it can ask. It therefore outlives the sidecar, and the next sidecar finds it in /proc by the path of its
 * bootstrap file, which is in this host's locked state directory: nobody else starts an Envoy with it.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EdgeError, systemCode } from './edge-error.js';
import { type Endpoint, processes, takenPorts } from './listening.js';
import { textAt } from './text-at.js';

export interface EnvoyStart {
  binaryPath: string;
  /** `<stateDir>/envoy`: bootstrap.json is read from here, envoy.log, envoy.pid and admin.sock are made here. */
  directory: string;
  /** Further command line, e.g. `--concurrency 1`. */
  extraArguments: string[];
}

export const bootstrapPath = (directory: string) => join(directory, 'bootstrap.json');
export const envoyLogPath = (directory: string) => join(directory, 'envoy.log');
export const adminSocketPath = (directory: string) => join(directory, 'admin.sock');
export const pidPath = (directory: string) => join(directory, 'envoy.pid');

/** The process id of the Envoy that serves from `directory`, or null. Reads /proc; a zombie has no command line. */
export function findOwnEnvoy(directory: string): number | null {
  // The file may be missing (a full disk), so every process is looked at; they are some hundred.
  return writtenEnvoy(directory) ?? processes().find((pid) => isOwnEnvoy(pid, directory)) ?? null;
}

/** As findOwnEnvoy(), by its pid file alone: cheap, for looking often. */
export function writtenEnvoy(directory: string): number | null {
  const pid = Number.parseInt(textAt(pidPath(directory)) ?? '', 10);
  return Number.isInteger(pid) && isOwnEnvoy(pid, directory) ? pid : null;
}

export function isOwnEnvoy(pid: number, directory: string): boolean {
  const argv = textAt(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  return argv.includes('--config-path') && argv[argv.indexOf('--config-path') + 1] === bootstrapPath(directory);
}

/** False while it ends: its ports are free only afterwards. */
export function isGone(pid: number, directory: string): boolean {
  if (isOwnEnvoy(pid, directory)) return false;
  return (textAt(`/proc/${pid}/cmdline`) ?? '') !== '' || hasEnded(pid);
}

/**
 * Refuses where a port of ours already has a listener: an Envoy started beside it would share its clients in silence.
 *
 * @throws EdgeError PORT_TAKEN, naming every port and who has it
 */
export async function refuseTakenPorts(endpoints: readonly Endpoint[], cannot = 'Cannot start Envoy'): Promise<void> {
  const taken = await takenPorts(endpoints);
  if (taken.length === 0) return;
  const named = taken.slice(0, 5);
  const more = taken.length > named.length ? ` and ${taken.length - named.length} more` : '';
  throw new EdgeError('PORT_TAKEN', `${cannot}: ${named.join('; ')}${more}; expected free ports`);
}

const FLUSH_OPTION = '--file-flush-interval-msec';
const FLUSH_MS = '100';

// The limit of open files is raised to the hard one, for which the bootstrap was made (2 files a connection).
const SCRIPT = 'umask 077; ulimit -n "$(ulimit -H -n)" 2>/dev/null; echo $$ >"$0"; exec "$@"';

/** The shell that becomes Envoy is forked off; on a busy machine it may take a while until it is scheduled. */
const FORK_MAX_MS = 10_000;

/**
 * Starts Envoy and returns once it is on its own and can be found; whether it serves is asked at its admin socket afterwards.
 *
 * @returns its process id, or null where it has ended already
 * @throws  EdgeError ENVOY_NOT_FOUND where it does not start at all
 */
export async function startEnvoy({ binaryPath, directory, extraArguments }: EnvoyStart): Promise<number | null> {
  // What an earlier one left would be taken for the new one's.
  await unlink(pidPath(directory)).catch(() => {});
  // An admin socket left by an Envoy that was killed: Envoy replaces it, but until then it would only confuse.
  await unlink(adminSocketPath(directory)).catch(() => {});
  const logFile = openLog(directory);
  // By default what is logged of connections waits for 10 s, and the sidecar would learn that late who is served here.
  const flush = extraArguments.includes(FLUSH_OPTION) ? [] : [FLUSH_OPTION, FLUSH_MS];
  const envoy = [binaryPath, '--config-path', bootstrapPath(directory), '--disable-hot-restart', ...flush];
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn('setsid', ['--fork', 'sh', '-c', SCRIPT, pidPath(directory), ...envoy, ...extraArguments], {
        cwd: '/',
        stdio: ['ignore', logFile, logFile],
      });
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`setsid ended with exit code ${code}`))));
    });
  } catch (error) {
    throw new EdgeError('ENVOY_NOT_FOUND', `Cannot start Envoy ${binaryPath}: ${systemCode(error)}`);
  } finally {
    closeSync(logFile);
  }
  return forkedEnvoy(directory);
}

/** Whoever looked before the fork has become Envoy would see none, and start a second one beside it. */
async function forkedEnvoy(directory: string): Promise<number | null> {
  const endsAt = performance.now() + FORK_MAX_MS;
  for (;;) {
    const found = findOwnEnvoy(directory);
    if (found !== null || performance.now() > endsAt) return found;
    const forked = Number.parseInt(textAt(pidPath(directory)) ?? '', 10);
    if (forked > 0 && hasEnded(forked)) return null;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Its command line alone does not tell: for a moment a process that becomes Envoy has none, and one that ends and still listens. */
function hasEnded(pid: number): boolean {
  const stat = textAt(`/proc/${pid}/stat`) ?? '';
  return stat === '' || /^\d+ \(.*\) [ZX] /s.test(stat);
}

/** Append mode, so that the file can be emptied under a running Envoy. */
function openLog(directory: string): number {
  try {
    return openSync(envoyLogPath(directory), 'a', 0o600);
  } catch (error) {
    throw new EdgeError('FILE_NOT_WRITTEN', `Cannot open ${envoyLogPath(directory)}: ${systemCode(error)}`);
  }
}

/** Asks the process to end (SIGTERM closes its connections), and ends it after `patienceMs`. Resolves when it is gone. */
export async function endEnvoy(pid: number, directory: string, patienceMs: number): Promise<void> {
  signal(pid, 'SIGTERM');
  const endsAt = performance.now() + patienceMs;
  while (!isGone(pid, directory)) {
    if (performance.now() > endsAt && isOwnEnvoy(pid, directory)) signal(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone meanwhile.
  }
}
