/**
 * Mode multicast in the kernel of this host: addresses, rules, and the lease under which anything new is accepted. What it
 * decides is made in `acceptance.ts` and `multicast-ruleset.ts`, the order of letting go and taking by the protocol (R10).
 *
 * Changes are made one after another, each as one transaction, and the newest wins.
 */
import type { Clock } from '../edge/clock.js';
import type { Decision } from '../edge/decision.js';
import { Nft } from '../edge/nft.js';
import { multicastMac } from '../protocol/cluster-mac.js';
import { leaseMs } from '../protocol/lease.js';
import type { ClusterFile, InForce, Milliseconds } from '../protocol/types.js';
import { type Acceptance, acceptanceOf, inBoth } from './acceptance.js';
import { ClusterAddress } from './cluster-address.js';
import type { KernelDatapath, KernelDatapathOptions } from './datapath.js';
import { tableName } from './names.js';
import { begunMs, multicastChains, type MulticastFrame, packetSets } from './multicast-ruleset.js';
import { LifeSign } from './life-sign.js';
import { arpText, leftText, remember } from './multicast-table.js';
import { OwnerTables } from './owner-tables.js';
import { changeText, type Loaded, nameMaps, wholeText } from './ruleset-change.js';

export interface MulticastOptions extends Omit<KernelDatapathOptions, 'leaseMs'> {
  decision: Decision;
  clock: Clock;
  ownMac: string;
  dedicatedIp: string;
  /** Before the first view: the file on disk. */
  file: ClusterFile;
  /** See setAnswering(); null: as the rules of an earlier run do that are in the kernel still. */
  answers: boolean | null;
}

/** Mode multicast. */
export interface MulticastDatapath extends KernelDatapath {
  /** Whoever owned before has let go (`mayTake` of the protocol): accepts all that is this host's own. */
  take(checksum: string): Promise<void>;
  /** Before the clock is read for a sign of life: what is renewed with it has to be in the kernel soon after this. */
  beginRenewal(): void;
  /** With a sign of life of that time (`renew` of the protocol). */
  renewAt(sentMs: Milliseconds): void;
}

const NOTHING: Loaded = { chains: new Map(), maps: new Map(), mapOf: new Map() };

export class MulticastKernel implements MulticastDatapath {
  readonly table: string;
  private readonly nft: Nft;
  private readonly prefix: readonly string[];
  private readonly owners: OwnerTables;
  private frame: MulticastFrame;
  private address: ClusterAddress;
  private readonly lifeSign = new LifeSign();
  private loaded: Loaded | null = null;
  private accepting: Acceptance | null = null;
  private wanted: { acceptance: Acceptance; checksum: string } | null = null;
  private hashSeed = 0;
  private file: ClusterFile;
  private answers: boolean;
  private turn: Promise<void> = Promise.resolve();
  private complaint: string | null = null;
  private isClosed = false;
  /** What came in force last, until the kernel has let go for it. */
  private pending: { inForce: InForce; checksum: string } | null = null;
  private mayTake = '';
  private took = '';

  constructor(private readonly options: MulticastOptions) {
    this.prefix = options.prefix ?? [];
    this.table = tableName('multicast', options.clusterName);
    this.nft = new Nft(this.prefix);
    this.owners = new OwnerTables(options.decision, () => this.hashSeed);
    this.answers = options.answers ?? false;
    this.file = options.file;
    this.frame = this.frameOf(options.file);
    this.address = this.addressOf(this.frame);
  }

  get clusterMac(): string {
    return this.frame.clusterMac;
  }

  /** Rules first, then addresses: without the rules this host would answer for all clients. */
  async open(): Promise<void> {
    await this.lifeSign.open();
    await this.inTurn(async () => {
      const why = await this.nft.whyNot();
      if (why !== null) return this.say(why);
      if (this.options.answers === null && (await leftText(this.prefix, this.table)) !== '') this.goOnAnswering();
      await this.make(null);
      await this.address.put();
    });
  }

  /** Lets go of what is no longer this host's own. */
  async decideBy(inForce: InForce, checksum: string): Promise<void> {
    const asked = { inForce, checksum };
    this.pending = asked;
    await this.inTurn(() => this.letGo(asked));
  }

  async take(checksum: string): Promise<void> {
    this.mayTake = checksum;
    await this.inTurn(() => this.takeOwn());
  }

  /** The kernel refused, or is still about it: nothing is renewed, and this host must not say that it has let go. */
  get isBehind(): boolean {
    return this.pending !== null && !this.isClosed;
  }

  private async letGo(asked: { inForce: InForce; checksum: string }): Promise<void> {
    const { inForce, checksum } = asked;
    const { self } = this.options;
    this.hashSeed = inForce.file.hashSeed;
    await this.reframe(inForce.file);
    const acceptance = await acceptanceOf(inForce, self, (ranked, taking) => this.owners.ownersOf(ranked, taking));
    this.wanted = { acceptance, checksum };
    this.took = '';
    await this.accept(inBoth(this.accepting, acceptance));
    if (this.pending === asked) this.pending = null;
  }

  /** Where a newer one is in force, the protocol will say when that may be taken. */
  private async takeOwn(): Promise<void> {
    if (this.wanted?.checksum !== this.mayTake || this.took === this.mayTake) return;
    await this.accept(this.wanted.acceptance);
    this.took = this.mayTake;
  }

  /**
   * Whether this host says where the virtual IPs are. While the cluster is in another mode somebody else does, and with
   * another Ethernet address; who begins says so to everybody on the link.
   */
  async setAnswering(answers: boolean): Promise<void> {
    if (answers === this.answers) return;
    this.answers = answers;
    await this.inTurn(async () => {
      await this.reframe(this.file);
      if (this.answers) await this.address.announce();
    });
  }

