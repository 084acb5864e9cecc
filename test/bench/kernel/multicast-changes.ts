/**
 * Mode multicast: how long until a kernel has let go of what is no longer its own, and until it has taken what is, when a third of three
 * hosts leaves and comes back under load? What is timed is everything: which buckets, and one transaction of nft.
 */
import { execFileSync } from 'node:child_process';
import type { InForce } from '../../../host/protocol/types.js';
import { KernelLab, type LabRule } from '../../netns/kernel-lab.js';
import { estimateOf } from '../statistics.js';
import { startLoad } from './map-changes.js';
import { type MulticastHost, startMulticast } from './multicast.js';

const CHANGES = 20;
const RULES: LabRule[] = [{ ports: [25, 25], mode: 'multiple' }];

export interface MulticastChanges {
  changes: number;
  /** Buckets that one host takes or lets go, about. */
  buckets: number;
  let_go_median_ms: number;
  let_go_worst_ms: number;
  take_median_ms: number;
  take_worst_ms: number;
  connections_meanwhile: number;
  failed_meanwhile: number;
}

export async function measureMulticastChanges(say: (text: string) => void): Promise<MulticastChanges> {
  const lab = await KernelLab.start({ hostCount: 3, ports: [25], rules: RULES });
  const undo: (() => unknown)[] = [];
  try {
    const problems: string[] = [];
    const all = await startMulticast(lab.network, viewOf(lab, []).file, lab.decision, undo, problems);
    await change(lab, all, []);
    // It had one host's own address.
    execFileSync('ip', ['-n', lab.network.client.namespace, 'neigh', 'flush', 'all']);
    const load = startLoad(lab);
    say(`mode multicast: a host leaves and comes back, ${CHANGES} times`);
    const [letGo, take]: [number[], number[]] = [[], []];
    for (let i = 0; i < CHANGES / 2; i++) {
      take.push((await change(lab, all, [3])).takeMs);
      letGo.push((await change(lab, all, [])).letGoMs);
    }
    const { connections, failed } = await load.stop();
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return {
      changes: CHANGES,
      buckets: Math.round(65_536 / 6),
      let_go_median_ms: Math.round(estimateOf(letGo).median),
      let_go_worst_ms: Math.round(Math.max(...letGo)),
      take_median_ms: Math.round(estimateOf(take).median),
      take_worst_ms: Math.round(Math.max(...take)),
      connections_meanwhile: connections,
      failed_meanwhile: failed,
    };
  } finally {
    for (const one of undo.reverse()) await one();
    await lab.remove();
  }
}

function viewOf(lab: KernelLab, draining: number[]): InForce {
  const inForce = lab.view({ draining });
  return { ...inForce, file: { ...inForce.file, mode: 'multicast', heartbeat: { periodMs: 1000, missedMax: 5 } } };
}

/** The first host is timed; the others let go before it takes. */
async function change(lab: KernelLab, all: readonly MulticastHost[], draining: number[]) {
  const inForce = viewOf(lab, draining);
  const { checksum } = inForce.view;
  const [first, ...others] = all.map(({ kernel }) => kernel);
  const startMs = performance.now();
  await first!.decideBy(inForce, checksum);
  const letGoMs = performance.now() - startMs;
  await Promise.all(others.map((other) => other.decideBy(inForce, checksum)));
  const goneMs = performance.now();
  await first!.take(checksum);
  const takeMs = performance.now() - goneMs;
  await Promise.all(others.map((other) => other.take(checksum)));
  return { letGoMs, takeMs };
}
