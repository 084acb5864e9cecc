/**
 * `npm start -- --check`: 300 messages from 100 client addresses through three entry hosts, while an SMTP server and then a
 * whole host are killed and started again. Each line it prints is a promise, kept or not, with its figures.
 *
 *     clients   0-29  all hosts there
 *              30-49  mail2's SMTP server is killed meanwhile; then wait until it takes no part
 *              50-59  mail1 and mail3 serve
 *              60-79  mail3 is killed whole meanwhile; then wait until it is out of the view; both are started again
 *              80-99  all hosts there again
 */
import type { ClusterStatus } from '../../host/admin/status.js';
import { type Delivery, deliver, type Target } from './client.js';
import type { Hosts } from './hosts.js';
import { type Layout, mailDirectory } from './layout.js';
import { readMailbox } from './mailbox.js';
import { killParts } from './processes.js';
import type { Sample, Watcher } from './status.js';
import * as verdict from './verdict.js';

const CLIENT_COUNT = 100;
/** Clients that send at the same time. */
const CONCURRENCY = 8;
/** A client gives up after this long; a message not accepted by then fails the check. */
const PATIENCE_MS = 15_000;

/** Design: a dead host is out of the view within 6.5 s at the default heartbeats. */
const OUT_MAX_MS = 6500;
/** Three failed service checks a second apart, the last one's time-out, and a convergence. */
const SERVICE_OUT_MAX_MS = 6500;
/** Start of Envoy and service, their first good checks, one convergence; a busy machine takes its time for each. */
const BACK_MAX_MS = 15_000;
const START_MAX_MS = 20_000;
const COUNTERS_MAX_MS = 3000;

const clientAddress = (index: number) => `127.8.0.${index + 1}`;

export const allServe = (status: ClusterStatus) =>
  status.state === 'converged' &&
  status.envoy.tookConfiguration &&
  status.hosts.every((host) => host.state === 'converged') &&
  status.rules.every((rule) => rule.hosts.every((host) => host.takesPart));

const serviceIsOut = (name: string) => (status: ClusterStatus) =>
  status.state === 'converged' &&
  status.rules.every((rule) => rule.hosts.every((host) => host.host !== name || !host.takesPart));

const hostIsOut = (name: string) => (status: ClusterStatus) =>
  status.state === 'converged' &&
  status.lostSince.length === 0 &&
  status.hosts.some((host) => host.name === name && host.state === 'lost');

type Say = (text: string) => void;

export class Check {
  private readonly verdicts: verdict.Verdict[] = [];
  private readonly deliveries: Delivery[] = [];
  private readonly names: string[];

  constructor(
    private readonly layout: Layout,
    private readonly hosts: Hosts,
    private readonly watcher: Watcher,
    private readonly say: Say,
  ) {
    this.names = layout.hosts.map((host) => host.name);
  }

  /** @returns whether every promise was kept */
  async run(): Promise<boolean> {
    const [, second, third] = this.names as [string, string, string];
    if (!this.judge(verdict.judgeTime('all hosts serve', await this.untilAll(START_MAX_MS), START_MAX_MS)))
      return false;
    await this.send(0, 30);
    await Promise.all([this.send(30, 50), this.killService(second)]);
    await this.send(50, 60);
    await Promise.all([this.send(60, 80), this.killHost(third)]);
    await this.restart(second, third);
    await this.send(80, CLIENT_COUNT);
    await this.conclude();
    return this.verdicts.every((v) => v.pass);
  }

  private judge(v: verdict.Verdict): boolean {
    this.verdicts.push(v);
    this.say(`${v.pass ? 'PASS' : 'FAIL'}  ${v.text}`);
    return v.pass;
  }

  private untilAll(withinMs: number): Promise<number | null> {
    return this.watcher.until(this.names, withinMs, allServe, () => this.hosts.ended.length > 0);
  }

