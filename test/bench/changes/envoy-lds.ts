/** One Envoy whose listener comes by LDS, changed as people do it: another filter chain in the same listener. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectEnvoyAdmin } from '../../../host/edge/envoy-admin.js';
import { findEnvoy } from '../../../host/edge/envoy-binary.js';
import { writeBeside } from '../../e2e/harness/envoy.js';
import { waitFor } from '../../e2e/harness/wait.js';
import type { Place } from '../load-process.js';
import { startProxy } from '../proxy-process.js';
import { envoyClusterOf, type Json } from '../stock-envoy.js';
import { type Contender, DRAIN_S } from './contender.js';

const LISTENER_TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const TCP_PROXY_TYPE = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

export async function startEnvoyLds(place: Place, services: readonly Place[]): Promise<Contender> {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-bench-lds-'));
  const [lds, socket] = [join(directory, 'lds.json'), join(directory, 'admin.sock')];
  const write = (change: number) =>
    writeBeside(lds, { version_info: String(change), resources: [listenerOf(place, services.length, change)] });
  write(0);
  const { path } = await findEnvoy();
  const own = ['--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning', '--drain-time-s', String(DRAIN_S)];
  const config = JSON.stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: { pipe: { path: socket, mode: 0o600 } } },
    dynamic_resources: { lds_config: { path_config_source: { path: lds }, resource_api_version: 'V3' } },
    static_resources: { clusters: services.map((service, i) => envoyClusterOf(`s${i + 1}`, [service], {})) },
  });
  const proxy = await startProxy({ name: 'envoy_lds', config, place, command: (file) => [path, '-c', file, ...own] });
  const admin = connectEnvoyAdmin(socket);
  const drainingCount = async () => (await admin.stats(`^${DRAINING}$`)).get(DRAINING);
  return {
    places: [place],
    change: async (change) => {
      const startedMs = performance.now();
      write(change);
      await waitFor(`listener ${change}`, async () => (await admin.taken()).lds === String(change));
      return { ms: performance.now() - startedMs, what: 'weights in the filter chain' };
    },
    settled: () => waitFor('the old filter chains to end', async () => (await drainingCount()) === 0).then(() => {}),
    stop: async () => {
      admin.close();
      await proxy.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const DRAINING = 'listener_manager.total_filter_chains_draining';

/** The weights are in the filter chain: each change is another one. */
function listenerOf({ host, port }: Place, serviceCount: number, change: number): Json {
  const clusters = Array.from({ length: serviceCount }, (_, i) => ({
    name: `s${i + 1}`,
    weight: i === 0 ? 40 + (change % 41) : 60,
  }));
  const typed_config = { '@type': TCP_PROXY_TYPE, stat_prefix: 'smtp', weighted_clusters: { clusters } };
  return {
    '@type': LISTENER_TYPE,
    name: 'smtp',
    address: { socket_address: { address: host, port_value: port } },
    filter_chains: [{ name: 'smtp', filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config }] }],
  };
}
