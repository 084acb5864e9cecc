/** Which listening sockets of this machine let a service be reached past Envoy: for `nlb doctor`. */
import { networkInterfaces } from 'node:os';
import type { HostFacts } from './doctor/facts.js';
import { holderOf, type Listening } from './edge/listening.js';
import { atPort, followsPort, parseServiceAddress } from './protocol/config/index.js';
import type { ClusterFile, HostConfig, PortRule } from './protocol/types.js';

/** BOUNDED: sockets that are named of one rule. */
const SOCKETS_MAX = 10;

export interface OfService {
  file: ClusterFile;
  rule: PortRule;
  self: HostConfig;
  /** Its address on this host; `{port}` where the rule has a range. */
  service: string;
}

/** A service on another machine is that machine's affair. */
export function exposedSockets(
  { file, rule, self, service }: OfService,
  sockets: readonly Listening[],
  own: ReadonlySet<string>,
): Listening[] {
  const target = parseServiceAddress(atPort(service, rule.portFirst));
  if (target === null || target.kind === 'unix') return [];
  if (!isLoopback(target.address) && !own.has(target.address)) return [];
  const outside = sockets.filter(({ address }) => !isLoopback(address));
  if (!followsPort(service)) {
    return outside.filter(
      ({ address, port }) => port === target.port && (address === target.address || isAny(address)),
    );
  }
  // Clients of the rule's own addresses meet Envoy at these ports, so a socket for all addresses is reached at others only.
  const ofVirtual = rule.virtualIp === null ? file.virtualIps : [rule.virtualIp];
  const front = file.listenOn === 'dedicatedIp' ? [self.dedicatedIp] : ofVirtual;
  const others = [...own].filter(
    (address) => !isLoopback(address) && !isLinkLocal(address) && !front.includes(address),
  );
  const isOpen = (any: string): boolean => others.some((address) => any === '::' || !address.includes(':'));
  const ours = new Set([...Object.values(file.ports), file.remoteControl?.port]);
  return outside.filter(({ address, port }) => {
    if (port < rule.portFirst || port > rule.portLast || ours.has(port)) return false;
    return isAny(address) ? isOpen(address) : address === target.address;
  });
}

export function onDisabledPorts(file: ClusterFile, sockets: readonly Listening[]): HostFacts['onDisabledPorts'] {
  return file.portRules.flatMap((rule) => {
    if (rule.filteringMode !== 'disabled') return [];
    const there = sockets.filter(
      ({ port, address }) =>
        rule.portFirst <= port && port <= rule.portLast && !isLoopback(address) && isOfRule(file, rule, address),
    );
    return socketTexts(there).map((socket) => ({ rule: rule.name, socket }));
  });
}

/** A socket on another virtual IP, or on one that has rules of its own, is not the rule's affair. Exported for tests. */
export function isOfRule({ virtualIps, portRules }: ClusterFile, { virtualIp }: PortRule, address: string): boolean {
  if (!virtualIps.includes(address)) return true;
  if (virtualIp !== null) return virtualIp === address;
  return !portRules.some((other) => other.virtualIp === address);
}

/** Whose they are is looked up in all of /proc, so the first few are named and the rest counted. */
export function socketTexts(sockets: readonly Listening[]): string[] {
  const texts = sockets.slice(0, SOCKETS_MAX).map(socketText);
  const moreCount = sockets.length - texts.length;
  return moreCount > 0 ? [...texts, `${moreCount} more`] : texts;
}

export function ownAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address)));
}

function socketText(socket: Listening): string {
  const address = socket.address.includes(':') ? `[${socket.address}]` : socket.address;
  return `${address}:${socket.port} (${holderOf(socket)})`;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function isLinkLocal(address: string): boolean {
  return address.toLowerCase().startsWith('fe80:');
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
