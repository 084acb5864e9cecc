/** What must hold after every step of every host. What must hold once the network is whole again: `liveness.ts`. */
import type { DurableState } from '../../host/protocol/events.js';
import type { InForce } from '../../host/protocol/types.js';
import type { Cluster, SimHost } from './cluster.js';
import { acceptedBits } from './kernel.js';

export class BrokenPromise extends Error {}

/** R11, as promised. */
const VIEW_GAP_MS = 200;

interface Confirmed {
  checksum: string;
  key: number;
  atMs: number;
}

export class Checkers {
  /** Content by identity of what is in force: one identity, one content, so one owner of each bucket (R3, R4). */
  #contents = new Map<string, string>();
  /** By host and number, over all lives that kept their disk: one checksum under one number (R3). */
  #confirmed = new Map<SimHost, Map<number, string>>();
  /** Everything ever confirmed under a host's name, with the key it was sealed with. */
  #ever = new Map<string, Confirmed[]>();
  /** Every view that anybody confirmed, by cluster, key and identity. */
  #views = new Set<string>();
  /** When a host last started a view of its own, by its own clock (R11). */
  #startedView = new Map<SimHost, { life: number; atMs: number }>();
  #lastNumber = new Map<SimHost, number>();
  #lastDurable = new Map<SimHost, number>();
  /** Config revision in force, and on disk. */
  #lastRevision = new Map<SimHost, number>();
  #lastDurableRevision = new Map<SimHost, number>();
  #lastInForce = new Map<SimHost, InForce>();
  /** The last three views in force. */
  #history = new Map<SimHost, InForce['view'][]>();
  #lastConfirmed = new Map<SimHost, unknown>();
  /** Names and identities that were found lawful: a restart, a copied directory or a loss puts the same view in force again. */
  #lawful = new Set<string>();
  /** When anybody last held a host's share for it (R13), by cluster, key and name. */
  #heldAt = new Map<string, number>();
  /** When the network last lost, cut or held up packets. */
  #roughAt = Number.NEGATIVE_INFINITY;
  /** A test makes up packets: alarms are right then. */
  areForged = false;
  stepCount = 0;
  takenCount = 0;

  afterStep(cluster: Cluster, host: SimHost): void {
    this.stepCount += 1;
    if (isRough(cluster)) this.#roughAt = cluster.now;
    this.#noteHeld(cluster, host);
    this.#checkRevision(cluster, host);
    const { confirmed } = host.state!;
    if (confirmed !== null && this.#lastConfirmed.get(host) !== confirmed) {
      this.#lastConfirmed.set(host, confirmed);
      this.#checkConfirmed(cluster, host, confirmed.number, confirmed.checksum);
      const { fingerprint, decisionVersion } = confirmed.content;
      if (decisionVersion > host.versions.decisionHigh) {
        fail(cluster, `${host.name} confirmed decision version ${decisionVersion}, which it does not speak`);
      }
      if (fingerprint !== host.state!.known.fingerprint && fingerprint !== host.state!.offer?.fingerprint) {
        fail(cluster, `${host.name} confirmed view ${confirmed.number} of file ${fingerprint}, which it never had`);
      }
    }
  }

