/** What must hold after every step of every host, and what must hold once the network is whole again. */
import type { Cluster, SimHost } from './cluster.js';

export class BrokenPromise extends Error {}

export class Checkers {
  /** Content by `number|checksum`: one identity, one content (R3). */
  #contents = new Map<string, string>();
  /** Checksum by `host|number`, over all lives that kept their disk. */
  #confirmed = new Map<string, string>();
  #lastNumber = new Map<string, number>();
  #lastInForce = new Map<string, unknown>();
  /** `host|number|checksum` that were found lawful: a restart or a loss puts the same view in force again. */
  #lawful = new Set<string>();
  stepCount = 0;

  afterStep(cluster: Cluster, host: SimHost): void {
    this.stepCount += 1;
    const { confirmed, inForce } = host.state!;
    if (confirmed !== null) {
      const key = `${host.name}|${confirmed.number}`;
      const before = this.#confirmed.get(key);
      if (before !== undefined && before !== confirmed.checksum) {
        fail(cluster, `${host.name} confirmed two checksums under view ${confirmed.number}`);
      }
      this.#confirmed.set(key, confirmed.checksum);
    }
    if (inForce === null || this.#lastInForce.get(host.name) === inForce) return;
    this.#lastInForce.set(host.name, inForce);
    this.#checkInForce(cluster, host);
  }

  #checkInForce(cluster: Cluster, host: SimHost): void {
    const state = host.state!;
    const { view } = state.inForce!;
    const identity = `${view.number}|${view.checksum}`;
    const content = JSON.stringify([view.fingerprint, view.decisionVersion, view.hosts]);
    if ((this.#contents.get(identity) ?? content) !== content) fail(cluster, `view ${identity} has two contents`);
    this.#contents.set(identity, content);
    const last = this.#lastNumber.get(host.name) ?? 0;
    if (view.number < last) fail(cluster, `${host.name} went back from view ${last} to ${view.number}`);
    this.#lastNumber.set(host.name, view.number);
    // Outside, a host only follows the view of the others.
    if (!view.hosts.some((each) => each.name === host.name)) return;
    if (this.#lawful.has(`${host.name}|${identity}`)) return;
    this.#lawful.add(`${host.name}|${identity}`);
    for (const { name } of view.hosts) {
      if (this.#confirmed.get(`${name}|${view.number}`) === view.checksum) continue;
      // R13: a silent sidecar whose Envoy answers confirms nothing and keeps its share.
      const peer = state.peers.get(name);
      if (peer?.link !== 'held') {
        const isHeldByOthers = cluster.hosts.some((each) => each.state?.peers.get(name)?.link === 'held');
        if (!isHeldByOthers)
          fail(
            cluster,
            `${host.name} put view ${view.number} in force, ${name} never confirmed it (it is ${peer?.link}, ${peer?.row?.confirmedNumber})`,
          );
      }
    }
  }

  packet(host: SimHost, bytes: Uint8Array): void {
    if (bytes.length > 1400)
      throw new BrokenPromise(`${host.name} sent ${bytes.length} bytes, at most 1400 are promised`);
  }

  /** A host that lost its state directory may start counting anew, as long as nobody told it otherwise. */
  forget(host: SimHost): void {
    this.#lastNumber.delete(host.name);
    for (const key of this.#confirmed.keys()) if (key.startsWith(`${host.name}|`)) this.#confirmed.delete(key);
  }

  /** All living hosts: one view, the same in force, everybody in it, nobody lost. */
  oneView(cluster: Cluster): void {
    const living = cluster.hosts.filter((host) => host.state !== null);
    const identities = new Set(living.map((host) => host.state!.inForceChecksum));
    const first = living[0]?.state?.inForce;
    const names = first?.view.hosts.map((host) => host.name).join() ?? '';
    const wanted = living.map((host) => host.name).join();
    if (identities.size === 1 && first?.lostSince.length === 0 && names === wanted) return;
    const said = living.map((host) => {
      const { view, lostSince } = host.state!.inForce ?? {};
      const less = lostSince?.length ? ` less ${lostSince}` : '';
      return `${host.name}: ${view?.number} (${view?.hosts.map((each) => each.name)})${less} ${host.state!.side.outside?.reason ?? ''}`;
    });
    fail(cluster, `no single view of ${wanted}:\n${said.join('\n')}`);
  }
}

function fail(cluster: Cluster, text: string): never {
  throw new BrokenPromise(`at ${Math.round(cluster.now)} ms: ${text}`);
}
