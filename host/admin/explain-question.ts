/** What a person asks of explain(), read: the client, and the address it connects to. */
import { parseAddress } from '../protocol/config/address.js';
import type { ClusterFile, PortRule } from '../protocol/types.js';
import type { ExplainQuestion } from './api.js';
import type { Explanation } from './explain.js';

/** `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1` or `[2001:db8::1]:4711`. */
export function readClient(text: string): Explanation['client'] {
  const whole = parseAddress(text);
  if (whole !== null) return { address: whole.text, port: null };
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3]);
  if (address !== null && port <= 65535) return { address: address.text, port };
  throw new Error(`client is ${text}, expected ADDRESS or ADDRESS:PORT such as 203.0.113.7, or [2001:db8::1]:4711`);
}

export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * The address that the client connects to: one of its own family where the cluster has such a one.
 *
 * @param client  as readClient() gives it
 */
export function destinationOf(
  file: ClusterFile,
  self: string | null,
  { to, port, protocol }: ExplainQuestion,
  client: string,
): string {
  if (file.listenOn === 'dedicatedIp') {
    const entry = file.hosts.find((host) => host.name === self) ?? file.hosts[0]!;
    return to === null
      ? entry.dedicatedIp
      : addressAmong(
          to,
          file.hosts.map((host) => host.dedicatedIp),
        );
  }
  if (to !== null) return addressAmong(to, file.virtualIps);
  const alike = file.virtualIps.filter((address) => address.includes(':') === client.includes(':'));
  const reached = alike.length > 0 ? alike : file.virtualIps;
  if (reached.length === 1) return reached[0]!;
  const covering = file.portRules.filter(
    (rule) => covers(rule, port, protocol) && (rule.virtualIp === null || reached.includes(rule.virtualIp)),
  );
  if (covering.length > 1) {
    const names = covering.map((rule) => `${rule.name} on ${rule.virtualIp ?? 'the other virtual IPs'}`).join(', ');
    throw new Error(`to is missing: port ${port} has several rules (${names}), expected one of ${reached.join(', ')}`);
  }
  return covering[0]?.virtualIp ?? reached[0]!;
}

function covers(rule: PortRule, port: number, protocol: 'tcp' | 'udp'): boolean {
  return rule.portFirst <= port && port <= rule.portLast && (rule.protocol === 'both' || rule.protocol === protocol);
}

function addressAmong(to: string, addresses: readonly string[]): string {
  const address = parseAddress(to)?.text ?? '';
  if (addresses.includes(address)) return address;
  throw new Error(`to is ${to}, expected one of ${addresses.join(', ')}`);
}
