/**
 * Hosts that hand off in the kernel, without a sidecar: a service on the virtual IPs in each host's namespace stands for its Envoy,
 * `KernelHandoff` runs in this process and works in theirs. Views are made up, so that a test says exactly what changes.
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { type Decision, loadDecision } from '../../host/edge/decision.js';
import { KernelHandoff } from '../../host/kernel/kernel-handoff.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import type { Affinity, ClusterFile, FilteringMode, HostName, InForce, PortRule } from '../../host/protocol/types.js';
import { inside } from './inside.js';
import { createNetwork, type Network, type NetworkHost } from './network.js';
import { Clients, startService } from './sessions.js';

export const VIRTUAL_IPS = ['10.77.0.200', 'fd77::200'] as const;

export interface LabRule {
  ports: [number, number];
  mode: FilteringMode;
  affinity?: Affinity;
  virtualIp?: string;
  /** Load weights, or handling priorities; default 50 each, or 1 2 3 ... */
  parts?: number[];
}

export interface LabView {
  /** Hosts in the view, by number from 1; default all. */
  there?: number[];
  lostSince?: number[];
  /** Hosts in the view that take part in nothing. */
  draining?: number[];
}

export interface LabOptions {
  hostCount: number;
  rules: LabRule[];
  ports: number[];
  leaseMs?: number;
  hashSeed?: number;
}

export class KernelLab {
  readonly problems: string[] = [];
  private viewNumber = 0;

  private constructor(
    readonly network: Network,
    readonly decision: Decision,
    readonly clients: Clients,
    readonly handoffs: KernelHandoff[],
    private readonly services: ChildProcess[],
    private readonly options: LabOptions,
  ) {}

  static async start(options: LabOptions): Promise<KernelLab> {
    const decision = await loadDecision();
    const network = createNetwork(options.hostCount);
    const services: ChildProcess[] = [];
    let clients: Clients | undefined;
    try {
      for (const host of network.hosts) {
        services.push(await startService(host, [...VIRTUAL_IPS], options.ports));
      }
      clients = new Clients(network.client);
      const handoffs: KernelHandoff[] = [];
      const lab = new KernelLab(network, decision, clients, handoffs, services, options);
      for (const host of network.hosts) handoffs.push(lab.handoffOf(host));
      lab.setHolder(1);
      lab.acquaint();
      return lab;
    } catch (error) {
      for (const service of services) service.kill('SIGKILL');
      clients?.stop();
      network.remove();
      throw error;
    }
  }

  handoffOf(host: NetworkHost): KernelHandoff {
    const prefix = ['ip', 'netns', 'exec', host.namespace];
    const onProblem = (problem: string | null) => {
      if (problem !== null) this.problems.push(`${host.name}: ${problem}`);
    };
    const { leaseMs = 60_000 } = this.options;
    return new KernelHandoff(
      { clusterName: 'lab.example', self: host.name, device: 'eth0', leaseMs, onProblem, prefix },
      this.decision,
    );
  }

  /** As heartbeats do: every host knows the Ethernet address of every other. */
  acquaint(): void {
    const script = 'for a; do ping -c1 -W1 -q "$a" >/dev/null || true; done';
    for (const { namespace } of this.network.hosts) {
      const others = this.network.hosts.map(({ address }) => address);
      execFileSync('ip', ['netns', 'exec', namespace, 'sh', '-c', script, 'sh', ...others], { stdio: 'ignore' });
    }
  }

  host(number: number): NetworkHost {
    return this.network.hosts[number - 1]!;
  }

  setHolder(number: number): void {
    for (const host of this.network.hosts) {
      for (const address of VIRTUAL_IPS) {
        if (host !== this.host(number)) this.network.addVirtualIp(host, address, 'other');
      }
    }
    for (const address of VIRTUAL_IPS) this.network.addVirtualIp(this.host(number), address, 'holder');
  }

