/**
 * A handoff as it might be: all clients between two hosts in one HTTP/2 connection, a CONNECT stream each, instead of a
 * connection each. Hand-written and without what a handoff needs besides (TLS, PROXY header, a choice of rule), so it shows
 * the least that this way can cost. docs/performance.md, "A handoff", has what came of it.
 */
import { findEnvoy } from '../../host/edge/envoy-binary.js';
import type { Place } from './load-process.js';
import { type ProxyProcess, startProxy } from './proxy-process.js';
import { addressOf } from './stock-envoy.js';

type Json = Record<string, unknown>;

export interface TunnelEnvoys {
  entry: Place;
  owner: Place;
  service: Place;
}

export async function startTunnel(name: string, { entry, owner, service }: TunnelEnvoys): Promise<ProxyProcess[]> {
  const { path } = await findEnvoy();
  const own = ['--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'];
  const one = (role: string, place: Place, config: Json) =>
    startProxy({
      name: `${name}-${role}`,
      config: JSON.stringify(config),
      place,
      command: (file) => [path, '-c', file, ...own],
    });
  const started = [await one('owner', owner, envoyOf(owner, [streamEnd()], cluster('service', service, {})))];
  try {
    started.push(await one('entry', entry, envoyOf(entry, [streamBegin()], cluster('owner', owner, HTTP2))));
    return started;
  } catch (error) {
    await Promise.all(started.map((proxy) => proxy.stop()));
    throw error;
  }
}

const HTTP2: Json = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

function envoyOf(place: Place, filters: Json[], only: Json): Json {
  const listeners = [{ name: 'smtp', address: addressOf(place), filter_chains: [{ filters }] }];
  return { static_resources: { listeners, clusters: [only] } };
}

function cluster(name: string, place: Place, more: Json): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: addressOf(place) } }] }];
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints }, ...more };
}

function streamBegin(): Json {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: 'smtp',
      cluster: 'owner',
      tunneling_config: { hostname: 'smtp:25' },
    },
  };
}

function streamEnd(): Json {
  const route = { cluster: 'service', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'tunnel',
      codec_type: 'HTTP2',
      http2_protocol_options: { allow_connect: true },
      upgrade_configs: [{ upgrade_type: 'CONNECT' }],
      route_config: {
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { connect_matcher: {} }, route }] }],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  };
}
