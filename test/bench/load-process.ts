/** The load process seen from outside: one job at a time, and its outcome. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './root.js';

export interface Place {
  host: string;
  port: number;
}

export interface Job {
  /** Where to connect to, in turn. */
  places: Place[];
  /** Client addresses, in turn. */
  sources: string[];
  connections: number;
  /** Connections at a time. */
  parallel: number;
  /** Leaves every connection open once it has its banner, until release(). */
  hold: boolean;
  /** Bytes that a service is to send instead of its banner, a multiple of 65,536; the services are told with bulk(). */
  bulkBytes?: number;
}

export interface Outcome {
  seconds: number;
  /** Connections without the whole banner. */
  failed: number;
  /** Connections that reached a service. */
  accepted: number;
}

export class LoadProcess {
  private constructor(private readonly child: ChildProcess) {}

  /**
   * Always as built: such a process runs no TypeScript.
   *
   * @param prefix  put before the command, e.g. `ip netns exec a`
   */
  static start(prefix: readonly string[] = []): LoadProcess {
    const [program = '', ...args] = [...prefix, process.execPath, join(ROOT, 'build/test/bench/load.js')];
    return new LoadProcess(spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Opens the services that variants lead to. */
  async serve(places: Place[]): Promise<void> {
    await this.ask({ serve: places });
  }

  async drive(job: Job): Promise<Outcome> {
    return (await this.ask({ drive: job })) as Outcome;
  }

  /** From now on the services send that much to each connection; 0: their banner. */
  async bulk(bytes: number): Promise<void> {
    await this.ask({ bulk: bytes });
  }

  async release(): Promise<void> {
    await this.ask({ release: true });
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private ask(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        reject(new Error(`The load process ended with ${signal ?? `exit code ${code}`} in the middle of a job`));
      this.child.once('exit', ended);
      this.child.once('message', (answer: { value: unknown } | { error: string }) => {
        this.child.off('exit', ended);
        if ('error' in answer) reject(new Error(`The load process failed: ${answer.error}`));
        else resolve(answer.value);
      });
      this.child.send(message);
    });
  }
}
