/**
 * A whole cluster in mode arp or multicast with an SMTP-like and an HTTP service a host, and clients of any address: what the tests of both modes
 * share. Sidecars, Envoys, kernels and packets are real.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { connectEnvoyAdmin } from '../../host/edge/envoy-admin.js';
import { seesOwners } from '../e2e/harness/sees-owners.js';
import { waitFor } from '../e2e/harness/wait.js';
import {
  type Cluster,
  type ClusterHost,
  type ClusterOptions,
  HASH_SEED,
  logsOf,
  startCluster,
  VIRTUAL_IP,
  VIRTUAL_IP6,
} from './cluster.js';
import { inside } from './inside.js';
import { clientAddresses } from './kernel-lab.js';
import { modelOwners } from './model-owners.js';
import type { NetworkHost } from './network.js';
import { Clients, type Greeting, startService } from './sessions.js';

export const SMTP = 25;
export const HTTP = 80;
export const TABLE = 'envoy_nlb_handoff_mail_test_example';
export const BOTH = [VIRTUAL_IP, VIRTUAL_IP6];
const MULTICAST_TABLE = 'envoy_nlb_multicast_mail_test_example';
/** Buckets of the one map that the rules share. */
const BUCKETS = 65_536;
const LIMIT_MS = 90_000;

/** `count` connections to ask for, half of them to each virtual IP. */
export function asked(count: number, port: number) {
  return BOTH.flatMap((to) => {
    const family = to.includes(':') ? 'ip6' : 'ip';
    return clientAddresses(family, count / 2).map((from) => ({ from, to, port }));
  });
}

export type LabMode = 'arp' | 'multicast' | 'routed';

export type Held = Greeting & { session: number; from: string; to: string };

export class ArpLab {
  private constructor(
    readonly cluster: Cluster,
    readonly clients: Clients,
    /** Of the hosts that are asked; a test that changes it says so. */
    public mode: LabMode,
    private readonly services: Map<string, ChildProcess>,
    /** False where no kernel can hand off: a view is agreed on without one. */
    private readonly isKernelAble: boolean,
  ) {}

  static async start(
    hostCount: number,
    mode: 'arp' | 'multicast' = 'arp',
    more: Partial<ClusterOptions> = {},
    isKernelAble = true,
  ): Promise<ArpLab> {
    const { heartbeatPeriodMs = 200 } = more;
    const cluster = startCluster({
      isFavoured: true,
      ...more,
      hostCount,
      heartbeatPeriodMs,
      missedHeartbeatsMax: 5,
      mode,
      fileText: (hosts) => fileText(hosts, mode, heartbeatPeriodMs),
    });
    const services = new Map<string, ChildProcess>();
    try {
      const lab = new ArpLab(cluster, new Clients(cluster.network.client), mode, services, isKernelAble);
      for (const host of cluster.hosts) await lab.serve(host);
      await lab.whole();
      await lab.seesOwners();
      return lab;
    } catch (error) {
      console.log(logsOf(cluster));
      for (const service of services.values()) service.kill('SIGKILL');
      cluster.remove();
      throw error;
    }
  }

  async serve(host: ClusterHost): Promise<void> {
    this.services.set(host.name, await startService(host, ['127.0.0.1'], [2525, 8080], true));
  }

  host(name: string): ClusterHost {
    return this.cluster.hosts.find((host) => host.name === name)!;
  }

  /** Every host takes part by every host's view, every kernel decides by it; in mode arp one holds the addresses. */
  async whole(): Promise<void> {
    await this.agreed(this.cluster.hosts.map(({ name }) => name));
  }

  /** Each Envoy has checked those of all others: until then what a kernel does not pass on is served where it came in. */
  async seesOwners(): Promise<void> {
    for (const { name, stateDir } of this.cluster.hosts)
      await waitFor(`${name} to see the others`, () => seesOwners(stateDir), LIMIT_MS);
  }

  /** These hosts and no others take part by the view of each of `asked`, and one of those holds, or all accept, what comes. */
  async agreed(takers: string[], asked = takers): Promise<void> {
    await this.agreedViews(takers, asked);
    if (this.mode !== 'multicast') return;
    const accepted = () => asked.reduce((sum, name) => sum + this.acceptedBy(this.host(name)), 0);
    await waitFor('all buckets to be accepted once', () => accepted() === BUCKETS, LIMIT_MS);
  }

  /** The same without a look at what kernels accept. */
  async agreedViews(takers: string[], asked = takers): Promise<void> {
    const isAgreed = async () => (await this.isAgreed(takers, asked)) || null;
    await waitFor(`a view in which ${takers.join(', ')} take part`, isAgreed, LIMIT_MS);
  }

  private acceptedBy(host: ClusterHost): number {
    return (this.nft(host, 'list', 'table', 'inet', MULTICAST_TABLE).match(/: goto take/g) ?? []).length;
  }

