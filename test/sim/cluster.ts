/**
 * A whole cluster in one process under virtual time: hosts with clocks that drift, disks, Envoys and a network that
 * loses, delays, reorders, repeats and cuts. One seed decides everything; `checkers.ts` looks on after every step.
 */
import { type DurableState, type Effect, emptyDurable, type ProtocolEvent } from '../../host/protocol/events.js';
import { createState, type ProtocolState, statusOf, step } from '../../host/protocol/protocol.js';
import type { ClusterFile, OwnSettings } from '../../host/protocol/types.js';
import { Checkers } from './checkers.js';
import { cheapAuthenticator } from './files.js';
import { Queue } from './queue.js';
import { type Random, randomFrom } from './random.js';

export interface KnownFile {
  file: ClusterFile;
  fingerprint: string;
}

export interface SimHost {
  name: string;
  address: string;
  state: ProtocolState | null;
  disk: DurableState;
  onDisk: KnownFile;
  settings: OwnSettings;
  envoyAlive: boolean;
  envoyView: string;
  clockRate: number;
  stalledUntil: number;
  /** Events that came while it stood still; bounded as a socket buffer is. */
  waiting: ProtocolEvent[];
  life: number;
  key: number;
  notices: string[];
  /** Packets of this host are taken to come from there. */
  claimsAddress: string | null;
}

/** Chance of each fate of a packet, and its delay in ms. */
export interface Weather {
  loss: number;
  repeat: number;
  delayMin: number;
  delayMax: number;
}

export class Cluster {
  now = 0;
  readonly hosts: SimHost[] = [];
  readonly weather: Weather = { loss: 0, repeat: 0, delayMin: 0.2, delayMax: 1 };
  /** `from>to`, one way. */
  readonly cuts = new Set<string>();
  readonly checkers = new Checkers();
  readonly random: Random;
  /** The last packets sent, for replays; bounded. */
  readonly recorded: { from: string; to: string; bytes: Uint8Array }[] = [];
  packetCount = 0;
  #queue = new Queue<() => void>();

  constructor(
    readonly seed: number,
    known: KnownFile,
  ) {
    this.random = randomFrom(seed);
    for (const { name, dedicatedIp } of known.file.hosts) {
      const rules = known.file.portRules.map(() => ({ enabled: true, serviceUp: true }));
      this.hosts.push({
        name,
        address: dedicatedIp,
        state: null,
        disk: emptyDurable(),
        onDisk: known,
        settings: { hostState: 'started', rules },
        envoyAlive: false,
        envoyView: '',
        clockRate: 1,
        stalledUntil: 0,
        waiting: [],
        life: 0,
        key: 1,
        notices: [],
        claimsAddress: null,
      });
    }
  }

  host(name: string): SimHost {
    return this.hosts.find((each) => each.name === name)!;
  }

  start(host: SimHost): void {
    host.life += 1;
    host.envoyAlive = true;
    host.waiting = [];
    host.stalledUntil = 0;
    host.state = createState({
      file: host.onDisk.file,
      fingerprint: host.onDisk.fingerprint,
      self: host.name,
      instance: BigInt(Math.floor(this.random() * 2 ** 48)) + 1n,
      durable: JSON.parse(JSON.stringify(host.disk)) as DurableState,
      authenticator: cheapAuthenticator(host.key),
      settings: host.settings,
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
  }

  stall(host: SimHost, forMs: number): void {
    host.stalledUntil = this.now + forMs;
    const { life } = host;
    this.after(forMs, () => {
      if (host.life !== life || this.now < host.stalledUntil) return;
      // R9: what waits in the socket comes before the late tick.
      for (const event of host.waiting.splice(0)) this.give(host, { ...event, nowMs: this.clock(host) });
      this.give(host, { kind: 'tick', nowMs: this.clock(host) });
    });
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
      if (host.waiting.length < 500 && event.kind !== 'tick') host.waiting.push(event);
      return;
    }
    const { effects } = step(host.state, event);
    for (const effect of effects) this.#carryOut(host, effect);
    this.checkers.afterStep(this, host);
  }

  deliver(to: SimHost, fromAddress: string, bytes: Uint8Array): void {
    this.give(to, { kind: 'packet', nowMs: this.clock(to), fromAddress, fromPort: 7620, bytes });
  }

  status(host: SimHost) {
    return host.state === null ? null : statusOf(host.state, this.clock(host));
  }

  #tickLater(host: SimHost, life: number, inMs: number): void {
    this.after(inMs, () => {
      if (host.life !== life || host.state === null) return;
      this.give(host, { kind: 'tick', nowMs: this.clock(host) });
      this.#tickLater(
        host,
        life,
        (host.onDisk.file.heartbeat.periodMs / 10 / host.clockRate) * (1 + this.random() * 0.05),
      );
    });
  }

  #carryOut(host: SimHost, effect: Effect): void {
    const { life } = host;
    const later = (inMs: number, event: (nowMs: number) => ProtocolEvent) =>
      this.after(inMs, () => {
        if (host.life === life) this.give(host, event(this.clock(host)));
      });
    switch (effect.kind) {
      case 'persist':
        host.disk = effect.durable;
        return;
      case 'notice':
        if (host.notices.length > 200) host.notices.shift();
        host.notices.push(effect.detail);
        return;
      case 'inForce': {
        const { checksum } = effect;
        const viewNumber = effect.inForce.view.number;
        host.envoyView = checksum;
        later(5, (nowMs) => ({ kind: 'taken', nowMs, viewNumber, checksum }));
        return;
      }
      case 'knock': {
        const target = this.host(effect.host);
        const isStalled = this.now < target.stalledUntil;
        const isCut = this.cuts.has(`${host.name}>${target.name}`) || this.cuts.has(`${target.name}>${host.name}`);
        const answered = target.envoyAlive && !isStalled && !isCut;
        const event = (nowMs: number): ProtocolEvent => ({ kind: 'envoyAnswer', nowMs, host: target.name, answered });
        later(answered ? 3 : effect.timeoutMs, event);
        return;
      }
      case 'send':
        this.#send(host, effect.toAddress, effect.bytes);
    }
  }

  #send(host: SimHost, toAddress: string, bytes: Uint8Array): void {
    const target = this.hosts.find((each) => each.address === toAddress);
    this.packetCount += 1;
    this.checkers.packet(host, bytes);
    if (target === undefined) return;
    this.recorded.push({ from: host.address, to: target.name, bytes });
    if (this.recorded.length > 2000) this.recorded.shift();
    const { weather } = this;
    const copies = this.random() < weather.repeat ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.random() < weather.loss) continue;
      const delayMs = weather.delayMin + this.random() * (weather.delayMax - weather.delayMin);
      this.after(delayMs, () => {
        if (!this.cuts.has(`${host.name}>${target.name}`))
          this.deliver(target, host.claimsAddress ?? host.address, bytes);
      });
    }
  }
}