  /** R8: it never goes back, and no host gives way to a file of a lower one. */
  #checkRevision(cluster: Cluster, host: SimHost): void {
    const { known, side, peers } = host.state!;
    const last = this.#lastRevision.get(host) ?? 0;
    if (known.revision < last) fail(cluster, `${host.name} went back from revision ${last} to ${known.revision}`);
    this.#lastRevision.set(host, known.revision);
    if (known.revision === 0 || side.outside === null || !side.outside.reason.startsWith('its file is')) return;
    const theirs = Math.max(...side.agreeing.map((name) => peers.get(name)?.said?.revision ?? 0));
    if (theirs < known.revision) {
      fail(cluster, `${host.name} has revision ${known.revision} and is outside of ${side.agreeing}, of ${theirs}`);
    }
  }

  /** A share can be kept only for who has one: by the view that the holder had before this step. */
  #noteHeld(cluster: Cluster, host: SimHost): void {
    const before = this.#lastInForce.get(host) ?? host.state!.inForce;
    for (const { link, config } of host.state!.peers.values()) {
      if (link !== 'held' || !before?.view.hosts.some((each) => each.name === config.name)) continue;
      this.#heldAt.set(`${clusterOf(host)}|${host.key}|${config.name}`, cluster.now);
    }
  }

  /** After its effects were carried out: a host that died among them had nothing in force yet. */
  afterEffects(cluster: Cluster, host: SimHost): void {
    const { inForce } = host.state!;
    const before = this.#lastInForce.get(host);
    if (inForce === null || before === inForce) return;
    this.#lastInForce.set(host, inForce);
    this.#history.set(host, [...(this.#history.get(host) ?? []).slice(-2), inForce.view]);
    this.#checkInForce(cluster, host, inForce);
    this.#checkSingle(cluster, host);
  }

  /**
   * R10: a kernel never takes a bucket that another one still accepts, where both are of one side. One whose sidecar is
   * gone or stands still has stopped accepting before others can know, as long as the network is fair.
   *
   * @param seen those of its side when its sidecar gave the order: `sideOf`
   */
  took(cluster: Cluster, host: SimHost, bits: number, seen: readonly SimHost[]): void {
    if (bits !== 0) this.takenCount += 1;
    const { periodMs, missedMax } = host.onDisk.file.heartbeat;
    const isFair = cluster.now - this.#roughAt > 2 * periodMs * missedMax;
    for (const other of cluster.all) {
      if (other.name === host.name || other.key !== host.key || clusterOf(other) !== clusterOf(host)) continue;
      const both = acceptedBits(cluster, other) & bits;
      if (both === 0) continue;
      const isStill = other.state === null || cluster.now < other.stalledUntil;
      // Whom a host means by a name of which two run is for R5.
      if (cluster.twins.has(host.name) || cluster.twins.has(other.name)) continue;
      // Each half of a split serves its own clients.
      if (cluster.cuts.has(`${host.name}>${other.name}`) || cluster.cuts.has(`${other.name}>${host.name}`)) continue;
      if (!seen.includes(other) && !(isStill && isFair)) continue;
      const what = `${host.name} takes buckets that the kernel of ${other.name} still accepts`;
      fail(cluster, `${what} (${decides(host)}; ${decides(other)})`);
    }
  }

  #checkConfirmed(cluster: Cluster, host: SimHost, number: number, checksum: string): void {
    const mine = this.#confirmed.get(host) ?? new Map<number, string>();
    this.#confirmed.set(host, mine);
    const before = mine.get(number);
    if (before !== undefined && before !== checksum) {
      fail(cluster, `${host.name} confirmed two checksums under view ${number}`);
    }
    mine.set(number, checksum);
    this.#checkGathered(cluster, host, `${clusterOf(host)}|${host.key}|${number}|${checksum}`);
    const id = `${clusterOf(host)}|${host.name}|${number}`;
    this.#ever.set(id, [...(this.#ever.get(id) ?? []), { checksum, key: host.key, atMs: cluster.now }]);
  }

  /** R11: changes are gathered, so of the views that nobody had named before, a host starts one in 200 ms. */
  #checkGathered(cluster: Cluster, host: SimHost, view: string): void {
    if (this.#views.has(view)) return;
    this.#views.add(view);
    const { life } = host;
    const before = this.#startedView.get(host);
    const atMs = cluster.clock(host);
    this.#startedView.set(host, { life, atMs });
    if (before?.life !== life || atMs - before.atMs >= VIEW_GAP_MS) return;
    fail(cluster, `${host.name} started two views in ${Math.round(atMs - before.atMs)} ms`);
  }

  #checkInForce(cluster: Cluster, host: SimHost, inForce: InForce): void {
    const { view } = inForce;
    this.#checkContent(cluster, host, inForce);
    const last = this.#lastNumber.get(host) ?? 0;
    if (view.number < last) fail(cluster, `${host.name} went back from view ${last} to ${view.number}`);
    this.#lastNumber.set(host, view.number);
    // Outside, a host only follows the view of the others.
    if (!view.hosts.some((each) => each.name === host.name)) return;
    const identity = `${clusterOf(host)}|${host.name}|${view.number}|${view.checksum}`;
    if (this.#lawful.has(identity)) return;
    this.#lawful.add(identity);
    for (const { name } of view.hosts) {
      const said = this.#ever.get(`${clusterOf(host)}|${name}|${view.number}`) ?? [];
      const same = said.filter((each) => each.checksum === view.checksum);
      if (same.length > 0 && !same.some((each) => each.key === host.key)) {
        fail(cluster, `${host.name} is in view ${view.number} with ${name}, which has another key`);
      }
      if (same.length === 0) this.#checkHeld(cluster, host, name, inForce);
    }
  }

  /** What the other hosts of a view had in force before it: one that is new to it takes their word. */
  *#viewsBefore(cluster: Cluster, inForce: InForce): Generator<InForce['view']> {
    for (const host of cluster.all) {
      for (const each of this.#history.get(host) ?? []) if (each.number < inForce.view.number) yield each;
    }
  }

  /** R13: only a silent sidecar whose Envoy answers, and which was in the view before, need not confirm. */
  #checkHeld(cluster: Cluster, host: SimHost, name: string, inForce: InForce): void {
    const wasIn = [...this.#viewsBefore(cluster, inForce)].some((view) =>
      view.hosts.some((each) => each.name === name),
    );
    // Who holds it may know of its end before those it told of it: a tolerance is the most that they are apart.
    const { periodMs, missedMax } = inForce.file.heartbeat;
    const heldAt = this.#heldAt.get(`${clusterOf(host)}|${host.key}|${name}`) ?? Number.NEGATIVE_INFINITY;
    // A sidecar that died after that, and goes on with the view on its disk, asks nobody again.
    const { number, checksum } = inForce.view;
    const own = this.#ever.get(`${clusterOf(host)}|${host.name}|${number}`) ?? [];
    const confirmedAt = own.find((each) => each.checksum === checksum)?.atMs ?? cluster.now;
    const isHeld = confirmedAt - heldAt <= periodMs * missedMax;
    if (wasIn && isHeld) return;
    const peer = host.state!.peers.get(name);
    const said = `${peer?.link}, it last confirmed view ${peer?.row?.confirmedNumber}`;
    fail(cluster, `${host.name} put view ${inForce.view.number} in force, ${name} never confirmed it (${said})`);
  }

  /** The owner of a bucket follows from this content alone: where it is one, no bucket has two owners. */
  #checkContent(cluster: Cluster, host: SimHost, { view, file, lostSince }: InForce): void {
    const owning = [view.decisionVersion, view.hosts, file.hashSeed, file.portRules];
    for (const [identity, content] of [
      [`${clusterOf(host)}|${view.number}|${view.checksum}`, JSON.stringify([owning])],
      [`${clusterOf(host)}|${host.state!.inForceChecksum}`, JSON.stringify([owning, lostSince])],
    ] as const) {
      if ((this.#contents.get(identity) ?? content) !== content) fail(cluster, `view ${identity} has two contents`);
      this.#contents.set(identity, content);
    }
  }

  /** Two hosts that hear each other and are both converged, each with the other in its view, have one active host. */
  #checkSingle(cluster: Cluster, host: SimHost): void {
    for (const rule of activeRules(host)) {
      for (const other of cluster.all) {
        if (other === host || !isConvergedWith(host, other) || !isConvergedWith(other, host)) continue;
        if (!activeRules(other).includes(rule)) continue;
        fail(cluster, `single-host rule ${rule} is active on ${host.name} and on ${other.name}, both converged`);
      }
    }
  }

  persisted(cluster: Cluster, host: SimHost, durable: DurableState): void {
    const last = this.#lastDurable.get(host) ?? 0;
    const number = durable.highestNumber;
    if (number < last) fail(cluster, `${host.name} wrote number ${number} to disk, ${last} stood there`);
    this.#lastDurable.set(host, number);
    const revision = this.#lastDurableRevision.get(host) ?? 0;
    if (durable.revision < revision)
      fail(cluster, `${host.name} wrote revision ${durable.revision} to disk, ${revision} stood there`);
    this.#lastDurableRevision.set(host, durable.revision);
  }

  /** A number goes to disk before anybody is told of it (R3); 44 is where it stands in all but a file and a pulse. */
  packet(host: SimHost, bytes: Uint8Array): void {
    if (bytes.length > 1400)
      throw new BrokenPromise(`${host.name} sent ${bytes.length} bytes, at most 1400 are promised`);
    const [file, pulse] = [5, 6];
    if (bytes[6] === file || bytes[6] === pulse) return;
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(44);
    if (number > host.disk.highestNumber) {
      throw new BrokenPromise(`${host.name} says view ${number}, on disk is ${host.disk.highestNumber}`);
    }
  }

  /** It died before a number was on disk, so nobody was told of it. */
  crashed(host: SimHost): void {
    this.#lastRevision.set(host, host.disk.revision);
    const mine = this.#confirmed.get(host);
    for (const number of mine?.keys() ?? []) if (number > host.disk.highestNumber) mine!.delete(number);
  }

  /** R4: what differs for a moment, while something is on its way, is no alarm; and what lasts must never be. */
  alarm(cluster: Cluster, host: SimHost, text: string): void {
    if (cluster.twins.size === 0 && !this.areForged) fail(cluster, `${host.name} raises an alarm: ${text}`);
  }

  /** A host that lost its state directory may start counting anew, as long as nobody told it otherwise. */
  forget(host: SimHost): void {
    this.#lastNumber.delete(host);
    this.#lastDurable.delete(host);
    this.#lastRevision.delete(host);
    this.#lastDurableRevision.delete(host);
    this.#lastInForce.delete(host);
    this.#confirmed.delete(host);
  }
}

