/** What this sidecar finds out about its own host for `nlb doctor`; host/doctor judges it. */
import { networkInterfaces } from 'node:os';
import type { ClusterStatus } from './admin/status.js';
import type { HostFacts, ServiceFacts } from './doctor/facts.js';
import { knock } from './edge/knock.js';
import { holderOf, type Listening, listeningSockets } from './edge/listening.js';
import { lookAt } from './edge/smtp-look.js';
import { MAIL_PORTS, parseServiceAddress, serviceOf } from './protocol/config/index.js';
import type { ClusterFile, HostConfig, PortRule } from './protocol/types.js';
import { findLinks } from './virtual-ip/link.js';
import { whoAnswers } from './virtual-ip/neighbours.js';

/** A second question goes out in that time. */
const ANSWER_MS = 1200;

/** Ports whose services speak TLS from the first byte. */
const TLS_PORTS = new Set([443, 465, 636, 993, 995]);
const KNOCK_TIMEOUT_MS = 2000;

export async function examine(
  self: HostConfig,
  file: ClusterFile,
  status: ClusterStatus,
  at: string,
): Promise<HostFacts> {
  const sockets = listeningSockets();
  const others = file.hosts.filter(({ name }) => name !== self.name);
  const rules = file.portRules.filter(({ service }) => service !== null);
  const [handoffs, services, link] = await Promise.all([
    Promise.all(others.map((host) => handoffTo(self, host, file.ports.handoff))),
    Promise.all(rules.map((rule) => serviceFacts(rule, self, sockets))),
    linkFacts(file, self),
  ]);
  return {
    host: self.name,
    at,
    status,
    handoffs,
    services,
    onDisabledPorts: onDisabledPorts(file, sockets),
    virtualIpsHere: virtualIpsHere(file),
    ...link,
  };
}

async function handoffTo(self: HostConfig, host: HostConfig, port: number): Promise<HostFacts['handoffs'][number]> {
  const failure = await knock(self.dedicatedIp, host.dedicatedIp, port, KNOCK_TIMEOUT_MS);
  return { host: host.name, address: host.dedicatedIp, failure };
}

async function serviceFacts(rule: PortRule, self: HostConfig, sockets: readonly Listening[]): Promise<ServiceFacts> {
  const service = serviceOf(rule, self)!;
  const isMail =
    rule.portFirst === rule.portLast && (MAIL_PORTS.includes(rule.portFirst) || service.check.expect.startsWith('220'));
  const isTls = rule.portFirst === rule.portLast && TLS_PORTS.has(rule.portFirst);
  const look = isMail || isTls ? await lookAt(service, self.dedicatedIp, isMail && !isTls) : null;
  return {
    rule: rule.name,
    address: service.address,
    exposed: exposedSockets(service.address, sockets),
    smtp: look?.smtp ?? null,
    certificateEnds: look?.certificateEnds ?? null,
    failure: look?.failure ?? null,
  };
}

/** A service on another machine is that machine's affair. */
function exposedSockets(address: string, sockets: readonly Listening[]): string[] {
  const target = parseServiceAddress(address);
  if (target === null || target.kind === 'unix') return [];
  const isHere = isLoopback(target.address) || ownAddresses().has(target.address);
  if (!isHere) return [];
  const taking = sockets.filter(
    (socket) => socket.port === target.port && (socket.address === target.address || isAny(socket.address)),
  );
  return taking.filter((socket) => !isLoopback(socket.address)).map(socketText);
}

function onDisabledPorts(file: ClusterFile, sockets: readonly Listening[]): HostFacts['onDisabledPorts'] {
  return file.portRules.flatMap((rule) => {
    if (rule.filteringMode !== 'disabled') return [];
    const there = sockets.filter(
      ({ port, address }) =>
        rule.portFirst <= port && port <= rule.portLast && !isLoopback(address) && isOfRule(file, rule, address),
    );
    return there.map((socket) => ({ rule: rule.name, socket: socketText(socket) }));
  });
}

/** A socket on another virtual IP, or on one that has rules of its own, is not the rule's affair. Exported for tests. */
export function isOfRule({ virtualIps, portRules }: ClusterFile, { virtualIp }: PortRule, address: string): boolean {
  if (!virtualIps.includes(address)) return true;
  if (virtualIp !== null) return virtualIp === address;
  return !portRules.some((other) => other.virtualIp === address);
}

function virtualIpsHere({ virtualIps }: ClusterFile): HostFacts['virtualIpsHere'] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ address }) => virtualIps.includes(address))
      // Addresses with a label (eth0:nlb) are listed under that.
      .map(({ address }) => ({ address, interface: name.replace(/:.*$/, '') })),
  );
}

/** Mode arp: this host asks its link who has the virtual IPs. */
async function linkFacts(file: ClusterFile, self: HostConfig): Promise<Pick<HostFacts, 'mac' | 'virtualIpAnswers'>> {
  const { link } = findLinks(file, self);
  if (file.mode !== 'arp' || link === null) return {};
  const answers = await whoAnswers([], link.device, file.virtualIps, ANSWER_MS).catch(() => new Map<string, string>());
  return { mac: link.mac, virtualIpAnswers: [...answers].map(([address, mac]) => ({ address, mac })) };
}

function ownAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address)));
}

function socketText(socket: Listening): string {
  const address = socket.address.includes(':') ? `[${socket.address}]` : socket.address;
  return `${address}:${socket.port} (${holderOf(socket)})`;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