  /** Each of these clients sends three messages, one through each entry host. */
  private async send(first: number, end: number): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    let next = first;
    const worker = async () => {
      while (next < end) {
        const index = next++;
        for (const entry of this.names.keys()) {
          const message = { id: `${index}.${entry}@demo.example.net`, client: clientAddress(index) };
          this.deliveries.push(await deliver(message, this.targetsFrom(index + entry), deadlineMs));
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  private targetsFrom(start: number): Target[] {
    const { hosts, ports } = this.layout;
    return hosts.map((_, i) => {
      const host = hosts[(start + i) % hosts.length]!;
      return { host: host.name, address: host.address, port: ports.smtp };
    });
  }

  private async killService(name: string): Promise<void> {
    await this.someAccepted();
    await killParts(this.layout, (part) => part.host === name && part.kind === 'smtp');
    const took = await this.watcher.until(this.names, SERVICE_OUT_MAX_MS, serviceIsOut(name));
    this.judge(verdict.judgeTime(`SMTP server of ${name} killed: it takes no part anywhere`, took, SERVICE_OUT_MAX_MS));
  }

  private async killHost(name: string): Promise<void> {
    await this.someAccepted();
    const killed = await killParts(this.layout, (part) => part.host === name);
    const others = this.names.filter((other) => other !== name);
    const took = await this.watcher.until(others, OUT_MAX_MS, hostIsOut(name));
    const what = `${name} killed whole (${killed.map((part) => part.kind).join(', ')}): the others had converged`;
    const verdictOfTime = verdict.judgeTime(what, took, OUT_MAX_MS);
    this.judge({ ...verdictOfTime, pass: verdictOfTime.pass && killed.length === 3 });
  }

  private async restart(service: string, whole: string): Promise<void> {
    for (const host of this.layout.hosts) this.hosts.start(host);
    const took = await this.untilAll(BACK_MAX_MS);
    this.judge(
      verdict.judgeTime(`SMTP server of ${service} and ${whole} started again: all hosts serve`, took, BACK_MAX_MS),
    );
  }

  /** Kills fall among open sessions, not between phases. */
  private async someAccepted(): Promise<void> {
    const wanted = this.deliveries.length + 3 * CONCURRENCY;
    while (this.deliveries.length < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  private async conclude(): Promise<void> {
    const { samples } = this.watcher;
    const stored = this.layout.hosts.flatMap((host) => readMailbox(mailDirectory(host)));
    this.judge(verdict.judgeAcceptance(this.deliveries, CLIENT_COUNT * this.names.length));
    this.judge(verdict.judgeEntryHosts(this.deliveries, this.names));
    this.judge(verdict.judgeStorage(this.deliveries, stored));
    this.judge(verdict.judgeClientAddresses(this.deliveries, stored));
    this.judge(await this.affinity(samples));
    const ends = this.deliveries.filter((d) => d.accepted).map((d) => d.attempts.at(-1)!);
    const handoffs = ends.filter((a) => a.servedBy !== a.entry).length;
    const counts = countersOf(samples);
    this.say(
      `      ${handoffs} of ${ends.length} accepted messages were handed off; the sidecars counted ` +
        `${counts.handoffs} handoffs, ${counts.fallbacks} fallbacks, ${counts.refused} refused connections`,
    );
    this.judge(this.shares(samples));
  }

  /** Envoy's counters reach the status a moment later than the mail its server. */
  private async affinity(samples: Sample[]): Promise<verdict.Verdict> {
    const deadlineMs = performance.now() + COUNTERS_MAX_MS;
    for (;;) {
      const v = verdict.judgeAffinity(this.deliveries, samples, countersOf(samples).fallbacks);
      if (v.pass || performance.now() > deadlineMs) return v;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Only clients that sent while all hosts were there: the first and the last phase. */
  private shares(samples: Sample[]): verdict.Verdict {
    const status = samples.find((s) => s.status !== null && allServe(s.status))?.status;
    const expected = new Map(status?.rules[0]?.hosts.map((host) => [host.host, host.expectedShare]));
    const whole = this.deliveries.filter((d) => {
      const index = Number(d.message.id.split('.')[0]);
      return d.accepted && (index < 30 || index >= 80);
    });
    const hostByClient = new Map(whole.map((d) => [d.message.client, d.attempts.at(-1)!.servedBy ?? '']));
    return verdict.judgeShares(hostByClient, expected);
  }
}

/** Sums over all Envoys of the check; one that was killed keeps the count it was last seen with. */
export function countersOf(samples: Sample[]): { handoffs: number; fallbacks: number; refused: number } {
  const byEnvoy = new Map<string, { handoffs: number; fallbacks: number; refused: number }>();
  for (const { host, status } of samples) {
    if (status === null) continue;
    const counts = { handoffs: 0, fallbacks: 0, refused: 0 };
    for (const rule of status.rules) {
      counts.fallbacks += rule.fallbackCount;
      for (const n of Object.values(rule.refusedCounts)) counts.refused += n;
      for (const other of rule.hosts) if (other.host !== host) counts.handoffs += other.connectionCount;
    }
    const name = `${host} ${status.envoy.pid}`;
    const before = byEnvoy.get(name) ?? counts;
    byEnvoy.set(name, {
      handoffs: Math.max(before.handoffs, counts.handoffs),
      fallbacks: Math.max(before.fallbacks, counts.fallbacks),
      refused: Math.max(before.refused, counts.refused),
    });
  }
  const sum = { handoffs: 0, fallbacks: 0, refused: 0 };
  for (const counts of byEnvoy.values()) {
    sum.handoffs += counts.handoffs;
    sum.fallbacks += counts.fallbacks;
    sum.refused += counts.refused;
  }
  return sum;
}
