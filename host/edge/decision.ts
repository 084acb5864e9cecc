/**
 * decision.wasm behind one typed file: the sidecar asks the very functions that decide in Envoy, and has no second hash.
 *
 * One instance, one memory. Every method here puts its arguments there, calls and reads the answer without giving up
 * the event loop in between, so callers cannot get in each other's way. What the numbers mean: docs/decision.md.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Affinity, HostName, Protocol } from '../protocol/types.js';
import { type DecisionExports, instantiate, NOBODY, REFUSE_DISABLED, VIEW_NOT_OPEN } from './decision-exports.js';
import type {
  ClientKey,
  Connection,
  Endpoint,
  KeyQuestion,
  Outcome,
  Owners,
  Score,
  ViewFault,
  ScoredHost,
} from './decision-types.js';

export type * from './decision-types.js';

export const BUCKETS = 65_536;
/** Buckets of a table that are worked out before the event loop gets its turn: 32 hosts take about 2 ms. */
const SLICE = 4096;

const AFFINITIES: Record<Affinity, number> = { none: 0, single: 1, classC: 2 };
const PROTOCOLS: Record<Protocol, number> = { tcp: 1, udp: 2, both: 3 };
/** By ADDRESS_ code, assembly/decision/address.ts. */
const ADDRESS_FAULTS = [
  '',
  'expected an IPv4 or IPv6 address',
  'expected an address without a scope (%): it means something on one host only',
  'expected a port behind the address: 192.0.2.1:25 or [2001:db8::1]:25',
  'expected a port of 0-65535',
] as const;

/** An address or a view's bytes that cannot be used. */
export class DecisionError extends Error {
  constructor(
    readonly code: 'ADDRESS_REFUSED' | 'VIEW_REFUSED' | 'WASM_MISSING',
    message: string,
  ) {
    super(message);
    this.name = 'DecisionError';
  }
}

export class Decision {
  readonly #wasm: DecisionExports;

  constructor(wasm: DecisionExports) {
    this.#wasm = wasm;
  }

  /** What heartbeats carry, so that hosts of differing arithmetic do not decide together. */
  get version(): number {
    return this.#wasm.decisionVersion();
  }

  /** `address:port` to bytes. Throws ADDRESS_REFUSED. */
  endpoint(text: string): Endpoint {
    this.#readAddress(text, this.#wasm.readEndpoint);
    return {
      address: this.#read(this.#wasm.endpoint(), 16),
      port: this.#view().getUint16(this.#wasm.endpoint() + 16, true),
    };
  }

  /** An address without port to 16 bytes. Throws ADDRESS_REFUSED. */
  address(text: string): Uint8Array {
    this.#readAddress(text, this.#wasm.readAddress);
    return this.#read(this.#wasm.endpoint(), 16);
  }

