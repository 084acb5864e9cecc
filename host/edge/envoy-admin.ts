/**
 * Envoy's admin interface over its unix socket (mode 0600: on TCP any local user could end Envoy). Only what the sidecar
 * reads back lives here; `/config_dump` is left alone because it shows a rejected update as if it were in force
 * (docs/decisions/0007).
 */
import { Agent } from 'node:http';
import fetch from 'node-fetch';
import { EdgeError, systemCode } from './edge-error.js';
import { isOutOfFiles } from './open-files.js';

export interface ServerInfo {
  nodeId: string;
  version: string;
  /** LIVE, DRAINING, PRE_INITIALIZING, INITIALIZING. */
  state: string;
  uptimeS: number;
}

/** Which file versions Envoy has in force, and what it said no to. Counts grow over Envoy's life. */
export interface TakenVersions {
  lds: string;
  cds: string;
  ecds: string;
  ldsRejectedCount: number;
  cdsRejectedCount: number;
  ecdsRejectedCount: number;
}

export interface EnvoyAdmin {
  readonly socketPath: string;
  serverInfo(): Promise<ServerInfo>;
  /** @param filter  a regular expression over stat names; Envoy's own RE2 syntax */
  stats(filter: string): Promise<Map<string, number | string>>;
  taken(): Promise<TakenVersions>;
  /** Listeners whose last update failed, `name, name: reason`, as Envoy keeps it. */
  listenerErrors(): Promise<string[]>;
  /** Closes the listeners gracefully or, with /quitquitquit, ends the process. */
  post(path: string): Promise<void>;
  close(): void;
}

const TIMEOUT_MS = 2000;
/** BOUNDED: an answer beyond this is a wrong filter, not a status (1,024 listeners' counters are some 300 kB). */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const ECDS_NAME = 'nlb.decision';
const ECDS_PREFIX = `extension_config_discovery.network_filter.${ECDS_NAME}.`;

export function connectEnvoyAdmin(socketPath: string): EnvoyAdmin {
  // `socketPath` is an option of net.connect that Agent hands on; its type does not list it.
  const agent = new Agent({ keepAlive: false, maxSockets: 4, socketPath } as ConstructorParameters<typeof Agent>[0]);

  async function ask(path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
    try {
      const answer = await fetch(`http://envoy${path}`, {
        agent,
        method,
        size: ANSWER_BYTES_MAX,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await answer.text();
      if (answer.ok) return text;
      throw new EdgeError(
        'ENVOY_ADMIN_SILENT',
        `Envoy answers ${answer.status} to ${path} at ${socketPath}: ${text.slice(0, 200)}`,
      );
    } catch (error) {
      if (error instanceof EdgeError) throw error;
      const code = systemCode(error);
      if (isOutOfFiles(code)) throw new EdgeError('ENVOY_NOT_ASKED', `Cannot ask Envoy at ${socketPath}: ${code}`);
      throw new EdgeError('ENVOY_ADMIN_SILENT', `Envoy does not answer ${path} at ${socketPath}: ${code}`);
    }
  }

  async function stats(filter: string): Promise<Map<string, number | string>> {
    return parseStats(await ask(`/stats?filter=${encodeURIComponent(filter)}`));
  }

  return {
    socketPath,
    stats,
    serverInfo: async () => parseServerInfo(await ask('/server_info')),
    taken: async () => takenFrom(await stats(TAKEN_FILTER)),
    listenerErrors: async () => parseListenerErrors(await ask('/config_dump?resource=dynamic_listeners')),
    post: async (path) => void (await ask(path, 'POST')),
    close: () => agent.destroy(),
  };
}

const TAKEN_FILTER =
  '^(extension_config_discovery\\..*|cluster_manager\\.cds|listener_manager\\.lds)\\.(version_text|update_rejected|config_fail)$';

function takenFrom(stats: Map<string, number | string>): TakenVersions {
  const text = (name: string) => String(stats.get(name) ?? '');
  const count = (name: string) => Number(stats.get(name) ?? 0);
  return {
    lds: text('listener_manager.lds.version_text'),
    cds: text('cluster_manager.cds.version_text'),
    ecds: text(`${ECDS_PREFIX}version_text`),
    ldsRejectedCount: count('listener_manager.lds.update_rejected'),
    cdsRejectedCount: count('cluster_manager.cds.update_rejected'),
    ecdsRejectedCount: count(`${ECDS_PREFIX}update_rejected`) + count(`${ECDS_PREFIX}config_fail`),
  };
}

/** Lines `name: 12` and `name: "text"`; histograms (`P0(...)`) are left out. */
export function parseStats(text: string): Map<string, number | string> {
  const stats = new Map<string, number | string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(': ');
    if (at < 0) continue;
    const value = line.slice(at + 2);
    if (value.startsWith('"')) stats.set(line.slice(0, at), value.slice(1, -1));
    else if (/^\d+$/.test(value)) stats.set(line.slice(0, at), Number(value));
  }
  return stats;
}

function parseServerInfo(text: string): ServerInfo {
  const info = JSON.parse(text) as {
    version?: string;
    state?: string;
    node?: { id?: string };
    uptime_current_epoch?: string;
  };
  return {
    nodeId: info.node?.id ?? '',
    version: /\/(\d+\.\d+\.\d+)\//.exec(info.version ?? '')?.[1] ?? 'unknown',
    state: info.state ?? 'unknown',
    uptimeS: Number.parseInt(info.uptime_current_epoch ?? '0', 10),
  };
}

/** `a, b: reason`: listeners of one reason together. Envoy lists each error once more without a name. */
export function parseListenerErrors(text: string): string[] {
  const dump = JSON.parse(text) as { configs?: { name?: string; error_state?: { details?: string } }[] };
  const namesByReason = new Map<string, string[]>();
  for (const { name, error_state } of dump.configs ?? []) {
    if (!error_state?.details) continue;
    const names = namesByReason.get(error_state.details) ?? [];
    if (name !== undefined) names.push(name);
    namesByReason.set(error_state.details, names);
  }
  return [...namesByReason].map(([reason, names]) => (names.length === 0 ? reason : `${names.join(', ')}: ${reason}`));
}
