/**
 * Mode arp on this host: takes the virtual IPs when it is its turn (host/protocol/holder.ts decides), keeps them, gives them up,
 * and says so. One thing at a time: `look()` may be called at any moment, what it begins is finished before the next begins.
 *
 *     take:    ask who answers ─ somebody: say who, ask again ─ nobody: taking.ts, announcement
 *     let go:  lease, address, then the claim: whoever takes them does so after it heard that
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../edge/clock.js';
import type { Log } from '../edge/log.js';
import { type Contender, holderSeen, type HolderStep, holderStep, isOutsider, wantsBack } from '../protocol/holder.js';
import type { HolderClaim, HolderWish } from '../protocol/holder-claim.js';
import { holderLeaseMs, permitMs, renewEveryMs } from '../protocol/lease.js';
import type { ClusterFile, HostConfig, HostName, Milliseconds } from '../protocol/types.js';
import { Asking } from './asking.js';
import { KernelAddresses } from './kernel-addresses.js';
import { Readiness } from './readiness.js';
import { portsOf } from './refusals.js';
import { takeInTime } from './taking.js';
import { Upkeep } from './upkeep.js';

export interface HoldingOptions {
  host: HostConfig;
  file(): ClusterFile;
  stateDirectory: string;
  clock: Clock;
  log: Log;
  prefix: readonly string[];
  contenders(): Contender[];
  /** Of the last packet that all others can have heard. */
  saidMs(): Milliseconds;
  countsFromMs(): Milliseconds;
  /** R6: this host is alone, and hosts of the cluster send what it cannot verify. */
  holdBack(): boolean;
  /** Stopped and out of the view: nothing of ours is to be in the kernel. */
  isResting(): boolean;
  /** Says it to the others at once. */
  claim(claim: HolderClaim): void;
  /** The kernel passes connections on from now on, or does not any more. */
  setHolder(isHolder: boolean): Promise<void>;
  say(topic: string, problem: string | null): void;
  onChange(): void;
}

/** A virtual IP that moves to this host by `nlb move-vip` is waited for so long. */
export const MOVE_MS = 3000;
/** After a take that failed this host does not try again for so long. */
const PAUSE_MS = 2000;

export class Holding {
  /** Who held them last, as seen from here. */
  private holder: { name: HostName; since: string } | null = null;
  private readonly kernel: KernelAddresses;
  private readonly asking: Asking;
  private readonly ready: Readiness;
  private readonly upkeep: Upkeep;
  private claimed: HolderClaim = { holds: false, wish: 'none' };
  /** In a view with the file of this host, since its start: outside, it may have to stand in for the hosts of the view. */
  private hasBeenIn = false;
  private moveUntilMs = 0;
  private pausedUntilMs = 0;
  private isLeaving = false;
  private isLookDue = false;
  private running: Promise<void> | null = null;

  constructor(private readonly options: HoldingOptions) {
    const { clock, stateDirectory, prefix, file } = options;
    this.kernel = new KernelAddresses({
      clusterName: file().clusterName,
      stateDirectory,
      clock,
      prefix,
      leaseMs: () => holderLeaseMs(file().heartbeat.periodMs),
      renewEveryMs: () => renewEveryMs(file().heartbeat.periodMs),
      permitMs: () => permitMs(file().heartbeat.periodMs),
      isSource: () => file().link?.outgoing === 'virtualIp',
      ports: () => portsOf(file()),
      onLeaseOver: () => this.look(),
      onLeaseRefused: (complaint) => {
        this.ready.noteRefused(complaint);
        this.look();
      },
      onLeaseProblem: (problem) => {
        const text = `Cannot renew the lease of the virtual IPs: ${problem}; once it runs out, another host takes them`;
        options.say('virtual-ip-lease', problem && text);
      },
    });
    this.ready = new Readiness({ ...options, kernel: this.kernel });
    this.asking = new Asking({ ...options, kernel: this.kernel });
    const { kernel, asking } = this;
    this.upkeep = new Upkeep({ clock, kernel, asking, virtualIps: () => file().virtualIps, look: () => this.look() });
  }

  /** This host is stopped and has the addresses nowhere any more, not even on loopback. */
  isAway = false;

  get isHolding(): boolean {
    return this.claimed.holds;
  }