  /** Key, hash and bucket of a client. Throws ADDRESS_REFUSED. */
  key(question: KeyQuestion): ClientKey {
    this.#readAddress(question.address, this.#wasm.readAddress);
    this.#view().setUint16(this.#wasm.endpoint() + 16, question.port, true);
    const length = this.#wasm.makeKey(AFFINITIES[question.affinity], question.ipv6PrefixLength);
    const hash = this.#wasm.hashOfKey(length, question.hashSeed) >>> 0;
    return { key: this.#read(this.#wasm.key(), length), hash, bucket: hash >>> 16 };
  }

  bucket(question: KeyQuestion): number {
    return this.key(question).bucket;
  }

  /** jhash of bytes, at most as many as the largest view has. */
  hash(bytes: Uint8Array, seed: number): number {
    return this.#wasm.hashOfInput(this.#write(bytes), seed) >>> 0;
  }

  /** Owner and next owner of a bucket. */
  owners(bucket: number, hosts: readonly ScoredHost[], hashSeed: number): Owners {
    const sorted = this.#setHosts(hosts, hashSeed);
    const owner = this.#wasm.owner(bucket, sorted.length);
    const nextOwner = owner < 0 ? -1 : this.#wasm.nextOwner(bucket, sorted.length, owner);
    return { owner: sorted[owner]?.name ?? null, nextOwner: sorted[nextOwner]?.name ?? null };
  }

  /** The owner of each bucket, as index into `hosts`, 255 for nobody; in slices, so that the event loop goes on turning. */
  async ownersOf(buckets: ArrayLike<number>, hosts: readonly ScoredHost[], hashSeed: number): Promise<Uint8Array> {
    const owners = new Uint8Array(buckets.length);
    const indexOf = new Map(hosts.map((host, index) => [host.name, index]));
    for (let first = 0; first < buckets.length; first += SLICE) {
      const sorted = this.#setHosts(hosts, hashSeed);
      const original = sorted.map((host) => indexOf.get(host.name)!);
      const end = Math.min(first + SLICE, buckets.length);
      for (let i = first; i < end; i++) owners[i] = original[this.#wasm.owner(buckets[i]!, sorted.length)] ?? NOBODY;
      if (end < buckets.length) await setImmediate();
    }
    return owners;
  }

  /** Every host that takes part with its score, the owner first. */
  scores(bucket: number, hosts: readonly ScoredHost[], hashSeed: number): Score[] {
    const left = [...hosts];
    const scores: Score[] = [];
    for (;;) {
      const sorted = this.#setHosts(left, hashSeed);
      const index = this.#wasm.owner(bucket, sorted.length);
      const host = sorted[index];
      if (host === undefined) return scores;
      const draw = this.#wasm.draw(bucket, index) >>> 0;
      const logarithm = this.#wasm.logarithm(draw) / 2 ** 31;
      scores.push({ ...host, draw, logarithm, cost: logarithm / host.loadWeight });
      left.splice(left.indexOf(host), 1);
    }
  }

  /** L of a draw in units of 2^-31, docs/decision.md. */
  logarithm(draw: number): number {
    return this.#wasm.logarithm(draw);
  }

  /** Entry 0-4096 of the table of logarithms. */
  logarithmEntry(step: number): number {
    return this.#wasm.logarithmEntry(step) >>> 0;
  }

  /**
   * The owner of every bucket, as index into `hosts`; 255 where nobody takes part. Some 50 ms of work for 32 hosts, in
   * slices, so that the event loop goes on turning.
   */
  async table(hosts: readonly ScoredHost[], hashSeed: number): Promise<Uint8Array> {
    const table = new Uint8Array(BUCKETS);
    const indexOf = new Map(hosts.map((host, index) => [host.name, index]));
    for (let first = 0; first < BUCKETS; first += SLICE) {
      // Set again for every slice: others may have asked about other hosts in between.
      const sorted = this.#setHosts(hosts, hashSeed);
      this.#wasm.fillTable(first, SLICE, sorted.length);
      const slice = new Uint8Array(this.#wasm.memory.buffer, this.#wasm.table() + first, SLICE);
      const original = sorted.map((host) => indexOf.get(host.name)!);
      for (let i = 0; i < SLICE; i++) table[first + i] = original[slice[i]!] ?? NOBODY;
      await setImmediate();
    }
    return table;
  }

  /**
   * First and second of every bucket, as index into `hosts`; 255 where there is none. Some 100 ms of work for 32 hosts, in
   * slices as `table()`.
   */
  async ranking(hosts: readonly ScoredHost[], hashSeed: number): Promise<{ first: Uint8Array; second: Uint8Array }> {
    const first = await this.table(hosts, hashSeed);
    const second = new Uint8Array(BUCKETS).fill(NOBODY);
    const indexOf = new Map(hosts.map((host, index) => [host.name, index]));
    for (let bucket = 0; bucket < BUCKETS; bucket += SLICE / 2) {
      const sorted = this.#setHosts(hosts, hashSeed);
      const original = sorted.map((host) => indexOf.get(host.name)!);
      for (let b = bucket; b < bucket + SLICE / 2; b++) {
        const owner = original.indexOf(first[b]!);
        if (owner >= 0) second[b] = original[this.#wasm.nextOwner(b, sorted.length, owner)] ?? NOBODY;
      }
      await setImmediate();
    }
    return { first, second };
  }

  /** The part of the buckets that each host owns, 0-1, by host name. */
  async shares(hosts: readonly ScoredHost[], hashSeed: number): Promise<Map<HostName, number>> {
    const counts = new Array<number>(hosts.length).fill(0);
    for (const index of await this.table(hosts, hashSeed)) if (index < hosts.length) counts[index]! += 1;
    return new Map(hosts.map((host, index) => [host.name, counts[index]! / BUCKETS]));
  }

  /** What the filter would find wrong with a view's bytes (host/protocol/view-bytes.ts), or null. */
  checkView(bytes: Uint8Array): ViewFault | null {
    if (bytes.length > this.#wasm.inputSize()) return { code: this.#wasm.faultSize(), at: null, value: bytes.length };
    const code = this.#wasm.openView(this.#write(bytes));
    if (code === 0) return null;
    const at = this.#wasm.faultPlace();
    return { code, at: at < 0 ? null : at, value: this.#wasm.faultNumber() >>> 0 };
  }

  /** What the filter of the view's own host does with a connection. Throws VIEW_REFUSED, ADDRESS_REFUSED. */
  decide(bytes: Uint8Array, connection: Connection): Outcome {
    const fault = this.checkView(bytes);
    if (fault) {
      throw new DecisionError('VIEW_REFUSED', `Cannot decide by a view of ${bytes.length} bytes: fault ${fault.code}`);
    }
    this.#readAddress(connection.destination, this.#wasm.readEndpoint);
    this.#wasm.setDestination();
    this.#readAddress(connection.client, this.#wasm.readEndpoint);
    const host = this.#wasm.decideFor(PROTOCOLS[connection.protocol]);
    if (host === VIEW_NOT_OPEN) throw new Error('decideFor() without a view, although it was checked just now');
    const rule = this.#wasm.ruleFound();
    return {
      rule: rule < 0 ? null : rule,
      owner: host < 0 ? null : host,
      refused: host >= 0 ? null : host === REFUSE_DISABLED ? 'disabled' : 'nobody',
      isKept: this.#wasm.wasKept() !== 0,
      mayFallBack: this.#wasm.mayFallBack() !== 0,
    };
  }

  #readAddress(text: string, read: (length: number) => number): void {
    const code = read(this.#write(new TextEncoder().encode(text.slice(0, 256))));
    if (code === 0) return;
    throw new DecisionError('ADDRESS_REFUSED', `Cannot read address "${text.slice(0, 256)}", ${ADDRESS_FAULTS[code]}`);
  }

  /** Sets the hosts in the order of the names they are scored by, bytes ascending: that order decides ties. */
  #setHosts(hosts: readonly ScoredHost[], hashSeed: number): ScoredHost[] {
    if (hosts.length > 32) throw new RangeError(`Cannot score ${hosts.length} hosts, expected at most 32`);
    const scoredBy = ({ name, scoredAs }: ScoredHost) => scoredAs ?? name;
    const sorted = [...hosts].sort((a, b) => (scoredBy(a) < scoredBy(b) ? -1 : 1));
    sorted.forEach((host, index) => {
      const length = this.#write(new TextEncoder().encode(scoredBy(host)));
      this.#wasm.setHost(index, length, host.loadWeight, hashSeed);
    });
    return sorted;
  }

  #write(bytes: Uint8Array): number {
    new Uint8Array(this.#wasm.memory.buffer, this.#wasm.input(), this.#wasm.inputSize()).set(bytes);
    return bytes.length;
  }

  /** A copy: the memory is written over by the next question. */
  #read(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.#wasm.memory.buffer.slice(pointer, pointer + length));
  }

  #view(): DataView {
    return new DataView(this.#wasm.memory.buffer);
  }
}

/** Loads decision.wasm, from beside the built sidecar or, where the sources run as they are, from build/. */
export async function loadDecision(): Promise<Decision> {
  const places = ['../../wasm/decision.wasm', '../../build/wasm/decision.wasm'];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new DecisionError(
      'WASM_MISSING',
      `Cannot load the decision: found none of ${paths.join(', ')}; run npm run build`,
    );
  }
  return instantiateDecision(await readFile(path));
}

/** The decision from the bytes of a decision.wasm. */
export async function instantiateDecision(wasm: Uint8Array): Promise<Decision> {
  return new Decision(await instantiate(wasm));
}
