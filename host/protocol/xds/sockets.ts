/** Addresses, sockets and transport sockets as Envoy spells them in JSON. */
import type { Milliseconds, Service } from '../types.js';
import { parseServiceAddress } from '../config/service-address.js';

/** Any JSON object of Envoy's configuration. Envoy itself checks it (`--mode validate`), not our types. */
export type EnvoyJson = { [field: string]: unknown };

export const typed = (message: string, fields: EnvoyJson = {}): EnvoyJson => ({
  '@type': `type.googleapis.com/${message}`,
  ...fields,
});

/** Protobuf's Duration in JSON: `0.25s`. */
export const duration = (ms: Milliseconds): string => `${ms / 1000}s`;

export const socketAddress = (address: string, port: number): EnvoyJson => ({
  socket_address: { address, port_value: port },
});

/** A file that Envoy reads again when another one is moved into its place. */
export const pathConfig = (path: string): EnvoyJson => ({
  path_config_source: { path },
  resource_api_version: 'V3',
});

/** @throws Error where the service address is none: the cluster file was not checked before. */
export function serviceAddress(service: Service): EnvoyJson {
  const target = parseServiceAddress(service.address);
  if (target === null) {
    throw new Error(`Cannot lead to service ${service.address}, expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH`);
  }
  return target.kind === 'unix' ? { pipe: { path: target.path } } : socketAddress(target.address, target.port);
}

/** A peer that vanished without a word is noticed after 60 s + 3 * 10 s; no connection is cut for being idle. */
export const TCP_KEEPALIVE: EnvoyJson = { keepalive_time: 60, keepalive_interval: 10, keepalive_probes: 3 };

/** Bytes Envoy holds for one direction of one connection before it stops reading; its default of 1 MiB times 9,900 is 19 GiB. */
export const BUFFER_BYTES_MAX = 64 * 1024;

/**
 * New connections a worker takes before it looks after the open ones again. Envoy's default is all that wait: 1,500 at once
 * kept workers from answering checks for so long that owners were given up, and 1,242 of the 1,500 were lost; with this, none.
 */
export const ACCEPTS_IN_A_ROW_MAX = 4;

/**
 * What all listeners of ours have in common.
 *
 * @param isFree  the address may come to the machine after Envoy does, as a virtual IP
 */
export function listenerOn(name: string, statPrefix: string, address: string, port: number, isFree = false): EnvoyJson {
  return {
    name,
    stat_prefix: statPrefix,
    address: socketAddress(address, port),
    ...(isFree ? { freebind: true } : {}),
    per_connection_buffer_limit_bytes: BUFFER_BYTES_MAX,
    tcp_keepalive: TCP_KEEPALIVE,
    max_connections_to_accept_per_socket_event: ACCEPTS_IN_A_ROW_MAX,
  };
}

/** An endpoint or check that carries this speaks plain TCP (of a handoff: after the PROXY header). */
export const PLAIN_MATCH = { plain: true };

export const RAW_BUFFER: EnvoyJson = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
};

/** The transport socket that tells whom a connection comes from, in a PROXY protocol header before the first byte. */
export function proxyProtocolSocket(version: 'v1' | 'v2', inner: EnvoyJson = RAW_BUFFER): EnvoyJson {
  return {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: typed('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
      config: { version: version.toUpperCase() },
      transport_socket: inner,
    }),
  };
}
