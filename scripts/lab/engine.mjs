// A Docker engine of our own, beside whatever is there: own socket, data, runtime directory and pid file, no default bridge,
// no packet filter rules, no forwarding. It is what the compose cluster is tried with.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How long the engine may take to answer, and to end. */
const START_MAX_MS = 60_000;
const STOP_MAX_MS = 30_000;

/** Thrown where this machine cannot run it at all, as opposed to something that failed. */
export class CannotRunHere extends Error {}

/**
 * Inside a container control groups and settings are mounted for reading only; the engine has mounts of its own, so only
 * they change. On a machine the settings are no mount, and nothing is done.
 */
const WITH_WRITABLE_CGROUPS = `
  for place in /sys/fs/cgroup /sys/fs/cgroup/* /proc/sys; do mount -o remount,rw,bind "$place" 2>/dev/null; done
  exec dockerd "$@"
`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Engine {
  constructor(directory) {
    this.directory = directory;
    this.socket = join(directory, 'docker.sock');
    this.pidFile = join(directory, 'docker.pid');
    this.logFile = join(directory, 'dockerd.log');
    this.process = null;
  }

  /** For docker and docker-compose; the classic builder, because BuildKit is not in Debian's packages. */
  get environment() {
    return {
      ...process.env,
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_BUILDKIT: '0',
      COMPOSE_DOCKER_CLI_BUILD: '0',
      // Neither a login nor a context of the person who runs this has a part in it.
      DOCKER_CONFIG: join(this.directory, 'client'),
    };
  }

  /** @throws CannotRunHere with the reason */
  async start() {
    refuseThisMachine();
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    await this.endLeftover();
    const log = openSync(this.logFile, 'w');
    const { directory } = this;
    const own = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')];
    const nothingElse = [
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-masq=false',
      '--ip-forward=false',
    ];
    const args = [...own, '--pidfile', this.pidFile, '-H', `unix://${this.socket}`, ...nothingElse];
    // A group of its own, so that Ctrl-C reaches it through stop() only.
    const command = ['--mount', 'sh', '-c', WITH_WRITABLE_CGROUPS, 'dockerd', ...args];
    this.process = spawn('unshare', command, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const ended = new Promise((resolve) => this.process.once('exit', resolve).once('error', resolve));
    const deadlineMs = Date.now() + START_MAX_MS;
    while (!this.answers()) {
      const done = await Promise.race([ended.then(() => true), sleep(100)]);
      if (!done && Date.now() < deadlineMs) continue;
      await this.stop();
      throw new CannotRunHere(`the Docker engine does not start here: ${this.lastComplaint()}`);
    }
  }

  answers() {
    return spawnSync('docker', ['version'], { env: this.environment, stdio: 'ignore' }).status === 0;
  }

  /** Ends the containers with it. */
  async stop() {
    const pid = this.process?.pid;
    this.process = null;
    if (pid !== undefined) await endProcess(pid);
    // dockerd leaves this mounted.
    const left = join(this.directory, 'exec/netns/default');
    if (existsSync(left)) spawnSync('umount', [left], { stdio: 'ignore' });
  }

  /** The engine of a run that was killed. */
  async endLeftover() {
    if (!existsSync(this.pidFile)) return;
    const pid = Number.parseInt(readFileSync(this.pidFile, 'utf8'), 10);
    if (commandLine(pid).includes(join(this.directory, 'data'))) await endProcess(pid);
  }

  lastComplaint() {
    const lines = readFileSync(this.logFile, 'utf8').trim().split('\n');
    const complaint = lines.filter((line) => /level=(fatal|error)|failed/.test(line)).at(-1) ?? lines.at(-1);
    return `${complaint || 'it says nothing'} (${this.logFile})`;
  }
}

function refuseThisMachine() {
  if (process.getuid() !== 0) throw new CannotRunHere('a Docker engine needs root');
  for (const tool of ['dockerd', 'docker', 'docker-compose', 'mmdebstrap']) {
    if (!onPath(tool)) throw new CannotRunHere(`${tool} is not installed`);
  }
  // Inside a plain container the engine itself would start, and fail at its first image.
  const probe = ['--mount', '--net', 'ip', 'link', 'add', 'nlb-probe', 'type', 'bridge'];
  const tried = spawnSync('unshare', probe, { encoding: 'utf8' });
  if (tried.status !== 0)
    throw new CannotRunHere(`no namespaces and bridges may be made here: ${(tried.stderr || `${tried.error}`).trim()}`);
  if (!hasCapability(SYS_PTRACE))
    throw new CannotRunHere('a Docker engine needs the capability SYS_PTRACE, which this container was not given');
  const forward = spawnSync('iptables', ['-S', 'FORWARD'], { encoding: 'utf8' }).stdout ?? '';
  if (!forward.startsWith('-P FORWARD DROP')) return;
  // Another engine's rules; frames on our bridge would pass through them, and they are not ours to change.
  const bridged = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  if (existsSync(bridged) && readFileSync(bridged, 'utf8').trim() === '1')
    throw new CannotRunHere('iptables drops what is forwarded (chain FORWARD), bridged packets too');
}

/** By linux/capability.h. Without it no container can join another's network and nothing can be run in one. */
const SYS_PTRACE = 19n;

function hasCapability(bit) {
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0}`);
  return ((effective >> bit) & 1n) === 1n;
}

function onPath(tool) {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, tool)));
}

/** Empty for a process that has ended, also while it is still listed. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

async function endProcess(pid) {
  const deadlineMs = Date.now() + STOP_MAX_MS;
  let signal = 'SIGTERM';
  while (commandLine(pid).includes('--data-root')) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // gone meanwhile
    }
    await sleep(100);
    if (Date.now() > deadlineMs) signal = 'SIGKILL';
  }
}
