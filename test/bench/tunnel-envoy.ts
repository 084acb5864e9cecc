/**
 * A handoff as it might be: all clients between two hosts in one HTTP/2 connection, a CONNECT stream each, instead of a
 * connection each. Hand-written and without what a handoff needs besides (TLS, PROXY header, a choice of rule), so it shows
 * the least that this way can cost. docs/performance.md, "A handoff", has what came of it.
 */
import type { Place } from './load-process.js';
import type { ProxyProcess } from './proxy-process.js';
import { envoyClusterOf, type Json, startHandWritten, tcpProxy } from './stock-envoy.js';

export interface TunnelEnvoys {
  entry: Place;
  owner: Place;
  service: Place;
}

export async function startTunnel(name: string, { entry, owner, service }: TunnelEnvoys): Promise<ProxyProcess[]> {
  const toService = envoyClusterOf('service', [service], {});
  const started = [await startHandWritten(`${name}-owner`, owner, [streamEnd()], toService)];
  try {
    const streams = tcpProxy('owner', { tunneling_config: { hostname: 'smtp:25' } });
    started.push(await startHandWritten(`${name}-entry`, entry, [streams], envoyClusterOf('owner', [owner], HTTP2)));
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
