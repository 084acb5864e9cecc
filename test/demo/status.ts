/** What the sidecars of the demo say, each asked over its control socket, and a watcher that remembers when it changed. */
import { request } from 'node:http';
import { join } from 'node:path';
import type { ClusterStatus } from '../../host/admin/status.js';
import type { DemoHost } from './layout.js';

/** Times in milliseconds of performance.now(): the status was true at some moment between the two. */
export interface Sample {
  host: string;
  askedMs: number;
  answeredMs: number;
  /** Null: no answer. */
  status: ClusterStatus | null;
}

const ANSWER_TIMEOUT_MS = 1000;
const WATCH_PERIOD_MS = 100;

/** The status of one host, or null where its sidecar does not answer. */
export function askStatus(host: DemoHost): Promise<ClusterStatus | null> {
  return new Promise((resolve) => {
    const options = { socketPath: join(host.directory, 'nlb.sock'), path: '/status', timeout: ANSWER_TIMEOUT_MS };
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => resolve(null));
      response.on('end', () => {
        if (response.statusCode !== 200) return resolve(null);
        resolve(JSON.parse(Buffer.concat(chunks).toString()) as ClusterStatus);
      });
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(null));
    asked.end();
  });
}

/** Asks all hosts again and again. BOUNDED: a check lasts at most a minute, some 1,800 samples. */
export class Watcher {
  readonly samples: Sample[] = [];
  private stopped = false;
  private readonly loops: Promise<void>[];

  constructor(hosts: DemoHost[]) {
    this.loops = hosts.map((host) => this.watch(host));
  }

  latest(host: string): Sample | null {
    return this.samples.filter((sample) => sample.host === host).at(-1) ?? null;
  }

  /**
   * Milliseconds until every host named says what `isTrue` asks of its status, counted from this call; null when
   * `withinMs` is over before, or `isHopeless()`.
   */
  async until(
    hosts: string[],
    withinMs: number,
    isTrue: (status: ClusterStatus) => boolean,
    isHopeless: () => boolean = () => false,
  ): Promise<number | null> {
    const startedMs = performance.now();
    for (;;) {
      const nowMs = performance.now();
      const said = hosts.map((host) => this.latest(host));
      if (said.every((s) => s?.status && s.askedMs >= startedMs && isTrue(s.status))) return nowMs - startedMs;
      if (nowMs - startedMs > withinMs || isHopeless()) return null;
      await pause(20);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  private async watch(host: DemoHost): Promise<void> {
    while (!this.stopped) {
      const askedMs = performance.now();
      const status = await askStatus(host);
      this.samples.push({ host: host.name, askedMs, answeredMs: performance.now(), status });
      await pause(WATCH_PERIOD_MS);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a host decides by (R4): two equal ones mean the same owners. Null before the first view. */
export function inForceName(status: ClusterStatus): string | null {
  if (status.view === null) return null;
  const less = status.lostSince.length === 0 ? '' : ` less ${status.lostSince.join(', ')}`;
  return `view ${status.view.number}${less}`;
}
