/**
 * When hosts tell each other of their recent clients: what has changed is gathered for a moment, a host that is silent is asked
 * again a little later, and hosts with nothing to tell still say now and then that they are there.
 */
import { randomBytes } from 'node:crypto';
import type { ChannelHandler, HostChannel } from './channel/channel.js';
import type { Clock } from './edge/clock.js';
import type { HostName, Milliseconds } from './protocol/types.js';
import { Exchange, readMessage } from './stick/exchange.js';
import type { RecentClients } from './stick/table.js';

/** Changes are gathered for so long; longer with more hosts, as each exchange is a TLS handshake (3 ms). */
const GATHER_MS = 250;
const GATHER_MS_PER_HOST = 125;
const IDLE_MS = 10_000;
/** After a host did not answer. */
const RETRY_MS = 1000;
/** A host that comes waits for the others' clients for so long at most before it takes part. */
const FIRST_EXCHANGE_MS = 3000;
/** A sidecar that is started anew or under load answers sooner. */
const FAILED_MS = 15_000;

interface OtherHost {
  askedMs: Milliseconds;
  dueMs: Milliseconds;
  isAsked: boolean;
  /** Since when it answers with no clients, and why; null where the last exchange went well. */
  failed: { sinceMs: Milliseconds; why: string } | null;
}

export class StickPeers {
  private readonly exchange: Exchange;
  private channel: HostChannel | null = null;
  /** BOUNDED: by the hosts of the file. */
  private readonly hosts = new Map<HostName, OtherHost>();

  constructor(
    table: RecentClients,
    private readonly clock: Clock,
    /** All others of the file in force. */
    private readonly others: () => readonly HostName[],
  ) {
    this.exchange = new Exchange(table, randomBytes(8).toString('hex'));
  }

  /** To be called before the channel is opened. */
  speakBy(channel: HostChannel): void {
    this.channel = channel;
    channel.on('clients', this.answer);
  }

  /** Before this host takes part for the first time: what the others know. Whoever does not answer is not waited for. */
  async first(): Promise<void> {
    const endMs = this.clock.nowMs() + FIRST_EXCHANGE_MS;
    const all = this.others().map((host) => this.exchangeWith(host, endMs, GATHER_MS));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, FIRST_EXCHANGE_MS);
    });
    await Promise.race([Promise.all(all), late]);
    clearTimeout(timer);
  }

  /** To be called often. */
  look(): void {
    if (!this.channel) return;
    const nowMs = this.clock.nowMs();
    const names = this.others();
    const gatherMs = Math.max(GATHER_MS, GATHER_MS_PER_HOST * names.length);
    for (const name of names) {
      const host = this.hosts.get(name);
      if (host && (host.isAsked || nowMs < host.dueMs)) continue;
      const isIdle = host !== undefined && nowMs - host.askedMs < IDLE_MS && !this.exchange.isBehind(name);
      if (!isIdle) void this.exchangeWith(name, nowMs + gatherMs, gatherMs);
    }
    for (const name of this.hosts.keys()) if (!names.includes(name)) this.hosts.delete(name);
    this.exchange.forgetAllBut(names);
  }

  /**
   * What is wrong where hosts that are heard answer with no clients; null where nothing is.
   *
   * @param heard  hosts whose heartbeats arrive: of the others the protocol says it
   */
  problem(heard: readonly HostName[]): string | null {
    const nowMs = this.clock.nowMs();
    const failed = [...this.hosts].flatMap(([name, { failed: of }]) =>
      of && heard.includes(name) && nowMs - of.sinceMs >= FAILED_MS ? [`${name} (${of.why})`] : [],
    );
    if (failed.length === 0) return null;
    return (
      `Recent clients are not exchanged with ${failed.join(', ')}, whose heartbeats arrive: this host and that one may ` +
      "lead a client to different hosts; let the host channel's port through in both directions, or run one release on both"
    );
  }

  /** Until both are up to date, or something goes wrong. */
  private async exchangeWith(name: HostName, endMs: Milliseconds, gatherMs: Milliseconds): Promise<void> {
    const { clock, channel, exchange } = this;
    if (!channel) return;
    const failed = this.hosts.get(name)?.failed ?? null;
    const host: OtherHost = { askedMs: clock.nowMs(), dueMs: 0, isAsked: true, failed };
    this.hosts.set(name, host);
    try {
      do {
        const body = exchange.messageFor(name, clock.nowMs());
        const reply = await channel.ask(name, { method: 'POST', path: '/clients', body });
        const message = reply.code === 200 ? readMessage(reply.body) : null;
        if (message === null) throw new Error(`host ${name} answers with no clients`);
        exchange.take(name, message, clock.nowMs());
      } while (exchange.isBehind(name) && clock.nowMs() < endMs);
      host.dueMs = clock.nowMs() + gatherMs;
      host.failed = null;
    } catch (error) {
      host.failed = { sinceMs: failed?.sinceMs ?? clock.nowMs(), why: (error as Error).message };
      host.dueMs = clock.nowMs() + RETRY_MS;
    } finally {
      host.isAsked = false;
    }
  }

  /** Another host's question: takes what it brings and answers alike. */
  private readonly answer: ChannelHandler = async ({ from, body }) => {
    const message = readMessage(body);
    const text = 'these are no recent clients; is its release another one?';
    if (message === null) return { code: 400, body: { ok: false, text } };
    const nowMs = this.clock.nowMs();
    this.exchange.take(from, message, nowMs);
    return { code: 200, body: this.exchange.messageFor(from, nowMs) };
  };
}