  /** Who holds them and since when, as seen from here; null where nobody is seen to. */
  get holderNow(): { name: HostName; since: string } | null {
    return holderSeen(this.withWish(this.options.contenders())) === this.holder?.name ? this.holder : null;
  }

  get device(): string | null {
    return this.ready.link?.device ?? null;
  }

  /** Before the first packet: what an earlier run left is removed, or gone on with where its lease has not run out. */
  async open(): Promise<HolderClaim> {
    const { options } = this;
    if (await this.ready.lookAtTools()) {
      await this.ready.look(() => Promise.resolve()).catch((error: Error) => this.failed(error));
    }
    this.claimed = { holds: this.kernel.isHolding, wish: this.wish() };
    if (this.claimed.holds) {
      options.log.info(`virtual IPs: this host goes on holding them on ${this.device}`);
      void options.setHolder(true);
    }
    return this.claimed;
  }

  /** The claim as it may be said now. To be asked before each step of the protocol: a lease that ran out is no claim. */
  claimNow(): HolderClaim | null {
    if (!this.claimed.holds || !this.kernel.isLeaseOver) return null;
    // Unable until the kernel has let go as well: others ask before they take them.
    this.claimed = { holds: false, wish: 'unable' };
    return this.claimed;
  }

  look(): void {
    if (this.isLookDue) return;
    this.isLookDue = true;
    setImmediate(() => {
      this.isLookDue = false;
      if (this.running !== null || this.isLeaving) return;
      this.running = this.lookOnce()
        .catch((error: Error) => this.failed(error))
        .finally(() => {
          this.running = null;
        });
    });
  }

  /** `nlb move-vip`: asks for them. Resolves with true when this host holds them. */
  async moveHere(): Promise<boolean> {
    const { clock } = this.options;
    this.moveUntilMs = clock.nowMs() + MOVE_MS;
    this.look();
    while (clock.nowMs() < this.moveUntilMs && !this.claimed.holds) {
      await wait(20);
    }
    this.moveUntilMs = 0;
    this.look();
    return this.claimed.holds;
  }

  /** Why this host could not take them now; null where it could. */
  whyUnable(): string | null {
    const notReady = this.ready.why();
    if (notReady !== null) return notReady;
    if (!this.claimed.holds && this.options.holdBack())
      return 'it is alone, and hosts of the cluster send packets that it cannot verify';
    return this.asking.stranger;
  }

