/**
 * A whole cluster in one process under virtual time: hosts with clocks that drift, disks, Envoys and a network that
 * loses, delays, reorders, repeats and cuts. One seed decides everything; `checkers.ts` looks on after every step.
 */
import { type DurableState, type Effect, emptyDurable, type ProtocolEvent } from '../../host/protocol/events.js';
import { createState, statusOf, step, tickDueMs } from '../../host/protocol/protocol.js';
import { fetchMissed, noteInForce, readKept } from './apply.js';
import { Checkers, clusterOf, sideOf } from './checkers.js';
import { cheapAuthenticator } from './files.js';
import { acceptedBits, KERNEL_TAKES_MS, newKernel, ownedBits, renewLease } from './kernel.js';
import { type KnownFile, newHost, type SimHost } from './host.js';
import { Queue } from './queue.js';
import { type Random, randomFrom } from './random.js';

export type { KnownFile, SimHost, SimRevision } from './host.js';

/** Chance of each fate of a packet, and its delay in ms. */
export interface Weather {
  loss: number;
  repeat: number;
  delayMin: number;
  delayMax: number;
}

/** Packets kept for replays; BOUNDED, the oldest goes. */
const RECORDED_MAX = 2000;
/** What a socket buffer holds of a host that stands still. */
const WAITING_MAX = 500;
/** From writing a view until Envoy decides by it. */
const ENVOY_TAKES_MS = 5;

export class Cluster {
  now = 0;
  /** The hosts of the file. */
  readonly hosts: SimHost[] = [];
  /** Beside them hosts of a foreign cluster on the same addresses. */
  readonly extras: SimHost[] = [];
  /** Names of which two run (R5). */
  readonly twins = new Set<string>();
  readonly weather: Weather = { loss: 0, repeat: 0, delayMin: 0.2, delayMax: 1 };
  /** `from>to`, one way. */
  readonly cuts = new Set<string>();
  /** Where two machines have one address: which of them gets what a host sends there. @default both */
  machineAt: ((from: SimHost, machines: SimHost[]) => SimHost[]) | null = null;
  readonly checkers = new Checkers();
  readonly random: Random;
  readonly recorded: { from: string; to: SimHost; bytes: Uint8Array }[] = [];
  /** What was done to it, in the verbs of scenarios: printed with a broken promise. */
  readonly story: string[] = [];
  /** Files that were brought as revisions, for ways back. BOUNDED: by the life. */
  readonly brought: KnownFile[] = [];
  /** Whether hosts ask for a revision that they missed. */
  fetchesMissed = true;
  /** How often each kind of accident happened. */
  readonly accidents = new Map<string, number>();
  packetCount = 0;
  #queue = new Queue<() => void>();
  #byAddress = new Map<string, SimHost[]>();

  constructor(
    readonly seed: number,
    known: KnownFile,
  ) {
    this.random = randomFrom(seed);
    for (const { name, dedicatedIp } of known.file.hosts) this.hosts.push(this.add(name, dedicatedIp, known));
  }

  /** Several may have one address: all of them receive what is sent there. */
  add(name: string, address: string, known: KnownFile): SimHost {
    const host = newHost(name, address, known, emptyDurable());
    this.#byAddress.set(address, [...(this.#byAddress.get(address) ?? []), host]);
    return host;
  }

  get all(): SimHost[] {
    return this.extras.length === 0 ? this.hosts : [...this.hosts, ...this.extras];
  }

  host(name: string): SimHost {
    return this.hosts.find((each) => each.name === name)!;
  }

  start(host: SimHost): void {
    host.life += 1;
    const isFresh = !host.envoyAlive;
    host.envoyAlive = true;
    host.waiting = [];
    host.stalledUntil = 0;
    host.crashAfter = null;
    host.startedAt = this.now;
    readKept(host);
    host.state = createState({
      file: host.onDisk.file,
      fingerprint: host.onDisk.fingerprint,
      self: host.name,
      instance: BigInt(Math.floor(this.random() * 2 ** 48)) + 1n,
      durable: JSON.parse(JSON.stringify(host.disk)) as DurableState,
      authenticator: cheapAuthenticator(host.key, host.keyIds),
      settings: host.settings,
      isFresh,
      versions: host.versions,
      nowMs: this.clock(host),
    });
    this.#tickLater(host, host.life, 0);
  }

