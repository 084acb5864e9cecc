/**
 * What the kernel of a simulated host accepts, in a mode where each host receives every packet: 32 sample buckets as the
 * bits of a number, and the lease without which it accepts none of them.
 */
import { hash32 } from '../../host/protocol/checksum.js';
import { leaseMs } from '../../host/protocol/lease.js';
import type { InForce } from '../../host/protocol/types.js';
import type { Cluster, SimHost } from './cluster.js';

const SAMPLES = 32;
/** From the order until the kernel has it. */
export const KERNEL_TAKES_MS = 5;

export interface SimKernel {
  /** Bit b: sample bucket b is accepted, where the lease has not run out. */
  accepts: number;
  leaseUntil: number;
}

export function newKernel(): SimKernel {
  return { accepts: 0, leaseUntil: 0 };
}

export function acceptedBits(cluster: Cluster, { kernel }: SimHost): number {
  return cluster.now < kernel.leaseUntil ? kernel.accepts : 0;
}

export function renewLease(cluster: Cluster, host: SimHost): void {
  host.kernel.leaseUntil = cluster.now + leaseMs(host.onDisk.file.heartbeat.periodMs) / host.clockRate;
}

/** Rendezvous as the decision has it, with a hash that is good enough for 32 buckets; by the first rule. */
export function ownedBits(inForce: InForce, name: string): number {
  return ownersIn(inForce, 0).reduce((bits, owner, bucket) => (owner === name ? bits | (1 << bucket) : bits), 0);
}

/** Who owns each sample bucket of a rule, all weights alike. */
export function ownersIn({ view, lostSince }: InForce, index: number): (string | undefined)[] {
  const left = view.hosts.filter((host) => !lostSince.includes(host.name) && host.rules[index]?.absence === null);
  return Array.from({ length: SAMPLES }, (_, bucket) => {
    const scores = left.map((host) => scoreOf(host.rules[index]!.standsInFor ?? host.name, bucket));
    return left[scores.indexOf(Math.max(...scores))]?.name;
  });
}

function scoreOf(name: string, bucket: number): number {
  const id = `${bucket}/${name}`;
  const known = scores.get(id) ?? hash32(id);
  scores.set(id, known);
  return known;
}

/** BOUNDED: 32 samples of the names that simulations use. */
const scores = new Map<string, number>();
