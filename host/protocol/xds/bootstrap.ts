/** What Envoy reads once, at its start: who it is, where its files are, and how many connections its open files allow. */
import { portsOf } from '../config/ports.js';
import type { ClusterFile, HostName } from '../types.js';
import { isRedirecting } from './redirects.js';
import { hostNamed, isRedirected, rangeOf, rulesServed } from './rules.js';
import type { EnvoyPaths } from './paths.js';
import { type EnvoyJson, pathConfig, typed } from './sockets.js';
import { STAT_TAGS, STATS_KEPT } from './stats.js';

export interface BootstrapLimits {
  /** The hard limit of open files that Envoy will run with (`ulimit -Hn`). */
  openFilesMax: number;
  /** Envoy's worker threads (`--concurrency`, else CPUs): each has a listening socket of its own for every port. */
  workerCount: number;
}

/** A connection is two open files: the client's and the service's, or the other host's. */
const FILES_PER_CONNECTION = 2;
/** Epoll, logs, admin, wasm, checks of 31 hosts in a few ways, and the connections that are being tried. */
const FILES_OF_ENVOY = 200;

/**
 * Connections Envoy may have open; one more is closed at once, where without this limit Envoy would crash at the
 * open-files limit, and every connection with it. At 20,000 files, 2 workers and 25 listeners: 9,850.
 *
 * @throws Error where the limit leaves no connection at all
 */
export function connectionsMax(file: ClusterFile, limits: BootstrapLimits): number {
  const listening = rulesServed(file).filter((rule) => !isRedirected(file, rule));
  const ports = listening.reduce((count, rule) => count + portsOf(rangeOf(rule)) * addressCount(file), 0);
  // The handoff listener, and one an address for what is redirected.
  const others = isRedirecting(file) ? 1 + addressCount(file) : 1;
  const sockets = (ports + others) * limits.workerCount;
  const connections = Math.floor((limits.openFilesMax - FILES_OF_ENVOY - sockets) / FILES_PER_CONNECTION);
  if (connections > 0) return connections;
  const needed = FILES_OF_ENVOY + sockets;
  throw new Error(
    `Cannot serve ${ports} ports with an open-files limit of ${limits.openFilesMax}, expected more than ${needed} (ulimit -Hn)`,
  );
}

/** At most that many addresses has one rule. */
function addressCount(file: ClusterFile): number {
  return file.listenOn === 'dedicatedIp' ? 1 : Math.max(1, file.virtualIps.length);
}

export function bootstrap(file: ClusterFile, self: HostName, paths: EnvoyPaths, limits: BootstrapLimits): EnvoyJson {
  return {
    node: { id: hostNamed(file, self).name, cluster: file.clusterName },
    admin: admin(paths),
    dynamic_resources: dynamicResources(paths),
    stats_config: {
      stats_tags: STAT_TAGS,
      stats_matcher: { inclusion_list: { patterns: STATS_KEPT.map((regex) => ({ safe_regex: { regex } })) } },
    },
    overload_manager: overloadManager(connectionsMax(file, limits)),
  };
}

/** A unix socket for its owner alone: on TCP any local user could end Envoy. */
export function admin(paths: EnvoyPaths): EnvoyJson {
  return { address: { pipe: { path: paths.adminSocket, mode: 0o600 } } };
}

export function dynamicResources(paths: EnvoyPaths): EnvoyJson {
  return { cds_config: pathConfig(paths.cds), lds_config: pathConfig(paths.lds) };
}

export function overloadManager(activeConnectionsMax: number): EnvoyJson {
  return {
    resource_monitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        typed_config: typed(
          'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
          { max_active_downstream_connections: activeConnectionsMax },
        ),
      },
    ],
  };
}