  view({ there, lostSince = [], draining = [] }: LabView = {}): InForce {
    const { rules, hashSeed = 0x5eed1234 } = this.options;
    const all = this.network.hosts.map(({ name }) => name);
    const partOf = (rule: LabRule, i: number) => rule.parts?.[i] ?? (rule.mode === 'single' ? i + 1 : 50);
    const parts = (rule: LabRule) => Object.fromEntries(all.map((name, i) => [name, partOf(rule, i)]));
    const portRules = rules.map((rule, i) => ({
      name: `rule${i}`,
      virtualIp: rule.virtualIp ?? null,
      portFirst: rule.ports[0],
      portLast: rule.ports[1],
      protocol: 'tcp',
      filteringMode: rule.mode,
      affinity: rule.affinity ?? 'single',
      loadWeights: rule.mode === 'multiple' ? parts(rule) : {},
      handlingPriorities: rule.mode === 'single' ? parts(rule) : {},
      ownerPatienceMs: 250,
    })) as unknown as PortRule[];
    const hostOf = (name: HostName, i: number) => ({
      name,
      priority: i + 1,
      rules: rules.map((rule) => {
        const isOut = draining.includes(i + 1) || partOf(rule, i) === 0 || rule.mode === 'disabled';
        return {
          loadWeight: rule.mode === 'multiple' && !isOut ? partOf(rule, i) : 0,
          handlingPriority: rule.mode === 'single' && !isOut ? partOf(rule, i) : 0,
          absence: isOut ? ('draining' as const) : null,
        };
      }),
    });
    const hosts = all.map(hostOf).filter((_, i) => there?.includes(i + 1) ?? true);
    this.viewNumber++;
    const file = {
      clusterName: 'lab.example',
      virtualIps: [...VIRTUAL_IPS],
      hashSeed,
      ipv6PrefixLength: 64,
      hosts: this.network.hosts.map(({ name, address }, i) => ({ name, priority: i + 1, dedicatedIp: address })),
      portRules,
    } as unknown as ClusterFile;
    const view = {
      number: this.viewNumber,
      checksum: this.viewNumber.toString(16).padStart(16, '0'),
      fingerprint: '0'.repeat(16),
      decisionVersion: this.decision.version,
      protocolVersion: 1,
      hosts,
    };
    return { file, view, lostSince: lostSince.map((number) => all[number - 1]!) };
  }

  /** Puts a view in force on hosts, by number; default all. */
  async decideBy(inForce: InForce, hosts = this.handoffs.map((_, i) => i + 1)): Promise<void> {
    await Promise.all(hosts.map((number) => this.handoffs[number - 1]!.decideBy(inForce)));
  }

  /** Whom the filter of host 1 would hand this connection to; null: refused. */
  ownerOf(inForce: InForce, client: string, port: number, to: string, toPort: number): HostName | null {
    const text = (address: string, number: number) =>
      address.includes(':') ? `[${address}]:${number}` : `${address}:${number}`;
    const connection = { protocol: 'tcp' as const, client: text(client, port), destination: text(to, toPort) };
    const { owner } = this.decision.decide(encodeView(inForce, this.host(1).name), connection);
    const names = inForce.view.hosts.map(({ name }) => name).filter((name) => !inForce.lostSince.includes(name));
    return owner === null ? null : names.sort()[owner]!;
  }

  /** nft in a host's namespace. */
  nft(number: number, ...args: string[]): string {
    return inside(this.host(number), 'nft', ...args);
  }

  /** A host dies whole: nothing of it is heard any more. */
  kill(number: number): void {
    this.network.setLink(this.host(number), false);
    this.services[number - 1]!.kill('SIGKILL');
  }

  async remove(): Promise<void> {
    await Promise.all(this.handoffs.map((handoff) => handoff.close()));
    for (const service of this.services) service.kill('SIGKILL');
    this.clients.stop();
    this.network.remove();
  }
}

/** Client addresses of the test network, `count` different ones of a family, spread over /24s and /64s. */
export function clientAddresses(family: 'ip' | 'ip6', count: number): string[] {
  const one = (i: number) => {
    const [high, low] = [Math.floor(i / 250) + 1, (i % 250) + 1];
    return family === 'ip'
      ? `198.18.${high}.${low}`
      : `fd98:0:${(i % 7) + 1}:${high.toString(16)}::${low.toString(16)}`;
  };
  return Array.from({ length: count }, (_, i) => one(i));
}
