/**
 * The lease of the holder, renewed by one long-lived `nft -i`: a process for each renewal would be some hundred a second at the
 * shortest period. A sidecar that stands still writes nothing, one that is killed leaves nft an end of input, and one that has no
 * file free cannot start nft: each way the kernel is not told any more and the lease runs out there. A renewal that comes after
 * that, because nft stood still, renews nothing (ruleset.ts) and is complained of.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../edge/clock.js';
import { favour } from '../edge/nft.js';
import { renewalText } from './ruleset.js';

export interface LeaseOptions {
  table: string;
  device: string;
  leaseMs: number;
  everyMs: number;
  clock: Clock;
  prefix: readonly string[];
  /** nft complained of a renewal: it came too late, or the table is gone. */
  onRefused(complaint: string): void;
  /** Why no renewal goes out, or null once they do again; said when it changes. */
  onProblem(problem: string | null): void;
  /** No renewal went out for a whole lease: it is over, and others may have taken what it stood for. */
  onOver(): void;
}

type NftProcess = ChildProcessByStdio<Writable, null, Readable>;

export class Lease {
  private nft: NftProcess | null = null;
  private timer: NodeJS.Timeout | null = null;
  private renewedMs: number;
  private problem: string | null = null;

  /** It was given in the kernel just now, or will have run out `ageMs` sooner. */
  constructor(
    private readonly options: LeaseOptions,
    ageMs = 0,
  ) {
    this.renewedMs = options.clock.nowMs() - ageMs;
    this.timer = setInterval(() => this.renew(), options.everyMs);
  }

  /** To be asked before anything is said or done in its name. */
  isOver(): boolean {
    return this.options.clock.nowMs() - this.renewedMs >= this.options.leaseMs;
  }

  /** It ran out in the kernel sooner than by this clock. */
  lapse(): void {
    this.renewedMs = Number.NEGATIVE_INFINITY;
  }

  renew(): void {
    if (this.timer === null) return;
    if (this.isOver()) {
      this.options.onOver();
      return;
    }
    const { table, device, leaseMs, clock } = this.options;
    const nft = this.nft ?? this.start();
    // It says why a moment later.
    if (nft.pid === undefined) return;
    this.nft = nft;
    if (!nft.stdin.writable) return;
    this.renewedMs = clock.nowMs();
    nft.stdin.write(renewalText(table, device, leaseMs));
    this.note(null);
  }

  /** No renewal is on its way any more when this resolves. */
  async end(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.note(null);
    const { nft } = this;
    this.nft = null;
    if (nft === null || nft.exitCode !== null || nft.signalCode !== null) return;
    const ended = new Promise((resolve) => nft.once('exit', resolve));
    nft.kill('SIGKILL');
    await ended;
  }

  private note(problem: string | null): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.options.onProblem(problem);
  }

  private start(): NftProcess {
    const [program, ...args] = [...this.options.prefix, 'nft', '-i'];
    const nft = spawn(program!, args, { stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
    // First of all: where no file is free there is an error, and none of the pipes.
    nft.on('error', (error) => {
      if (this.nft === nft) this.nft = null;
      if (this.timer !== null) this.note(error.message);
    });
    favour(nft.pid);
    nft.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const [line] = text.split('\n').filter((each) => /error/i.test(each));
      if (line !== undefined && this.timer !== null) this.options.onRefused(line.trim());
    });
    nft.stdin?.on('error', () => {});
    nft.on('exit', () => {
      if (this.nft === nft) this.nft = null;
    });
    return nft;
  }
}