/**
 * Whom a host sees and has a view with. Two halves of a split that meet go on accepting, each what it had, until a view of
 * both is in force: nothing is handed over between them before.
 */
export function sideOf(cluster: Cluster, host: SimHost): SimHost[] {
  const isSeen = (other: SimHost) => host.state!.side.visible.includes(other.name);
  return cluster.all.filter((other) => isSeen(other) && !areHalves(host, other));
}

/** Each serves, and has left the other out. */
function areHalves(host: SimHost, other: SimHost): boolean {
  const [own, theirs] = [servingBy(host), servingBy(other)];
  const isServing = own.includes(host.name) && theirs.includes(other.name);
  return isServing && !own.includes(other.name) && !theirs.includes(host.name);
}

/** The hosts of what it has in force. */
function servingBy({ state }: SimHost): string[] {
  if (state?.inForce == null) return [];
  const { view, lostSince } = state.inForce;
  return view.hosts.map((each) => each.name).filter((each) => !lostSince.includes(each));
}

function decides(host: SimHost): string {
  const { name, state } = host;
  if (state?.inForce == null) return `${name} decides by nothing`;
  const names = servingBy(host).join(', ');
  return `${name} decides by view ${state.inForce.view.number} of ${names} and has confirmed ${state.confirmed?.number}`;
}

