/**
 * A server of several processes that can be killed as a whole, as a loss of power would: it runs in a pid namespace of its
 * own, and the kernel ends all of it with its first process.
 *
 * The first process is the child of `unshare`. Killing `unshare` itself would leave the server running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** `$1` goes over `$2`, and so on in pairs up to `--`; the rest is the server, which stays in the foreground. */
const SCRIPT = `while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mount -t overlay overlay -o "lowerdir=$1:$2" "$2"; else mount --bind "$1" "$2"; fi || exit 71
  shift 2
done
shift; umask 022; exec "$@"`;

export interface ContainedOptions {
  command: string[];
  /** What the server prints. */
  logFile: string;
  /**
   * What it sees otherwise than the rest of the machine: a file in place of another (`{'/etc/hosts': '/tmp/x/hosts'}`), the
   * files of a directory over those of another.
   */
  binds?: Record<string, string>;
}

export class Contained {
  private unshare: ChildProcess | null = null;

  constructor(private readonly options: ContainedOptions) {}

  get isRunning(): boolean {
    return this.unshare !== null && this.unshare.exitCode === null && this.unshare.signalCode === null;
  }

  start(): void {
    if (this.isRunning) throw new Error(`Cannot start ${this.options.command[0]}: it runs already, expected it ended`);
    const { command, logFile, binds = {} } = this.options;
    const pairs = Object.entries(binds).flatMap(([place, file]) => [file, place]);
    const log = openSync(logFile, 'a');
    this.unshare = spawn(
      'unshare',
      ['--pid', '--fork', '--mount-proc', 'sh', '-c', SCRIPT, 'sh', ...pairs, '--', ...command],
      // In a process group of its own, so that Ctrl-C does not reach unshare alone.
      { detached: true, stdio: ['ignore', log, log] },
    );
    closeSync(log);
  }

  /** Ends all of its processes at once; resolves when they are gone. */
  async kill(): Promise<void> {
    const { unshare } = this;
    if (unshare === null || !this.isRunning) return;
    const exited = once(unshare, 'exit');
    const first = await this.firstProcess(unshare.pid!);
    if (first !== null) process.kill(first, 'SIGKILL');
    await exited;
  }

  /** Null where it ended meanwhile. `unshare` needs a moment to fork. */
  private async firstProcess(pid: number): Promise<number | null> {
    while (this.isRunning) {
      const [child] = childrenOf(pid);
      if (child !== undefined) return child;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return null;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return (readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []).map(Number);
  } catch {
    return [];
  }
}
