/**
 * `outgoing: virtualIp`: connections that the holder opens itself go out with the virtual IP, for mail servers that are known by
 * its name (PTR, SPF). Only the holder can: answers come back to whoever holds the address. Its default routes get the virtual
 * IP as their source, and lose it again when it lets go.
 */
import { runProgram } from '../edge/nft.js';
import { isV6 } from './addresses.js';

interface ListedRoute {
  dst: string;
  gateway?: string;
  dev: string;
  protocol?: string;
  metric?: number;
  prefsrc?: string;
}

/** Commands of `ip` that give the default routes through a device this source, the first virtual IP of each family. */
export async function sourceLines(
  prefix: readonly string[],
  device: string,
  virtualIps: readonly string[],
): Promise<string[]> {
  return routeLines(prefix, device, virtualIps, (route, address) => (route.prefsrc === address ? null : address));
}

/** And those that take it away again. */
export async function noSourceLines(
  prefix: readonly string[],
  device: string,
  virtualIps: readonly string[],
): Promise<string[]> {
  return routeLines(prefix, device, virtualIps, (route, address) => (route.prefsrc === address ? '' : null));
}

async function routeLines(
  prefix: readonly string[],
  device: string,
  virtualIps: readonly string[],
  sourceFor: (route: ListedRoute, address: string) => string | null,
): Promise<string[]> {
  const lines: string[] = [];
  for (const family of ['-4', '-6']) {
    const address = virtualIps.find((each) => isV6(each) === (family === '-6'));
    if (address === undefined) continue;
    for (const route of await defaultRoutes(prefix, device, family)) {
      const source = sourceFor(route, address);
      if (source !== null) lines.push(routeLine(route, device, family, source));
    }
  }
  return lines;
}

function routeLine({ gateway, protocol, metric }: ListedRoute, device: string, family: string, source: string): string {
  const via = gateway === undefined ? '' : ` via ${gateway}`;
  const parts = [protocol === undefined ? '' : ` proto ${protocol}`, metric === undefined ? '' : ` metric ${metric}`];
  const kind = family === '-6' && gateway === undefined ? ' ::/0' : ' default';
  return `route replace${kind}${via} dev ${device}${parts.join('')}${source === '' ? '' : ` src ${source}`}`;
}

async function defaultRoutes(prefix: readonly string[], device: string, family: string): Promise<ListedRoute[]> {
  const { stdout } = await runProgram([...prefix, 'ip', '-j', family, 'route', 'show', 'default', 'dev', device]);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as ListedRoute[]);
}