  private async isAgreed(takers: string[], asked: string[]): Promise<boolean> {
    const statuses = await Promise.all(asked.map((name) => this.cluster.status(this.host(name))));
    const views = new Set(statuses.map((status) => `${status?.view?.number} ${status?.view?.checksum}`));
    const holders = statuses.filter((status) => status?.virtualIp?.isHeldHere).length;
    const isHeld = holders === { arp: 1, multicast: asked.length, routed: 0 }[this.mode];
    const isSettled = statuses.every((status) => {
      if (!status || status.mode !== this.mode || !status.envoy.tookConfiguration) return false;
      if (((status.virtualIp?.kernelProblem ?? null) === null) !== this.isKernelAble) return false;
      const taking = status.rules[0]!.hosts.filter(({ takesPart }) => takesPart).map(({ host }) => host);
      return taking.sort().join() === [...takers].sort().join();
    });
    return isHeld && views.size === 1 && isSettled;
  }

  /** Connections of port 25 that the Envoys of these hosts passed on, since the kernel did not. */
  async handedOffByEnvoys(names: string[]): Promise<number> {
    const counts = names.map(async (name) => {
      const admin = connectEnvoyAdmin(join(this.host(name).stateDir, 'envoy', 'admin.sock'));
      try {
        const stats = await admin.stats('^wasmcustom\\.nlb\\.smtp\\.handed_off\\.');
        return [...stats.values()].reduce<number>((sum, count) => sum + Number(count), 0);
      } finally {
        admin.close();
      }
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Mode multicast: the first, for all have them. */
  holder(): Promise<ClusterHost> {
    return waitFor('a holder', () => this.holderNow(), LIMIT_MS);
  }

  private async holderNow(): Promise<ClusterHost | null> {
    for (const host of this.cluster.hosts) {
      if ((await this.cluster.status(host))?.virtualIp?.isHeldHere) return host;
    }
    return null;
  }

  /** Owners among hosts by the Python model, affinity single. */
  modelOwners(names: string[], clients: readonly { from: string }[]): string[] {
    const hosts = names.map((name) => ({ name, loadWeight: 50 }));
    const settings = { affinity: 'single' as const, hashSeed: HASH_SEED, ipv6PrefixLength: 64 };
    return modelOwners(
      settings,
      hosts,
      clients.map(({ from }) => ({ address: from, port: 1 })),
    );
  }

  /** One connection of each, at most 50 at a time. */
  async visit(all: ReturnType<typeof asked>, http = false): Promise<Greeting[]> {
    const greetings = new Array<Greeting>(all.length);
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < all.length; i = next++) greetings[i] = await this.clients.connect({ ...all[i]!, http });
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    return greetings;
  }

  async hold(count: number): Promise<Held[]> {
    const all = asked(count, SMTP);
    return Promise.all(all.map(async (one) => ({ ...(await this.clients.hold(one)), ...one })));
  }

  /** Sessions that do not answer within 20 s; a cut network is given its repeats. */
  async lost(held: readonly Held[]): Promise<Held[]> {
    const alive = await Promise.all(held.map(({ session }) => this.clients.isAlive(session, 20)));
    return held.filter((_, i) => !alive[i]);
  }

  async drop(held: readonly Held[]): Promise<void> {
    await Promise.all(held.map(({ session }) => this.clients.drop(session)));
  }

  nft(host: ClusterHost, ...args: string[]): string {
    return inside(host, 'nft', ...args);
  }

  /** The whole machine of a host at once: nothing of it is heard any more. */
  kill(host: ClusterHost): void {
    this.cluster.network.setLink(host, false);
    this.cluster.signal(host, 'SIGKILL');
    this.services.get(host.name)?.kill('SIGKILL');
  }

  /** A host that was killed is there again, with whatever its kernel still has. */
  async revive(host: ClusterHost): Promise<void> {
    this.cluster.network.setLink(host, true);
    await this.serve(host);
    this.cluster.runSidecar(host);
  }

  logs(): string {
    return logsOf(this.cluster);
  }

  remove(): void {
    this.clients.stop();
    for (const service of this.services.values()) service.kill('SIGKILL');
    this.cluster.remove();
  }
}

function fileText(hosts: NetworkHost[], mode: string, periodMs: number): string {
  const rule = (name: string, port: number, service: number) =>
    [
      `  - name: ${name}`,
      `    ports: ${port}`,
      '    protocol: tcp',
      '    filteringMode: multiple',
      '    affinity: single',
      '    loadWeight: equal',
      `    service: {address: '127.0.0.1:${service}', proxyProtocol: v2, check: {kind: none}}`,
    ].join('\n');
  return [
    'cluster: mail.test.example',
    `mode: ${mode}`,
    `virtualIps: [${BOTH.join(', ')}]`,
    `hashSeed: 0x${HASH_SEED.toString(16)}`,
    'keyFile: cluster.key',
    `heartbeat: {periodMs: ${periodMs}, missedMax: 5}`,
    'hosts:',
    ...hosts.map((host, i) => `  - {name: ${host.name}, priority: ${i + 1}, dedicatedIp: ${host.address}}`),
    'portRules:',
    rule('smtp', SMTP, 2525),
    rule('web', HTTP, 8080),
    '',
  ].join('\n');
}
