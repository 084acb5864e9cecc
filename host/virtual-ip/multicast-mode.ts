/**
 * Mode multicast in a running sidecar: the kernel's part on the interface of this host, made anew where that is another one.
 * What the protocol says of letting go, taking and signs of life is handed on as it comes (R10).
 */
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../edge/clock.js';
import type { Decision } from '../edge/decision.js';
import { MulticastKernel } from '../kernel/multicast.js';
import type { Effect } from '../protocol/events.js';
import type { Contender } from '../protocol/holder.js';
import { leaseMs } from '../protocol/lease.js';
import type { ClusterFile, HostConfig, InForce } from '../protocol/types.js';
import type { VirtualIpStatus } from './status.js';
import type { Sidecar } from '../sidecar.js';
import { findLinks } from './link.js';
import { clearBefore } from './other-modes.js';

export interface MulticastModeOptions {
  host: HostConfig;
  /** The one in force, or the one on disk before the first view. */
  file(): ClusterFile;
  clock: Clock;
  decision: Decision;
  isHeard(): boolean;
  /** This host is to serve; one that is stopped has nothing in its kernel. */
  isWanted(): boolean;
  say(topic: string, problem: string | null): void;
}

/** The kernel refused to let go: it is asked again as often as it is looked at. */
const RETRY_MS = 500;

/**
 * Before Envoy serves and before the first packet to the others: what another mode left is taken out of the kernel, and in this
 * one its rules are made.
 *
 * @param file  the one this host begins with
 * @param before  in force when it ran last
 * @param isHeard  what is sent goes out: a host that keeps silent renews nothing
 * @returns null in the other modes
 */
export async function openMode(
  sidecar: Sidecar,
  file: ClusterFile,
  before: ClusterFile | undefined,
  isHeard: () => boolean,
): Promise<MulticastMode | null> {
  await clearBefore(sidecar, file, before ?? null);
  if (file.mode !== 'multicast') return null;
  const { host, clock } = sidecar.options;
  const mode = new MulticastMode({
    host,
    clock,
    decision: sidecar.decision,
    file: () => (sidecar.loop === undefined ? file : sidecar.file),
    isHeard,
    isWanted: () => sidecar.envoy.isWanted,
    say: (topic, problem) => sidecar.sayProblem(topic, problem),
  });
  // This host is to serve.
  if (!sidecar.takingPart.isOff) await mode.open();
  return mode;
}

/** Envoy has it, in whichever mode; it is taken once the kernel has let go as well (R10). */
export async function sayTaken(sidecar: Sidecar, inForce: InForce, checksum: string): Promise<void> {
  const { view } = inForce;
  const text = sidecar.envoy.isWanted ? sidecar.history.takenText(inForce, checksum) : null;
  if (text !== null) sidecar.options.log.info(text, { cause: 'envoyTook' });
  await sidecar.multicast?.settled();
  sidecar.loop.post({ kind: 'taken', viewNumber: view.number, checksum });
  setImmediate(() => sidecar.lookAtOwnPart());
}

export class MulticastMode {
  private kernel: MulticastKernel | null = null;
  private device: string | null = null;
  private newest: { inForce: InForce; checksum: string } | null = null;
  private mayTake = '';
  /** This host says where the virtual IPs are; null: as an earlier run did, until the others have been met. */
  private answers: boolean | null = null;

  constructor(private readonly options: MulticastModeOptions) {}

  async open(): Promise<void> {
    await this.place();
  }

  /**
   * Every effect of the protocol comes by. One that has to be waited for gives a promise: a host that is outside confirms no
   * view, and that is only said once its kernel has let go of all it had.
   */
  see(effect: Effect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'inForce': {
        const { inForce, checksum } = effect;
        this.newest = { inForce, checksum };
        const letGo = this.kernel?.decideBy(inForce, checksum);
        return inForce.view.hosts.some(({ name }) => name === this.options.host.name) ? undefined : letGo;
      }
      case 'mayTake':
        this.mayTake = effect.checksum;
        void this.kernel?.take(effect.checksum);
        return undefined;
      case 'renew':
        if (this.options.isHeard()) this.kernel?.renewAt(effect.nowMs);
        return undefined;
      default:
        return undefined;
    }
  }

  /**
   * After each step: only where the cluster is in this mode, and this host in it, may it say where the virtual IPs are; it
   * begins when nobody holds them in mode arp any more. Not asked while this host goes by the view of its earlier life.
   */
  noteContenders(contenders: readonly Contender[]): void {
    const { name } = this.options.host;
    const isIn = contenders.some((one) => one.name === name && one.isIn);
    const isHeld = contenders.some((one) => one.name !== name && one.holds);
    this.answers = isIn && (this.answers === true || !isHeld);
    void this.kernel?.setAnswering(this.answers);
  }

  /** Before the clock is read for what may be a sign of life. */
  beginRenewal(): void {
    if (this.options.isHeard()) this.kernel?.beginRenewal();
  }

  /** Resolves when the kernel has all that it was told so far. */
  async settled(): Promise<void> {
    for (;;) {
      await this.kernel?.settled();
      if (this.kernel === null || !this.kernel.isBehind) return;
      await setTimeout(RETRY_MS, undefined, { ref: false });
    }
  }

  status(): VirtualIpStatus {
    const { virtualIps, heartbeat } = this.options.file();
    const { kernel, device } = this;
    return {
      addresses: [...virtualIps],
      device,
      holder: null,
      since: null,
      isHeldHere: kernel !== null,
      outgoing: 'dedicatedIp',
      leaseMs: leaseMs(heartbeat.periodMs),
      kernelProblem: kernel === null ? 'this host takes no connections' : kernel.problem(),
    };
  }

  /** Now and then: interfaces go down, are renamed, and come back bare. */
  async look(): Promise<void> {
    if (!this.options.isWanted()) {
      await this.close();
      return;
    }
    await this.place();
    await this.kernel?.look();
  }

  /** The sidecar ends; what its Envoy serves goes on, and nothing new is accepted once the lease is over. */
  leave(): void {
    this.kernel?.leave();
  }

  /** Leaves nothing in the kernel. */
  private async close(): Promise<void> {
    const { kernel } = this;
    this.kernel = null;
    this.device = null;
    await kernel?.close();
  }

  private async place(): Promise<void> {
    const { host, file, say } = this.options;
    const { link: found, why } = findLinks(file(), host);
    if (found === null) {
      say('kernel', `mode multicast: this host takes no connections, ${why}`);
      return;
    }
    if (found.device === this.device) return;
    await this.close();
    this.device = found.device;
    this.kernel = new MulticastKernel({
      clusterName: file().clusterName,
      self: host.name,
      device: found.device,
      ownMac: found.mac,
      dedicatedIp: host.dedicatedIp,
      file: file(),
      decision: this.options.decision,
      clock: this.options.clock,
      answers: this.answers,
      onProblem: (problem) => say('kernel', problem === null ? null : `mode multicast: ${problem}`),
    });
    await this.kernel.open();
    if (this.newest === null) return;
    await this.kernel.decideBy(this.newest.inForce, this.newest.checksum);
    await this.kernel.take(this.mayTake);
  }
}