function isRough({ cuts, weather }: Cluster): boolean {
  return cuts.size > 0 || weather.loss > 0 || weather.delayMax > 5;
}

/** The single-host rules that this host serves by what it has in force. */
export function activeRules(host: SimHost): string[] {
  const { inForce } = host.state!;
  if (inForce === null) return [];
  const { file, view, lostSince } = inForce;
  const left = view.hosts.filter((each) => !lostSince.includes(each.name));
  const names: string[] = [];
  file.portRules.forEach((rule, index) => {
    if (rule.filteringMode !== 'single') return;
    const taking = left.filter((each) => each.rules[index]!.absence === null);
    taking.sort((a, b) => a.rules[index]!.handlingPriority - b.rules[index]!.handlingPriority);
    if (taking[0]?.name === host.name) names.push(rule.name);
  });
  return names;
}

function isConvergedWith(host: SimHost, other: SimHost): boolean {
  const { state } = host;
  if (state === null || other.name === host.name || clusterOf(host) !== clusterOf(other)) return false;
  const { confirmed, inForce, highest } = state;
  if (inForce === null || inForce.lostSince.length > 0 || confirmed?.checksum !== inForce.view.checksum) return false;
  // Its sidecar died after it had confirmed the next view, and goes on with the one before until it hears of that.
  if (highest.number !== confirmed.number) return false;
  const isIn = inForce.view.hosts.some((each) => each.name === other.name);
  return isIn && !state.resumed && state.leaving === null && state.peers.get(other.name)?.link === 'heard';
}

export function clusterOf(host: SimHost): string {
  return host.onDisk.file.clusterName;
}

export function fail(cluster: Cluster, text: string): never {
  throw new BrokenPromise(`at ${Math.round(cluster.now)} ms: ${text}`);
}