  /** Nobody took the virtual IPs in another mode while its rules were there. */
  private goOnAnswering(): void {
    this.answers = true;
    this.frame = this.frameOf(this.file);
    this.address = this.addressOf(this.frame);
  }

  beginRenewal(): void {
    if (this.loaded !== null && !this.isBehind) this.lifeSign.begin();
  }

  /** The kernel's own lease: nothing is taken back by hand when the sidecar dies, it runs out. */
  renewAt(sentMs: Milliseconds): void {
    const { clock } = this.options;
    const isLate = clock.nowMs() - sentMs > begunMs(this.frame.leaseMs);
    if (this.loaded === null || this.isBehind || isLate) return;
    // After the packets of the same sign of life: others count from those.
    setImmediate(() =>
      this.lifeSign.renew(() => {
        if (!this.isClosed) void this.inTurn(() => this.mendRules());
      }),
    );
  }

  /** Resolves when all that was asked for so far is done. */
  settled(): Promise<void> {
    return this.turn;
  }

  renew(): void {
    // With signs of life only: renewAt().
  }

  /** To be called now and then: addresses that somebody took, or that went with the interface. */
  async look(): Promise<void> {
    await this.inTurn(async () => {
      if (this.loaded === null) await this.make(this.accepting);
      if (!(await this.address.isThere())) await this.address.put();
      // What the kernel refused is asked for again.
      if (this.pending !== null) await this.letGo(this.pending);
      await this.takeOwn();
    });
  }

  async close(): Promise<void> {
    await this.inTurn(async () => {
      this.isClosed = true;
      await this.address.remove(true);
      await this.nft.removeTable('inet', this.table);
      await this.nft.removeTable('arp', this.table);
      this.loaded = null;
    });
    this.leave();
  }

  leave(): void {
    this.isClosed = true;
    this.lifeSign.close();
  }

  problem(): string | null {
    return this.complaint;
  }

  private async accept(acceptance: Acceptance): Promise<void> {
    if (this.loaded === null) await this.make(null);
    const after = this.rendered(acceptance, this.loaded);
    const text = changeText(this.table, this.loaded ?? NOTHING, after);
    if (text !== '') await this.nft.run(text, 'what this host accepts');
    this.loaded = after;
    this.accepting = acceptance;
  }

  /** Makes everything anew in one transaction; connections that packets are remembered of go on. */
  private async make(acceptance: Acceptance | null): Promise<void> {
    const after = this.rendered(acceptance ?? NOBODY, null);
    const left = await leftText(this.prefix, this.table);
    const text = left + wholeText(this.table, packetSets(this.frame.leaseMs), after) + arpText(this.table, this.frame);
    await this.nft.run(text, 'the rules of mode multicast');
    if (left === '') await remember(this.nft, this.prefix, this.table, this.frame.virtualIps);
    this.loaded = after;
    this.accepting = acceptance ?? NOBODY;
  }

  /** The file in force may have other virtual IPs, and with the first of them another address of the cluster. */
  private async reframe(file: ClusterFile): Promise<void> {
    this.file = file;
    const before = this.frame;
    const frame = this.frameOf(file);
    if (JSON.stringify(frame) === JSON.stringify(before)) return;
    this.frame = frame;
    await this.accept(this.accepting ?? NOBODY);
    await this.nft.run(arpText(this.table, this.frame), 'the answers for the virtual IPs');
    const gone = before.virtualIps.filter((address) => !frame.virtualIps.includes(address));
    const isMoved = frame.clusterMac !== before.clusterMac;
    await this.addressOf({ ...before, virtualIps: gone }).remove(isMoved);
    this.address = this.addressOf(frame);
    await this.address.put();
  }

  private frameOf({ virtualIps, heartbeat }: ClusterFile): MulticastFrame {
    const { device, ownMac, dedicatedIp } = this.options;
    const { renewal } = this.lifeSign;
    const leaseLength = leaseMs(heartbeat.periodMs);
    const mac = multicastMac(virtualIps);
    const { answers } = this;
    return { virtualIps, device, ownMac, clusterMac: mac, dedicatedIp, leaseMs: leaseLength, answers, renewal };
  }

  private addressOf({ device, virtualIps, clusterMac: mac, answers }: MulticastFrame): ClusterAddress {
    return new ClusterAddress(device, virtualIps, mac, this.prefix, answers);
  }

  private rendered(acceptance: Acceptance, before: Loaded | null): Loaded {
    const { maps, mapOf } = nameMaps(acceptance.rules, before);
    const chains = multicastChains(this.frame, acceptance, ({ name }) => mapOf.get(name)!);
    return { chains, maps, mapOf };
  }

  /** A sign of life went through: the rule that takes it is gone, so the others are too. */
  private async mendRules(): Promise<void> {
    const tables = await this.nft.tables();
    if (this.isClosed || tables.some(({ name, family }) => name === this.table && family === 'inet')) return;
    await this.make(this.accepting);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(async () => {
      if (this.isClosed) return;
      try {
        await work();
        this.say(null);
      } catch (error) {
        this.say((error as Error).message);
      }
    });
    return this.turn;
  }

  private say(complaint: string | null): void {
    if (complaint === this.complaint) return;
    this.complaint = complaint;
    this.options.onProblem(complaint);
  }
}

const NOBODY: Acceptance = { hashSeed: 0, ipv6PrefixLength: 64, rules: [], rest: false };
