/** Envoy with a hand-written configuration and its defaults: nothing of what this project generates. */
import { findEnvoy } from '../../host/edge/envoy-binary.js';
import type { Place } from './load-process.js';
import { type ProxyProcess, startProxy } from './proxy-process.js';

export type Json = Record<string, unknown>;

export interface StockEnvoy {
  place: Place;
  services: readonly Place[];
  /** A wasm filter before tcp_proxy. */
  wasmPath?: string;
  /** Spreads clients over the services by their address. */
  maglev?: boolean;
}

export function startStockEnvoy(name: string, options: StockEnvoy): Promise<ProxyProcess> {
  const { place, services, wasmPath, maglev } = options;
  const before = wasmPath === undefined ? [] : [wasmFilter(wasmPath)];
  const spread = maglev ? { hash_policy: [{ source_ip: {} }] } : {};
  const filters = [...before, tcpProxy('services', spread)];
  const envoyCluster = envoyClusterOf('services', services, maglev ? { lb_policy: 'MAGLEV' } : {});
  return startHandWritten(name, place, filters, envoyCluster);
}

/** An Envoy with one listener at `place`, whose filters lead to one Envoy cluster. */
export async function startHandWritten(
  name: string,
  place: Place,
  filters: Json[],
  envoyCluster: Json,
): Promise<ProxyProcess> {
  const { path } = await findEnvoy();
  const own = ['--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'];
  const listener = { name: 'smtp', address: addressOf(place), filter_chains: [{ filters }] };
  const config = JSON.stringify({ static_resources: { listeners: [listener], clusters: [envoyCluster] } });
  return startProxy({ name, config, place, command: (file) => [path, '-c', file, ...own] });
}

export function envoyClusterOf(name: string, places: readonly Place[], more: Json): Json {
  const endpoints = [{ lb_endpoints: places.map((place) => ({ endpoint: { address: addressOf(place) } })) }];
  return { name, type: 'STATIC', connect_timeout: '1s', ...more, load_assignment: { cluster_name: name, endpoints } };
}

export function tcpProxy(envoyCluster: string, more: Json): Json {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: 'smtp',
      cluster: envoyCluster,
      ...more,
    },
  };
}

export function wasmFilter(wasmPath: string): Json {
  return {
    name: 'wasm',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm',
      config: {
        name: 'empty',
        root_id: 'nlb',
        vm_config: { vm_id: 'empty', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: wasmPath } } },
      },
    },
  };
}

const addressOf = ({ host, port }: Place): Json => ({ socket_address: { address: host, port_value: port } });
