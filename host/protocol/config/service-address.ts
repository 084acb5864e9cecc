/**
 * Where a service is reached: `address:port`, `[v6]:port` or `unix:/path`, with `{dedicatedIp}` and `{name}` standing
 * for the host's own. One file serves all hosts that way. A port of `{port}` is the one the client connected to.
 */
import { isHostAddress, parseAddress } from './address.js';
import type { HostConfig, PortRule, Service } from '../types.js';

export type ServiceTarget = { kind: 'tcp'; address: string; port: number } | { kind: 'unix'; path: string };

/** sun_path of Linux holds 108 bytes with its closing zero. */
const UNIX_PATH_BYTES_MAX = 107;

/** The service of a rule on one host, placeholders filled in (`{port}` stays where the rule has a range); null for a disabled rule. */
export function serviceOf(rule: PortRule, host: HostConfig): Service | null {
  if (rule.service === null) return null;
  const address = fillPlaceholders(rule.service.address, host);
  return { ...rule.service, address: rule.portFirst === rule.portLast ? atPort(address, rule.portFirst) : address };
}

/** Is the service reached at the port that the client connected to? */
export function followsPort(address: string): boolean {
  return /:\{port\}$/.test(address);
}

/** The address with its `{port}` filled in; any other as it is. */
export function atPort(address: string, port: number): string {
  return address.replace(/:\{port\}$/, `:${port}`);
}

/** Where a service is asked how it is; any port of its address stands for the others where none is named. */
export function checkedAddress({ address, check }: Service): string {
  return atPort(address, check.port ?? 1);
}

/** `{dedicatedIp}:2525` becomes `10.0.0.11:2525`, or `[fd00::11]:2525`; already bracketed ones stay so. */
export function fillPlaceholders(text: string, host: Pick<HostConfig, 'name' | 'dedicatedIp'>): string {
  const ipv6 = host.dedicatedIp.includes(':');
  const bracketed = ipv6 ? text.replace(/^\{dedicatedIp\}(?=:)/, '[{dedicatedIp}]') : text;
  return bracketed.replaceAll('{dedicatedIp}', host.dedicatedIp).replaceAll('{name}', host.name);
}

/** A filled-in service address, taken apart; null where it is none. */
export function parseServiceAddress(text: string): ServiceTarget | null {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    const fits = new TextEncoder().encode(path).length <= UNIX_PATH_BYTES_MAX;
    const plain = /^\/[^\0{}]*[^\0{}/]$/.test(path);
    return fits && plain ? { kind: 'unix', path } : null;
  }
  const match = /^(?:\[([^\]]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$/.exec(text);
  const address = match === null ? null : parseAddress(match[1] ?? match[2] ?? '');
  const port = Number(match?.[3] ?? 0);
  if (address === null || !isHostAddress(address) || port > 65535) return null;
  return { kind: 'tcp', address: address.text, port };
}

/** True where a filled-in service address is certainly on this host: a unix socket, loopback, or its dedicated address. */
export function isOnHost(text: string, host: Pick<HostConfig, 'dedicatedIp'>): boolean {
  const target = parseServiceAddress(atPort(text, 1));
  if (target === null) return false;
  if (target.kind === 'unix') return true;
  return target.address.startsWith('127.') || target.address === '::1' || target.address === host.dedicatedIp;
}

/** True where `text` is a service address on any host: what the schema can say before the hosts are known. */
export function isServiceTemplate(text: string): boolean {
  // Only what the file itself says is judged here; a long host name in a unix path is checked host by host.
  return parseServiceAddress(atPort(fillPlaceholders(text, { name: 'h', dedicatedIp: '192.0.2.1' }), 1)) !== null;
}
