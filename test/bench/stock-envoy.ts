/** Envoy with a hand-written configuration and its defaults: nothing of what this project generates. */
import { findEnvoy } from '../../host/edge/envoy-binary.js';
import type { Place } from './load-process.js';
import { type ProxyProcess, startProxy } from './proxy-process.js';

type Json = Record<string, unknown>;

export interface StockEnvoy {
  place: Place;
  services: readonly Place[];
  /** A wasm filter before tcp_proxy. */
  wasmPath?: string;
  /** Spreads clients over the services by their address. */
  maglev?: boolean;
}

export async function startStockEnvoy(name: string, options: StockEnvoy): Promise<ProxyProcess> {
  const { path } = await findEnvoy();
  const own = ['--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'];
  const config = JSON.stringify(bootstrapOf(options));
  return startProxy({ name, config, place: options.place, command: (file) => [path, '-c', file, ...own] });
}

function bootstrapOf({ place, services, wasmPath, maglev }: StockEnvoy): Json {
  const filters = [...(wasmPath === undefined ? [] : [wasmFilter(wasmPath)]), tcpProxy(maglev === true)];
  return {
    static_resources: {
      listeners: [{ name: 'smtp', address: addressOf(place), filter_chains: [{ filters }] }],
      clusters: [
        {
          name: 'services',
          type: 'STATIC',
          connect_timeout: '1s',
          ...(maglev ? { lb_policy: 'MAGLEV' } : {}),
          load_assignment: {
            cluster_name: 'services',
            endpoints: [{ lb_endpoints: services.map((service) => ({ endpoint: { address: addressOf(service) } })) }],
          },
        },
      ],
    },
  };
}

function tcpProxy(bySource: boolean): Json {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: 'smtp',
      cluster: 'services',
      ...(bySource ? { hash_policy: [{ source_ip: {} }] } : {}),
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

export const addressOf = ({ host, port }: Place): Json => ({ socket_address: { address: host, port_value: port } });
