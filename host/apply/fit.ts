/** What a new cluster file may not change while the sidecars run, and how many hosts must have it. Pure. */
import type { ClusterFile, HostName } from '../protocol/types.js';

/**
 * Why this host cannot go from one file to the other, as a sentence; null where it can.
 *
 * What a sidecar reads once at its start would be in the file and not in force.
 */
export function unfitFor(current: ClusterFile, next: ClusterFile, self: HostName): string | null {
  const own = next.hosts.find(({ name }) => name === self);
  const now = current.hosts.find(({ name }) => name === self);
  if (own === undefined) return `the file does not list host ${self}`;
  if (own.dedicatedIp !== now?.dedicatedIp) {
    return `the dedicated IP of ${self} is ${now?.dedicatedIp}, the file says ${own.dedicatedIp}: ${BY_HAND}`;
  }
  if (next.clusterName !== current.clusterName) {
    return `the cluster is ${current.clusterName}, the file says ${next.clusterName}: ${BY_HAND}`;
  }
  if (next.keyFile !== current.keyFile) {
    return `keyFile is ${current.keyFile}, the file says ${next.keyFile}: ${BY_HAND}`;
  }
  const other = readAtStart(current, next);
  return other === null ? null : `${other}: ${BY_HAND}`;
}

/** What a sidecar opens once, and the two files say differently; null where nothing is. */
export function readAtStart(current: ClusterFile, next: ClusterFile): string | null {
  if (next.mode !== current.mode) return `mode is ${current.mode}, the file says ${next.mode}`;
  const ports = Object.keys({ ...current.ports, ...next.ports }) as (keyof ClusterFile['ports'])[];
  const port = ports.find((name) => next.ports[name] !== current.ports[name]);
  if (port === undefined) return null;
  return `ports.${port} is ${current.ports[port]}, the file says ${next.ports[port]}`;
}

export const BY_HAND = 'sidecars read that at their start; put the file on every host and restart the sidecars';

/**
 * Why these hosts may not decide for the cluster, or null. More than half may, and of an even number half of them with the host
 * of highest priority: never two halves at a time, so that a split cluster cannot have two changes under one number.
 */
export function noQuorum(file: ClusterFile, asked: readonly HostName[]): string | null {
  const count = file.hosts.length;
  if (asked.length * 2 > count) return null;
  const [first] = [...file.hosts].sort((a, b) => a.priority - b.priority);
  if (asked.length * 2 === count && first !== undefined && asked.includes(first.name)) return null;
  const half = count % 2 === 0 ? `, or half of them with ${first?.name}` : '';
  return `${asked.length} of ${count} hosts are too few to change the cluster file, expected more than half${half}`;
}
