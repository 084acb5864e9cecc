/**
 * How long until the kernel decides by a new view? Hosts in namespaces, clients that open connections without a pause, and views in
 * which one host leaves and comes back, two leave, a weight changes. What is timed is everything: what the maps are to say, and nft.
 */
import type { KernelHandoff } from '../../../host/kernel/kernel-handoff.js';
import type { InForce } from '../../../host/protocol/types.js';
import { clientAddresses, KernelLab, type LabRule, VIRTUAL_IPS } from '../../netns/kernel-lab.js';
import { estimateOf } from '../statistics.js';

const CHANGES = 20;
const PARALLEL = 16;

export interface MapChange {
  changes: number;
  /** Elements written, the most of all changes. */
  elements: number;
  median_ms: number;
  worst_ms: number;
}

export interface MapChanges {
  hosts: number;
  connections_meanwhile: number;
  failed_meanwhile: number;
  first_table_ms: number;
  one_host: MapChange;
  two_hosts: MapChange;
  weight: MapChange;
}

export async function measureMapChanges(hostCount: number, say: (text: string) => void): Promise<MapChanges> {
  const rules: LabRule[] = [
    { ports: [25, 25], mode: 'multiple' },
    { ports: [80, 80], mode: 'multiple', affinity: 'none' },
  ];
  const lab = await KernelLab.start({ hostCount, ports: [25, 80], rules });
  try {
    await Promise.all(lab.handoffs.map((handoff) => handoff.open()));
    await lab.decideBy(lab.view());
    if (lab.problems.length > 0) throw new Error(lab.problems.join('\n'));
    const first = lab.handoffs[0]!.lastChange!.tookMs;
    const load = startLoad(lab);
    const out = (...numbers: number[]) => lab.view({ draining: numbers });
    const last = hostCount;
    say(`${hostCount} hosts: one leaves and comes back, ${CHANGES} times`);
    const one = await time(lab, () => [out(last), out()]);
    say(`${hostCount} hosts: two leave and come back`);
    const two = await time(lab, () => [out(last, last - 1), out()]);
    say(`${hostCount} hosts: a weight changes by a tenth`);
    const weight = await time(lab, () => [weighted(lab.view(), lab.host(last).name, 45), lab.view()]);
    const { connections, failed } = await load.stop();
    return {
      hosts: hostCount,
      connections_meanwhile: connections,
      failed_meanwhile: failed,
      first_table_ms: Math.round(first),
      one_host: one,
      two_hosts: two,
      weight,
    };
  } finally {
    await lab.remove();
  }
}

function weighted(inForce: InForce, name: string, loadWeight: number): InForce {
  const hosts = inForce.view.hosts.map((host) =>
    host.name === name ? { ...host, rules: host.rules.map((part) => ({ ...part, loadWeight })) } : host,
  );
  return { ...inForce, view: { ...inForce.view, hosts } };
}

/** The holder is timed; the others follow, as they would a moment earlier or later. */
async function time(lab: KernelLab, views: () => InForce[]): Promise<MapChange> {
  const [holder, ...others] = lab.handoffs as [KernelHandoff, ...KernelHandoff[]];
  const took: number[] = [];
  let elements = 0;
  for (let i = 0; i < CHANGES / 2; i++) {
    for (const view of views()) {
      await holder.decideBy(view);
      took.push(holder.lastChange!.tookMs);
      elements = Math.max(elements, holder.lastChange!.elementCount);
      await Promise.all(others.map((other) => other.decideBy(view)));
    }
  }
  return {
    changes: took.length,
    elements,
    median_ms: Math.round(estimateOf(took).median),
    worst_ms: Math.round(Math.max(...took)),
  };
}

export function startLoad(lab: KernelLab) {
  const from = clientAddresses('ip', 500);
  let [running, connections, failed] = [true, 0, 0];
  const client = async () => {
    while (running) {
      const address = from[connections++ % from.length]!;
      const { error } = await lab.clients.connect({ from: address, to: VIRTUAL_IPS[0], port: 25 });
      if (error !== undefined) failed++;
    }
  };
  const clients = Array.from({ length: PARALLEL }, client);
  return {
    stop: async () => {
      running = false;
      await Promise.all(clients);
      return { connections, failed };
    },
  };
}
