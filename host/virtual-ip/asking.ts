/**
 * Whether a stranger has a virtual IP: asked before it is taken (RFC 5227, and the same for IPv6), ahead of time while the holder
 * is silent so that nobody has to wait then, and now and then by the holder itself.
 */
import type { Clock } from '../edge/clock.js';
import { multicastMac } from '../protocol/cluster-mac.js';
import type { Contender } from '../protocol/holder.js';
import type { ClusterFile, HostName, Milliseconds } from '../protocol/types.js';
import { neighbours } from './neighbours.js';

export interface AskingOptions {
  kernel: { whoAnswers(device: string, forMs?: Milliseconds): Promise<Map<string, string>> };
  /** What was asked sooner proves nothing: a host that is silent by now may have taken them after it. */
  countsFromMs(): Milliseconds;
  clock: Clock;
  prefix: readonly string[];
  file(): ClusterFile;
  say(topic: string, problem: string | null): void;
}

/** Where nobody of the cluster held it before, a stranger gets the time for a second question. */
const FIRST_MS = 1100;
const AHEAD_EVERY_MS = 200;
/** With a stranger there it is asked again so often. */
const AGAIN_MS = 2000;
/**
 * What was answered while the holder was silent still counts when it is lost: what ran out there is not renewed. It is asked
 * again every 200 ms then; a busy machine takes its time for the programs in between.
 */
const FRESH_MS = 1000;
const WATCH_EVERY_MS = 10_000;

const OF_MULTICAST = 'a host that is in mode multicast still';

interface Sentence {
  text: string;
  isHost: boolean;
}

export class Asking {
  /** Why the addresses are not taken: a sentence with who has them; null where nobody has. */
  stranger: string | null = null;
  private answered = { askedMs: Number.NEGATIVE_INFINITY, atMs: Number.NEGATIVE_INFINITY, isFree: false };
  /** The question that is out. */
  private asked: Promise<void> | null = null;
  private watchedMs = Number.NEGATIVE_INFINITY;
  /** A host that is heard says that it holds them. */
  private isHeld = false;
  private hostSinceMs: Milliseconds | null = null;

  constructor(private readonly options: AskingOptions) {}

  /** @param isFirst  no host of this cluster is known to have held them */
  async isFree(device: string, isFirst: boolean): Promise<boolean> {
    this.isHeld = false;
    if (this.isStillFree()) return true;
    // One that is out may have been asked too soon to count.
    for (let asked = 0; asked < 2; asked++) {
      await this.ask(device, isFirst ? FIRST_MS : undefined);
      if (!this.answered.isFree || this.isStillFree()) return this.answered.isFree;
    }
    return false;
  }

  /** Nobody answered, and that was not long ago. */
  isStillFree(): boolean {
    const { answered, options } = this;
    return answered.isFree && this.ageMs() <= FRESH_MS && answered.askedMs >= options.countsFromMs();
  }

  /** While the holder is silent, by whoever may be next; and again and again while a stranger is there. */
  askAhead(contenders: readonly Contender[], self: HostName, device: string): void {
    const holder = contenders.find(({ holds, name }) => holds && name !== self);
    this.isHeld = holder !== undefined;
    // Whoever of the cluster holds them has asked.
    if (holder !== undefined && this.stranger !== null) this.forgetStranger();
    const isSilentLong = holder?.isSuspected === true && this.options.clock.nowMs() >= this.options.countsFromMs();
    const isDue = isSilentLong && this.ageMs() >= AHEAD_EVERY_MS;
    const isAgainDue = this.stranger !== null && this.ageMs() >= AGAIN_MS;
    if (this.asked === null && (isDue || isAgainDue)) void this.ask(device).catch(() => {});
  }

  /** The holder asks too: whoever answers it took the address beside it. */
  watchWhileHolding(device: string): void {
    const nowMs = this.options.clock.nowMs();
    if (nowMs - this.watchedMs < WATCH_EVERY_MS) return;
    this.watchedMs = nowMs;
    void this.watch(device).catch(() => {});
  }

  private async watch(device: string): Promise<void> {
    const answers = await this.options.kernel.whoAnswers(device);
    const sentence = await this.sentenceFor(answers, device, 'is held by this host and also answered for by');
    this.options.say('virtual-ip-rival', sentence?.text ?? null);
  }

  private ask(device: string, forMs?: Milliseconds): Promise<void> {
    this.asked ??= this.askOnce(device, forMs).finally(() => {
      this.asked = null;
    });
    return this.asked;
  }

  private async askOnce(device: string, forMs?: Milliseconds): Promise<void> {
    const askedMs = this.options.clock.nowMs();
    const answers = await this.options.kernel.whoAnswers(device, forMs);
    this.answered = { askedMs, atMs: this.options.clock.nowMs(), isFree: answers.size === 0 };
    const sentence = await this.sentenceFor(answers, device, 'is in use by');
    this.stranger = sentence?.isHost === false ? sentence.text : null;
    this.options.say('virtual-ip-stranger', this.stranger);
    // A host that fell silent answers until its lease runs out, less than a period later.
    const isHost = sentence?.isHost === true && !this.isHeld;
    this.hostSinceMs = isHost ? (this.hostSinceMs ?? this.answered.atMs) : null;
    const isLong =
      this.hostSinceMs !== null && this.answered.atMs - this.hostSinceMs >= this.options.file().heartbeat.periodMs;
    const text = isLong ? `${sentence!.text}, which does not say that it holds them: they are not taken here` : null;
    this.options.say('virtual-ip-rival', text);
  }

  private async sentenceFor(answers: Map<string, string>, device: string, verb: string): Promise<Sentence | null> {
    const [first] = answers;
    if (first === undefined) return null;
    const [address, mac] = first;
    const known = await neighbours(this.options.prefix, device);
    const { hosts, virtualIps } = this.options.file();
    // All hosts of mode multicast have one Ethernet address; which of them it is cannot be told.
    if (mac === multicastMac(virtualIps))
      return { text: `virtual IP ${address} ${verb} ${OF_MULTICAST} (${mac})`, isHost: true };
    const host = hosts.find(({ dedicatedIp }) => known.get(dedicatedIp) === mac);
    const who = host === undefined ? `${mac}, which is no host of this cluster` : `host ${host.name} (${mac})`;
    return { text: `virtual IP ${address} ${verb} ${who}`, isHost: host !== undefined };
  }

  private forgetStranger(): void {
    this.stranger = null;
    this.options.say('virtual-ip-stranger', null);
  }

  private ageMs(): Milliseconds {
    return this.options.clock.nowMs() - this.answered.atMs;
  }
}
