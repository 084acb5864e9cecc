/**
 * What mode arp with the handoff in the kernel costs, beside others, on one network of namespaces: three hosts, a client, a switch.
 *
 *     virtual IP      clients enter at          served by
 *     10.77.0.200     n1, whose kernel hands    n2's Envoy         arp_kernel
 *     10.77.0.200     n1                        n1's Envoy         arp_holder: clients that the holder owns
 *     10.77.0.202     n1, no kernel handoff     n2's Envoy         arp_proxy: n1's Envoy hands off
 *     10.77.0.204     n2                        n2's Envoy         direct: a local connection through the same Envoy
 *     10.77.0.205     all hosts                 n2's Envoy         multicast: the kernels of the others drop it
 *     10.77.0.203     all hosts, -m cluster     one of theirs      xt_cluster
 *     10.77.0.1:4104  n1's HAProxy, nginx       services of all    haproxy, nginx
 */
import { execFileSync } from 'node:child_process';
import { type Decision, loadDecision } from '../../../host/edge/decision.js';
import { KernelHandoff } from '../../../host/kernel/kernel-handoff.js';
import type { ClusterFile } from '../../../host/protocol/types.js';
import { RULE_PORT } from '../../e2e/harness/cluster.js';
import type { RunningEnvoy } from '../../e2e/harness/envoy.js';
import { clientAddresses } from '../../netns/kernel-lab.js';
import { createNetwork, type Network, type NetworkHost } from '../../netns/network.js';
import { LoadProcess, type Place } from '../load-process.js';
import { benchFile, proxyOf, startNlbEnvoy, viewOf } from '../nlb-envoy.js';
import { startHaproxy, startNginx } from '../other-proxies.js';
import { clientsOwnedBy } from '../owners.js';
import type { ProxyProcess } from '../proxy-process.js';
import { Lane } from '../turns.js';
import type { Running } from '../variants.js';
import { wasmPaths } from '../wasm.js';
import { decideBy, startMulticast } from './multicast.js';

const KERNEL_IP = '10.77.0.200';
const PROXY_IP = '10.77.0.202';
const XT_IP = '10.77.0.203';
const DIRECT_IP = '10.77.0.204';
const MULTICAST_IP = '10.77.0.205';
const SERVICE_PORT = 3625;
const CLIENTS = 500;

export interface KernelNetwork {
  lanes: Lane[];
  load: LoadProcess;
  /** All services send that much to each connection from now on; 0: a banner. */
  bulk(bytes: number): Promise<void>;
  remove(): Promise<void>;
}

const inside = (host: NetworkHost): string[] => ['ip', 'netns', 'exec', host.namespace];

