/**
 * What is compared. Each leads to the same service in the load process, without a PROXY header before the service, so that
 * all do the same work there.
 */
import type { ClusterFile } from '../../host/protocol/types.js';
import type { RunningEnvoy } from '../e2e/harness/envoy.js';
import { RULE_PORT } from '../e2e/harness/cluster.js';
import type { Place } from './load-process.js';
import { benchFile, entriesOf, proxyOf, startNlbCluster, startNlbEnvoy } from './nlb-envoy.js';
import { type ChangeSettings, HANDOFF_SETTINGS, LOCAL_SETTINGS } from './other-settings.js';
import { startHaproxy, startNginx } from './other-proxies.js';
import { clientsOwnedBy } from './owners.js';
import * as places from './places.js';
import type { ProxyProcess } from './proxy-process.js';
import { startStockEnvoy } from './stock-envoy.js';
import { startTunnel } from './tunnel-envoy.js';
import type { WasmPaths } from './wasm.js';

/** A variant that runs. */
export interface Running {
  /** Where clients connect, in turn. */
  places: Place[];
  clients: string[];
  proxies: ProxyProcess[];
}

export interface Variant {
  name: string;
  /** One line for the table. */
  what: string;
  start(wasm: WasmPaths): Promise<Running>;
  /** Measured only where `--only` names it. */
  isAsked?: true;
}

const SERVICE_TEXT = `${places.SERVICE.host}:${places.SERVICE.port}`;
/** The services of a cluster's hosts. */
const OWN_SERVICE = `{dedicatedIp}:${places.SERVICE.port}`;

const as = (settingsAs?: ChangeSettings) => (settingsAs === undefined ? {} : { settingsAs });
const at = (port: number): Place => ({ host: places.PROXY_HOST, port });

function stock(name: string, what: string, port: number, more: (wasm: WasmPaths) => object): Variant {
  const start = async (wasm: WasmPaths): Promise<Running> => {
    const options = { place: at(port), services: [places.SERVICE], ...more(wasm) };
    return { places: [at(port)], clients: places.CLIENTS, proxies: [await startStockEnvoy(name, options)] };
  };
  return { name, what, start };
}

/** One generated host that owns all the clients that come. */
function local(
  name: string,
  what: string,
  prefix: string,
  wasmOf: (wasm: WasmPaths) => string | null,
  more: Partial<ClusterFile> = {},
  settingsAs?: ChangeSettings,
): Variant {
  const start = async (wasm: WasmPaths): Promise<Running> => {
    const file = { ...benchFile(prefix, SERVICE_TEXT), ...more };
    const envoy = await startNlbEnvoy({ file, self: 'mail1', wasmPath: wasmOf(wasm), ...as(settingsAs) });
    return running(file, [envoy], 'mail1');
  };
  return { name, what, start };
}

/** Two generated hosts: clients enter at the first, the second owns them all. */
function handoff(name: string, what: string, prefix: string, tls: boolean, settingsAs?: ChangeSettings): Variant {
  const start = async ({ filter }: WasmPaths): Promise<Running> => {
    const file = benchFile(prefix, SERVICE_TEXT);
    const one = (self: string) => startNlbEnvoy({ file, self, wasmPath: filter, tls, ...as(settingsAs) });
    return running(file, await Promise.all([one('mail1'), one('mail2')]), 'mail2');
  };
  return { name, what, start };
}

async function running(file: ClusterFile, envoys: RunningEnvoy[], owner: string): Promise<Running> {
  const clients = await clientsOwnedBy(owner, file, places.CLIENTS);
  return { places: [{ host: file.hosts[0]!.dedicatedIp, port: RULE_PORT }], clients, proxies: envoys.map(proxyOf) };
}

const cluster: Variant = {
  name: 'nlb_cluster',
  what: 'three hosts of ours, clients enter evenly; all three Envoys counted',
  start: async ({ filter }) => {
    const file = benchFile(places.CLUSTER_PREFIX, OWN_SERVICE);
    const proxies = (await startNlbCluster({ file, wasmPath: filter, tls: true })).map(proxyOf);
    return { places: entriesOf(file), clients: places.CLIENTS, proxies };
  },
};