  /** Sidecar only; its Envoy goes on. */
  killSidecar(host: SimHost): void {
    host.state = null;
    host.life += 1;
  }

  kill(host: SimHost): void {
    this.killSidecar(host);
    host.envoyAlive = false;
    host.kernel = newKernel();
  }

  /** The state directory is gone, or another one stands in its place. */
  replaceDisk(host: SimHost, disk: DurableState = emptyDurable()): void {
    host.disk = disk;
    this.checkers.forget(host);
  }

  stall(host: SimHost, forMs: number): void {
    host.stalledUntil = this.now + forMs;
    const { life } = host;
    this.after(forMs, () => {
      if (host.life === life && this.now >= host.stalledUntil) this.wake(host);
    });
  }

  /** R9: what waits in the socket comes before the late tick. */
  wake(host: SimHost): void {
    host.stalledUntil = 0;
    for (const event of host.waiting.splice(0)) this.give(host, { ...event, nowMs: this.clock(host) });
    this.give(host, { kind: 'tick', nowMs: this.clock(host) });
  }

  clock(host: SimHost): number {
    return 1000 * host.life + this.now * host.clockRate;
  }

  after(delayMs: number, action: () => void): void {
    this.#queue.push(this.now + delayMs, action);
  }

  run(forMs: number): void {
    const until = this.now + forMs;
    for (let next = this.#queue.next(until); next !== null; next = this.#queue.next(until)) {
      this.now = next.at;
      next.item();
    }
    this.now = until;
  }

  give(host: SimHost, event: ProtocolEvent): void {
    if (host.state === null) return;
    if (this.now < host.stalledUntil) {
      // The socket's buffer is full of packets; what the host itself says waits elsewhere (host/loop.ts).
      const hasRoom = event.kind !== 'packet' || host.waiting.length < WAITING_MAX;
      if (hasRoom && event.kind !== 'tick') host.waiting.push(event);
      return;
    }
    // A host lets go before it says that it leaves.
    if (event.kind === 'leave') host.kernel = newKernel();
    const { effects } = step(host.state, event);
    this.checkers.afterStep(this, host);
    this.#tickSooner(host, host.life);
    for (const effect of effects) {
      if (host.crashAfter !== null && --host.crashAfter < 0) {
        this.killSidecar(host);
        this.checkers.crashed(host);
        return;
      }
      this.#carryOut(host, effect);
    }
    this.checkers.afterEffects(this, host);
  }

  /** Another file is put on a host, and its sidecar is told; one that is off reads it when it starts. */
  offer(host: SimHost, known: KnownFile): void {
    host.onDisk = known;
    this.give(host, { kind: 'offer', nowMs: this.clock(host), ...known });
  }

  deliver(to: SimHost, fromAddress: string, bytes: Uint8Array): void {
    this.give(to, { kind: 'packet', nowMs: this.clock(to), fromAddress, fromPort: 7620, bytes });
  }

  status(host: SimHost) {
    return host.state === null ? null : statusOf(host.state, this.clock(host));
  }