function run(host: NetworkHost, ...command: string[]): void {
  const [program = '', ...args] = [...inside(host), ...command];
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Our cluster on these virtual IPs, the service on each host's loopback. */
function fileOn(virtualIps: string[], handoffPort: number): ClusterFile {
  const file = benchFile('10.77.0', `127.0.0.1:${SERVICE_PORT}`);
  return { ...file, mode: 'arp', listenOn: 'virtualIp', virtualIps, ports: { ...file.ports, handoff: handoffPort } };
}

export async function startKernelNetwork(): Promise<KernelNetwork> {
  const network = createNetwork(3);
  const undo: (() => unknown)[] = [() => network.remove()];
  const remove = async () => {
    for (const one of undo.splice(0).reverse()) await one();
  };
  try {
    placeAddresses(network);
    const services = await startServices(network, undo);
    const load = LoadProcess.start(inside(network.client));
    undo.push(() => load.stop());
    const lanes = await startLanes(network, undo);
    const bulk = async (bytes: number) => {
      await Promise.all(services.map((service) => service.bulk(bytes)));
    };
    return { lanes, load, bulk, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function placeAddresses(network: Network): void {
  const [first, second] = network.hosts as [NetworkHost, NetworkHost, NetworkHost];
  const place = (address: string, holder: NetworkHost | null) => {
    for (const host of network.hosts) network.addVirtualIp(host, address, host === holder ? 'holder' : 'other');
  };
  place(KERNEL_IP, first);
  place(PROXY_IP, first);
  place(DIRECT_IP, second);
  place(XT_IP, null);
  run(network.client, 'ip', 'neigh', 'add', XT_IP, 'lladdr', '03:bf:0a:4d:00:cb', 'dev', 'eth0', 'nud', 'permanent');
  network.hosts.forEach((host, i) => {
    run(host, 'ip', 'maddr', 'add', '03:bf:0a:4d:00:cb', 'dev', 'eth0');
    const only = ['-t', 'mangle', '-A', 'PREROUTING', '-d', XT_IP, '-i', 'eth0'];
    const cluster = ['--cluster-total-nodes', '3', '--cluster-local-node', `${i + 1}`, '--cluster-hash-seed', '0x5eed'];
    run(host, 'iptables', ...only, '-m', 'cluster', ...cluster, '-j', 'MARK', '--set-mark', '1');
    run(host, 'iptables', ...only, '-m', 'mark', '!', '--mark', '1', '-j', 'DROP');
  });
}

async function startServices(network: Network, undo: (() => unknown)[]): Promise<LoadProcess[]> {
  const start = async (host: NetworkHost) => {
    const service = LoadProcess.start(inside(host));
    undo.push(() => service.stop());
    await service.serve([{ host: '0.0.0.0', port: SERVICE_PORT }]);
    return service;
  };
  return Promise.all(network.hosts.map(start));
}

async function startLanes(network: Network, undo: (() => unknown)[]): Promise<Lane[]> {
  const [first] = network.hosts as [NetworkHost, NetworkHost, NetworkHost];
  const file = fileOn([KERNEL_IP, PROXY_IP, DIRECT_IP, MULTICAST_IP], 7620);
  const decision = await loadDecision();
  const ours = (await startEnvoys(network, file, wasmPaths().filter, undo)).map(proxyOf);
  await startHandoffs(network, { ...file, virtualIps: [KERNEL_IP] }, decision, undo);
  const toAll: ClusterFile = { ...file, mode: 'multicast', virtualIps: [MULTICAST_IP] };
  await decideBy(await startMulticast(network, toAll, decision, undo), viewOf(toAll, 1));
  const bare = (await startEnvoys(network, fileOn([XT_IP], 7630), null, undo)).map(proxyOf);
  const services: Place[] = network.hosts.map(({ address }) => ({ host: address, port: SERVICE_PORT }));
  const other = async (name: string, port: number, start: typeof startHaproxy): Promise<Running> => {
    const place = { host: first.address, port };
    const proxy = await start(name, place, services, inside(first));
    undo.push(() => proxy.stop());
    return { places: [place], clients: all, proxies: [proxy] };
  };
  const all = clientAddresses('ip', CLIENTS);
  const owned = async (owner: string) => clientsOwnedBy(owner, file, all);
  const at = (host: string, clients: string[], proxies: ProxyProcess[]): Running => {
    return { places: [{ host, port: RULE_PORT }], clients, proxies };
  };
  const [ofFirst, ofSecond] = [await owned('mail1'), await owned('mail2')];
  return [
    new Lane('direct', at(DIRECT_IP, ofSecond, ours)),
    new Lane('arp_kernel', at(KERNEL_IP, ofSecond, ours)),
    new Lane('arp_holder', at(KERNEL_IP, ofFirst, ours)),
    new Lane('arp_proxy', at(PROXY_IP, ofSecond, ours)),
    new Lane('multicast', at(MULTICAST_IP, ofSecond, ours)),
    new Lane('xt_cluster', at(XT_IP, all, bare)),
    new Lane('haproxy', await other('haproxy', 4104, startHaproxy)),
    new Lane('nginx', await other('nginx', 4105, startNginx)),
  ];
}

async function startEnvoys(
  network: Network,
  file: ClusterFile,
  wasmPath: string | null,
  undo: (() => unknown)[],
): Promise<RunningEnvoy[]> {
  const start = async (host: NetworkHost, i: number) => {
    const options = { file, self: file.hosts[i]!.name, wasmPath, tls: true, prefix: inside(host) };
    const envoy = await startNlbEnvoy(options);
    undo.push(() => envoy.stop());
    return envoy;
  };
  return Promise.all(network.hosts.map(start));
}

async function startHandoffs(
  network: Network,
  file: ClusterFile,
  decision: Decision,
  undo: (() => unknown)[],
): Promise<void> {
  const problems: string[] = [];
  for (const [i, host] of network.hosts.entries()) {
    for (const { address } of network.hosts) run(host, 'ping', '-c1', '-W1', '-q', address);
    const handoff = new KernelHandoff(
      {
        clusterName: file.clusterName,
        self: file.hosts[i]!.name,
        device: 'eth0',
        leaseMs: 86_400_000,
        prefix: inside(host),
        onProblem: (problem) => problem !== null && problems.push(problem),
      },
      decision,
    );
    undo.push(() => handoff.close());
    await handoff.open();
    await handoff.decideBy(viewOf(file, 1));
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
