/**
 * What the modes arp and multicast add to a running sidecar, in one hand: who holds the virtual IPs (arp), and what the kernel
 * decides of new connections. In mode routed there is none of it.
 */
import type { Clock } from '../edge/clock.js';
import type { Log } from '../edge/log.js';
import type { KernelDatapath } from '../kernel/datapath.js';
import type { Ranker } from '../kernel/handoff-plan.js';
import type { Contender } from '../protocol/holder.js';
import type { HolderClaim } from '../protocol/holder-claim.js';
import { holderLeaseMs, leaseMs } from '../protocol/lease.js';
import type { ClusterFile, HostConfig, HostName, InForce, Milliseconds } from '../protocol/types.js';
import { createDatapath, isHandoff } from './datapath.js';
import { Holding, MOVE_MS } from './holding.js';
import { findLinks } from './link.js';
import type { VirtualIpStatus } from './status.js';

export interface LinkModeOptions {
  host: HostConfig;
  /** The one in force, or the one on disk before the first view. */
  file(): ClusterFile;
  stateDirectory: string;
  clock: Clock;
  log: Log;
  contenders(): Contender[];
  /** As HoldingOptions. */
  saidMs(): Milliseconds;
  countsFromMs(): Milliseconds;
  holdBack(): boolean;
  isResting(): boolean;
  /** As KernelDatapathOptions. */
  isFileShared(): boolean;
  claim(claim: HolderClaim): void;
  say(topic: string, problem: string | null): void;
  onChange(): void;
  /** What goes before `nft` and `ip`. @default nothing */
  prefix?: readonly string[];
  /** decision.wasm, for the kernel's tables. */
  ranker: Ranker;
}

/** A stopped host whose addresses are gone goes on passing packets on for so long at most, until another is seen to hold them. */
const PASS_ON_MS = 3000;

export class LinkMode {
  readonly holding: Holding | null;
  private datapath: KernelDatapath | null = null;
  private device: string | null = null;
  private opened: Promise<void> = Promise.resolve();
  private newest: { inForce: InForce; checksum: string } | null = null;
  private restingSinceMs: Milliseconds | null = null;

  constructor(private readonly options: LinkModeOptions) {
    const prefix = options.prefix ?? [];
    const setHolder = async (isHolder: boolean) => {
      this.placeDatapath();
      await this.opened;
      if (this.datapath !== null && isHandoff(this.datapath)) await this.datapath.setHolder(isHolder);
    };
    this.holding = options.file().mode === 'arp' ? new Holding({ ...options, prefix, setHolder }) : null;
  }

  /** To be called before the first packet goes out. */
  async open(): Promise<HolderClaim | undefined> {
    const claim = await this.holding?.open();
    this.placeDatapath();
    return claim;
  }

  decideBy(inForce: InForce, checksum: string): void {
    this.newest = { inForce, checksum };
    this.placeDatapath();
    void this.datapath?.decideBy(inForce, checksum);
    this.look();
  }

  /** After each step of the protocol: somebody may have let go, or be lost. */
  look(): void {
    this.holding?.look();
    if (this.datapath !== null && this.isHandedOver()) void this.removeDatapath();
    this.datapath?.renew();
  }

  /**
   * Packets come to a stopped host until its clients have learned of the next holder. Without the kernel's part, but with the
   * addresses still on loopback, it would reset the connections of others.
   */
  private isHandedOver(): boolean {
    const { clock, host, contenders, isResting } = this.options;
    if (!isResting()) {
      this.restingSinceMs = null;
      return false;
    }
    this.restingSinceMs ??= clock.nowMs();
    if (this.holding === null) return true;
    const isHeldElsewhere = contenders().some(({ name, holds }) => holds && name !== host.name);
    return this.holding.isAway && (isHeldElsewhere || clock.nowMs() - this.restingSinceMs >= PASS_ON_MS);
  }

  /** What may be said of the virtual IPs just now, where that is less than was said last. */
  claimNow(): HolderClaim | null {
    return this.holding?.claimNow() ?? null;
  }