  /** The sidecar ends and Envoy serves on: another host takes them, loopback keeps them for the connections that are open. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    await this.running;
    this.upkeep.end();
    await this.letGo('the sidecar of this host ends');
  }

  private async lookOnce(): Promise<void> {
    const { options } = this;
    if (!(await this.ready.lookAtTools())) return this.sayClaim({ holds: false, wish: 'unable' });
    if (options.isResting()) return this.rest();
    this.isAway = false;
    this.noteHolder();
    if (this.kernel.isLeaseOver) await this.lapse();
    await this.ready.look((why) => this.letGo(why));
    if (this.kernel.isLeaseOver) await this.lapse();
    if (this.ready.link === null) return this.sayClaim({ holds: false, wish: 'unable' });
    const contenders = options.contenders();
    this.hasBeenIn ||= contenders.some(({ name, isIn }) => isIn && name === options.host.name);
    const step = holderStep(options.host.name, this.withWish(contenders), this.holder?.name ?? null);
    await this.act(step, contenders);
    this.sayClaim({ ...this.claimed, wish: this.wish() });
    this.noteHolder();
    if (this.claimed.holds) await this.upkeep.look(this.ready.link);
    if (options.clock.nowMs() >= this.pausedUntilMs) options.say('virtual-ip', null);
  }

  private withWish(contenders: Contender[]): Contender[] {
    const { name } = this.options.host;
    return contenders.map((one) => (one.name === name ? { ...one, ...this.claimed, wish: this.wish() } : one));
  }

  private async act(step: HolderStep, contenders: Contender[]): Promise<void> {
    if (step.kind === 'take') return this.take(step.why, contenders);
    if (step.kind === 'letGo') return this.letGo(step.why);
    if (step.kind === 'leave') this.asking.askAhead(contenders, this.options.host.name, this.ready.link!.device);
  }

  private async take(why: string, contenders: readonly Contender[]): Promise<void> {
    const { device } = this.ready.link!;
    const { name } = this.options.host;
    const before = this.holder?.name ?? null;
    // Who let them go a moment ago had nobody beside it; it is asked once more when they are taken.
    const isHandedOver = contenders.some((one) => one.name === before && one.name !== name && one.wish !== 'unable');
    if (!isHandedOver) {
      if (!(await this.asking.isFree(device, before === null))) return;
      // It may have been a while: somebody else may hold them now.
      const again = this.withWish(this.options.contenders());
      if (this.isLeaving || holderStep(name, again, null).kind !== 'take') return;
    }
    const isTaken = await takeInTime(device, {
      ...this.options,
      kernel: this.kernel,
      permitMs: permitMs(this.options.file().heartbeat.periodMs),
      claim: () => this.sayClaim({ holds: true, wish: 'none' }),
      isStillRight: () => {
        const isRight = isHandedOver || this.asking.isStillFree();
        return isRight && holderStep(name, this.withWish(this.options.contenders()), null).kind !== 'letGo';
      },
    }).catch(async (error: Error) => {
      await this.letGo('they cannot be taken');
      throw error;
    });
    if (!isTaken) {
      // Nothing is in the kernel; with the next look it is tried again.
      const text = 'virtual IPs: not taken this time, because it took too long or another host takes them';
      this.options.log.repeating('info', 'virtual IPs not taken', text);
      return this.sayClaim({ holds: false, wish: this.wish() });
    }
    void this.options.setHolder(true);
    this.upkeep.begin();
    this.options.log.info(`virtual IPs: this host holds them on ${device}, because ${why}`);
  }

  private async letGo(why: string): Promise<void> {
    const was = this.claimed.holds;
    const device = this.ready.link?.device ?? null;
    if (device !== null) await this.kernel.letGo(device);
    this.sayClaim({ holds: false, wish: this.wish() });
    // Until the others have learned the new place, packets still come here and are passed on to their owners.
    void this.options.setHolder(false);
    if (was) this.options.log.info(`virtual IPs: this host lets them go, because ${why}`);
  }

  /** Its lease ran out: the claim first, another may hold them already. */
  private async lapse(): Promise<void> {
    this.sayClaim({ holds: false, wish: 'unable' });
    await this.letGo('its lease ran out');
    this.options.log.warning(
      'virtual IPs: the lease ran out because this sidecar, or nft, stood still or had no file left; another host may hold them',
    );
  }

  private async rest(): Promise<void> {
    if (this.claimed.holds) await this.letGo('this host is stopped');
    await this.ready.remove();
    this.isAway = true;
  }

  private wish(): HolderWish {
    const { clock, contenders, host, file } = this.options;
    const nowMs = clock.nowMs();
    // Until the kernel has let go of what ran out, nobody is to take it without asking.
    if (this.isLeaving || nowMs < this.pausedUntilMs || this.kernel.isLeaseOver) return 'unable';
    if (this.whyUnable() !== null) return 'unable';
    if (!this.claimed.holds && !this.hasBeenIn && isOutsider(host.name, contenders())) return 'unable';
    if (nowMs < this.moveUntilMs && !this.claimed.holds) return 'wants';
    const now = new Date(clock.wallIso());
    const minute = now.getHours() * 60 + now.getMinutes();
    return wantsBack(host.name, contenders(), file().link?.failback ?? 'never', minute) ? 'wants' : 'none';
  }

  private noteHolder(): void {
    const name = holderSeen(this.withWish(this.options.contenders()));
    if (name === (this.holder?.name ?? null) || name === null) return;
    this.holder = { name, since: this.options.clock.wallIso() };
    this.options.onChange();
  }

  private sayClaim(claim: HolderClaim): void {
    const isSame = claim.holds === this.claimed.holds && claim.wish === this.claimed.wish;
    this.claimed = claim;
    if (!isSame) this.options.claim(claim);
  }

  private failed(error: Error): void {
    this.pausedUntilMs = this.options.clock.nowMs() + PAUSE_MS;
    this.options.say('virtual-ip', error.message);
    this.sayClaim({ holds: this.claimed.holds && this.kernel.isHolding, wish: 'unable' });
  }
}
