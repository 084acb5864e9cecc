/** Where the listeners of a host's Envoy listen. */
import type { ClusterFile, HostName } from '../protocol/types.js';
import { type EnvoyPaths, listeners } from '../protocol/xds/index.js';
import type { Endpoint } from './listening.js';

interface ListenerShape {
  address: { socket_address: { address: string; port_value: number } };
}

export function endpointsOf(file: ClusterFile, self: HostName, paths: EnvoyPaths): Endpoint[] {
  return listeners(file, self, paths, paths).map(endpointOf);
}

function endpointOf(listener: object): Endpoint {
  const { address, port_value } = (listener as ListenerShape).address.socket_address;
  return { address, port: port_value };
}

export function nameOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}