  /** The sidecar ends; what its Envoy serves goes on. */
  async leave(): Promise<void> {
    await this.holding?.leave();
    this.datapath?.leave();
  }

  /** `nlb move-vip`. */
  async moveHere(): Promise<{ ok: boolean; text: string }> {
    const { host, file } = this.options;
    const { holding } = this;
    const addresses = `virtual IPs ${file().virtualIps.join(', ')}`;
    if (holding === null) return { ok: false, text: `in mode ${file().mode} every host has the ${addresses}` };
    if (holding.isHolding) return { ok: true, text: `host ${host.name} holds the ${addresses} already` };
    const why = holding.whyUnable() ?? this.whyNotHere();
    if (why !== null) return { ok: false, text: `host ${host.name} cannot hold the ${addresses} now: ${why}` };
    if (await holding.moveHere()) return { ok: true, text: `host ${host.name} holds the ${addresses}` };
    const from = holding.holderNow?.name ?? 'the holder';
    return {
      ok: false,
      text: `${from} did not let go of the ${addresses} within ${MOVE_MS / 1000} s: nlb display --all`,
    };
  }

  status(): VirtualIpStatus {
    const { file } = this.options;
    const { holding } = this;
    const holder = holding?.holderNow ?? null;
    return {
      addresses: [...file().virtualIps],
      device: holding?.device ?? this.device,
      holder: holder?.name ?? null,
      since: holder?.since ?? null,
      isHeldHere: holding?.isHolding ?? false,
      outgoing: file().link?.outgoing ?? 'dedicatedIp',
      leaseMs: this.leaseMs,
      kernelProblem: this.kernelProblem(holder?.name ?? null),
    };
  }

  private whyNotHere(): string | null {
    const { file, host, contenders } = this.options;
    const all = contenders();
    const own = all.find(({ name }) => name === host.name);
    if (own === undefined || !own.isIn || own.grade < 2) return 'it is not started or not in the view';
    const first = all.find(({ grade, wish, isIn }) => grade === 3 && wish !== 'unable' && isIn);
    if (file().link?.failback !== 'immediate' || first === undefined || first.name === host.name) return null;
    return `failback is immediate, so ${first.name}, which has a higher priority, would take them back at once`;
  }

  private get leaseMs(): Milliseconds {
    const { mode, heartbeat } = this.options.file();
    return mode === 'arp' ? holderLeaseMs(heartbeat.periodMs) : leaseMs(heartbeat.periodMs);
  }

  private kernelProblem(holder: HostName | null): string | null {
    // On purpose a stopped host has nothing in its kernel.
    if (this.datapath === null && this.options.isResting()) return null;
    const why = this.datapath === null ? 'no interface of this host has its dedicated IP' : this.datapath.problem();
    const whom = holder === null ? 'the host that holds the virtual IPs' : `host ${holder}`;
    return why === null ? null : `all connections depend on ${whom}: ${why}`;
  }

  private removeDatapath(): Promise<void> {
    const { datapath } = this;
    this.datapath = null;
    this.device = null;
    return datapath?.close() ?? Promise.resolve();
  }

  /** The kernel's part belongs to an interface, which may be another one by now. */
  private placeDatapath(): void {
    const { file, host, say, isFileShared, prefix = [] } = this.options;
    const device = this.holding === null ? (findLinks(file(), host).link?.device ?? null) : this.holding.device;
    if (device === null || device === this.device) return;
    const closed = this.removeDatapath();
    this.device = device;
    const { clusterName, mode } = file();
    const onProblem = (problem: string | null) => say('kernel', problem);
    const datapathOptions = {
      clusterName,
      self: host.name,
      device,
      leaseMs: this.leaseMs,
      isFileShared,
      onProblem,
      prefix,
    };
    this.datapath = createDatapath(mode, datapathOptions, this.options.ranker);
    const { datapath } = this;
    if (datapath === null) return;
    // The one before has the same table: it is gone before this one makes it anew.
    this.opened = closed.then(() => datapath.open());
    void this.opened.then(() => {
      const { newest } = this;
      return newest === null ? undefined : datapath.decideBy(newest.inForce, newest.checksum);
    });
  }
}