function other(name: string, what: string, port: number, start: typeof startHaproxy, services: Place[]): Variant {
  return {
    name,
    what,
    start: async () => ({
      places: [at(port)],
      clients: places.CLIENTS,
      proxies: [await start(name, at(port), services)],
    }),
  };
}

/** Two hand-written Envoys with one HTTP/2 connection between them, which is what a handoff might be. */
const tunnel: Variant = {
  name: 'handoff_tunnel',
  what: 'a CONNECT stream a client between two Envoys, nothing else; both counted',
  start: async () => {
    const [entry, owner] = [at(4107), at(4108)];
    const proxies = await startTunnel('handoff_tunnel', { entry, owner, service: places.SERVICE });
    return { places: [entry], clients: places.CLIENTS, proxies };
  },
};

/** The services of `nlb_cluster`, for the HAProxy that stands before the same. */
const CLUSTER_SERVICES = entriesOf(benchFile(places.CLUSTER_PREFIX, OWN_SERVICE)).map(({ host }) => ({
  host,
  port: places.SERVICE.port,
}));

/** What the load process has to serve. */
export const SERVICES: Place[] = [...places.SPREAD, ...CLUSTER_SERVICES];

/** Written and thrown away: the disk is not what is measured. */
const LOGGED = { connectionLog: { path: '/dev/null', format: 'json' as const, maxMiB: 100 } };

export const VARIANTS: Variant[] = [
  stock('plain', 'Envoy, tcp_proxy alone, its defaults', 4101, () => ({})),
  stock('empty_wasm', 'the same with an empty wasm filter', 4102, ({ empty }) => ({ wasmPath: empty })),
  local('nlb_bare', 'our generated configuration without the filter', places.BARE_PREFIX, () => null),
  local('nlb_empty', 'our generated configuration with an empty filter', places.EMPTY_PREFIX, ({ empty }) => empty),
  local('nlb_local', 'ours, the entry host owns the client', places.LOCAL_PREFIX, ({ filter }) => filter),
  local('nlb_logged', 'nlb_local with a connection log in JSON', places.LOGGED_PREFIX, ({ filter }) => filter, LOGGED),
  local('nlb_sdk', "the same decision on the SDK's runtime", places.SDK_PREFIX, ({ sdk }) => sdk),
  handoff('nlb_handoff', 'ours, another host owns the client; both Envoys counted', places.HANDOFF_PREFIX, true),
  handoff('nlb_handoff_plain', 'the same without TLS between the hosts', places.HANDOFF_PLAIN_PREFIX, false),
  tunnel,
  stock('envoy_maglev', 'Envoy, maglev by source address over three services', 4103, () => ({
    services: places.SPREAD,
    maglev: true,
  })),
  other('haproxy_source', 'HAProxy, balance source over three services', 4104, startHaproxy, places.SPREAD),
  other('nginx_hash', 'nginx, hash $remote_addr consistent over three services', 4105, startNginx, places.SPREAD),
  cluster,
  other('haproxy_cluster', 'one HAProxy before the services of nlb_cluster', 4106, startHaproxy, CLUSTER_SERVICES),
  ...otherSettings(),
];

/** BOUNDED: each has a prefix of its own, and there are as many as settings. */
function otherSettings(): Variant[] {
  const handoffs = Object.entries(HANDOFF_SETTINGS).map(([name, [what, change]], i) =>
    handoff(name, what, `${places.OTHER_HANDOFFS}${i}`, true, change),
  );
  const locals = Object.entries(LOCAL_SETTINGS).map(([name, [what, change]], i) =>
    local(name, what, `${places.OTHER_LOCALS}${i}`, ({ filter }) => filter, {}, change),
  );
  return [...handoffs, ...locals].map((variant) => ({ ...variant, isAsked: true }));
}