  #tickLater(host: SimHost, life: number, inMs: number): void {
    host.nextTickAt = this.now + inMs;
    this.after(inMs, () => {
      if (host.life !== life || host.state === null) return;
      const tickMs = host.onDisk.file.heartbeat.periodMs / 10 / host.clockRate;
      this.#tickLater(host, life, tickMs * (1 + this.random() * 0.05));
      this.give(host, { kind: 'tick', nowMs: this.clock(host) });
      fetchMissed(this, host);
    });
  }

  /** One that does not wait for the next (host/loop.ts). */
  #tickSooner(host: SimHost, life: number): void {
    if (host.state === null || host.life !== life) return;
    const inMs = tickDueMs(host.state, this.clock(host)) / host.clockRate;
    if (this.now + inMs > Math.min(host.nextTickAt, host.soonerTickAt) - 1) return;
    host.soonerTickAt = this.now + inMs;
    this.after(inMs, () => {
      host.soonerTickAt = Number.POSITIVE_INFINITY;
      if (host.life === life) this.give(host, { kind: 'tick', nowMs: this.clock(host) });
    });
  }

  #carryOut(host: SimHost, effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.checkers.persisted(this, host, effect.durable);
        host.disk = effect.durable;
        return;
      case 'notice':
        if (host.notices.length > 200) host.notices.shift();
        host.notices.push(effect.detail);
        if (effect.cause === 'disagreement') this.checkers.alarm(this, host, effect.detail);
        return;
      case 'inForce':
        noteInForce(host);
        this.#putInForce(host, effect);
        return;
      case 'renew':
        renewLease(this, host);
        return;
      case 'mayTake':
        this.#mayTake(host, effect.checksum);
        return;
      case 'knock':
        this.#knock(host, effect);
        return;
      case 'send':
        this.#send(host, effect.toAddress, effect.bytes);
    }
  }

  #later(host: SimHost, inMs: number, event: (nowMs: number) => ProtocolEvent): void {
    const { life } = host;
    this.after(inMs, () => {
      if (host.life === life) this.give(host, event(this.clock(host)));
    });
  }

  /** Who is outside tells nobody so before its kernel has let go. */
  #putInForce(host: SimHost, { inForce, checksum }: Effect & { kind: 'inForce' }): void {
    const viewNumber = inForce.view.number;
    const isIn = inForce.view.hosts.some((each) => each.name === host.name);
    const letGo = () => {
      host.kernel.accepts &= ownedBits(inForce, host.name);
    };
    if (!isIn) letGo();
    this.#later(host, ENVOY_TAKES_MS, (nowMs) => {
      letGo();
      return { kind: 'taken', nowMs, viewNumber, checksum };
    });
  }

  #mayTake(host: SimHost, checksum: string): void {
    const { life } = host;
    const seen = sideOf(this, host);
    this.after(KERNEL_TAKES_MS, () => {
      const { state } = host;
      if (host.life !== life || state === null || state.inForceChecksum !== checksum) return;
      if (this.now < host.stalledUntil || state.leaving !== null) return;
      const before = acceptedBits(this, host);
      host.kernel.accepts = ownedBits(state.inForce!, host.name);
      this.checkers.took(this, host, host.kernel.accepts & ~before, seen);
    });
  }

  #knock(host: SimHost, effect: Effect & { kind: 'knock' }): void {
    const { name } = host;
    const targets = this.#byAddress.get(effect.address) ?? [];
    const isCut = this.cuts.has(`${name}>${effect.host}`) || this.cuts.has(`${effect.host}>${name}`);
    // A foreign cluster's Envoy at that address has another certificate.
    const isOurs = (each: SimHost) =>
      each.name === effect.host && each.key === host.key && clusterOf(each) === clusterOf(host);
    const isThere = targets.some((each) => isOurs(each) && each.envoyAlive && this.now >= each.stalledUntil);
    const answered = isThere && !isCut;
    this.#later(host, answered ? 3 : effect.timeoutMs, (nowMs) => ({
      kind: 'envoyAnswer',
      nowMs,
      host: effect.host,
      answered,
    }));
  }

  #send(host: SimHost, toAddress: string, bytes: Uint8Array): void {
    this.packetCount += 1;
    this.checkers.packet(host, bytes);
    const { weather } = this;
    const machines = this.#byAddress.get(toAddress) ?? [];
    for (const target of this.machineAt?.(host, machines) ?? machines) {
      this.recorded[this.packetCount % RECORDED_MAX] = { from: host.address, to: target, bytes };
      const copies = weather.repeat > 0 && this.random() < weather.repeat ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        if (weather.loss > 0 && this.random() < weather.loss) continue;
        const delayMs = weather.delayMin + this.random() * (weather.delayMax - weather.delayMin);
        this.after(delayMs, () => {
          if (this.cuts.size > 0 && this.cuts.has(`${host.name}>${target.name}`)) return;
          this.deliver(target, host.claimsAddress ?? host.address, bytes);
        });
      }
    }
  }
}
