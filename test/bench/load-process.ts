/** The load process seen from outside: one job at a time, and its outcome. */
import { type ChildProcess, fork } from 'node:child_process';
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

  /** Always as built: a forked process runs no TypeScript. */
  static start(): LoadProcess {
    return new LoadProcess(fork(join(ROOT, 'build/test/bench/load.js'), { stdio: 'inherit' }));
  }

  /** Opens the services that variants lead to. */
  async serve(places: Place[]): Promise<void> {
    await this.ask({ serve: places });
  }

  async drive(job: Job): Promise<Outcome> {
    return (await this.ask({ drive: job })) as Outcome;
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
