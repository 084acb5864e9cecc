/** Mode multicast on hosts of a test network, without sidecars: each kernel accepts its own buckets, under a lease of a day. */
import { execFileSync } from 'node:child_process';
import { systemClock } from '../../../host/edge/clock.js';
import type { Decision } from '../../../host/edge/decision.js';
import { MulticastKernel } from '../../../host/kernel/multicast.js';
import type { ClusterFile, InForce } from '../../../host/protocol/types.js';
import { macOf } from '../../netns/arp-watch.js';
import { type Network, type NetworkHost, nft } from '../../netns/network.js';

export interface MulticastHost {
  host: NetworkHost;
  kernel: MulticastKernel;
}

/**
 * Rules and addresses of every host; nothing is accepted before a view.
 *
 * @param problems  what the kernels complain of later on is put there as well
 * @throws Error with what the kernels complained of
 */
export async function startMulticast(
  network: Network,
  file: ClusterFile,
  decision: Decision,
  undo: (() => unknown)[],
  problems: string[] = [],
): Promise<MulticastHost[]> {
  const all: MulticastHost[] = [];
  for (const [i, host] of network.hosts.entries()) {
    const kernel = new MulticastKernel({
      clusterName: file.clusterName,
      self: file.hosts[i]!.name,
      device: 'eth0',
      prefix: ['ip', 'netns', 'exec', host.namespace],
      onProblem: (problem) => problem !== null && problems.push(`${host.name}: ${problem}`),
      decision,
      clock: systemClock,
      ownMac: macOf(host),
      dedicatedIp: host.address,
      file,
      answers: true,
    });
    undo.push(() => kernel.close());
    await kernel.open();
    nft(host.namespace, `add element inet ${kernel.table} lease { 0x0 timeout 1d }\n`);
    all.push({ host, kernel });
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return all;
}

/** As when a view comes in force: all let go, then all take. */
export async function decideBy(all: readonly MulticastHost[], inForce: InForce): Promise<void> {
  const { checksum } = inForce.view;
  await Promise.all(all.map(({ kernel }) => kernel.decideBy(inForce, checksum)));
  await Promise.all(all.map(({ kernel }) => kernel.take(checksum)));
}

/** Buckets that a host accepts, of all rules with a map of their own. */
export function acceptedCount({ host, kernel }: MulticastHost): number {
  const command = ['netns', 'exec', host.namespace, 'nft', 'list', 'table', 'inet', kernel.table];
  const text = execFileSync('ip', command, { encoding: 'utf8', maxBuffer: 64 << 20 });
  return (text.match(/: goto take/g) ?? []).length;
}
