/** Envoys of our hosts, on what the sidecar would generate for them: the real filter, the real files, a view of all hosts. */
import { randomBytes } from 'node:crypto';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import type { ClusterFile, HostName, InForce } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { DECISION_RESOURCE, type EnvoyJson, filterConfig } from '../../host/protocol/xds/index.js';
import { clusterFile, service } from '../e2e/harness/cluster.js';
import { type RunningEnvoy, startEnvoy } from '../e2e/harness/envoy.js';
import type { Place } from './load-process.js';
import type { ChangeSettings } from './other-settings.js';
import type { ProxyProcess } from './proxy-process.js';

/** Hosts of a view in the benchmark, unless it says otherwise. */
const HOST_COUNT = 3;
const OPEN_FILES_MAX = 20_000;

export interface NlbEnvoy {
  file: ClusterFile;
  self: HostName;
  /** Absolute path of the filter; null leaves it out of the listeners. */
  wasmPath: string | null;
  /** Handoffs over TLS, as a cluster with a key has them, or plain. */
  tls?: boolean;
  listenersAs?: (generated: EnvoyJson[]) => EnvoyJson[];
  /** Changes whatever of Envoy's configuration is generated: listeners, clusters, bootstrap. */
  settingsAs?: ChangeSettings;
  /** Put before the command, e.g. `ip netns exec a`. */
  prefix?: string[];
}

/** A cluster `PREFIX.1` to `PREFIX.3` whose rule leads to `address` on every host. */
export function benchFile(prefix: string, address: string, hostCount: number = HOST_COUNT): ClusterFile {
  return clusterFile(prefix, hostCount, [{ service: service(address, 'none') }]);
}

/** The view in which all hosts of the file take part in all rules. */
export function viewOf(file: ClusterFile, viewNumber: number): InForce {
  const rules = file.portRules.map((rule) => rule.loadWeights);
  const hosts = file.hosts.map(({ name, priority }) => ({
    name,
    priority,
    rules: rules.map((weights) => ({ loadWeight: weights[name] ?? 0, handlingPriority: 0, absence: null })),
  }));
  const identity = { checksum: '0123456789abcdef', fingerprint: '0123456789abcdef' };
  return {
    file,
    view: { number: viewNumber, ...identity, decisionVersion: 1, protocolVersion: 1, hosts },
    lostSince: [],
  };
}

export function filterOf(file: ClusterFile, self: HostName, viewNumber: number, wasmPath: string): EnvoyJson {
  const bytes = encodeView(viewOf(file, viewNumber), self);
  return filterConfig(Buffer.from(bytes).toString('base64'), wasmPath, file.connectionLog !== undefined);
}

export async function startNlbEnvoy(options: NlbEnvoy): Promise<RunningEnvoy> {
  const { file, self, wasmPath, settingsAs = (generated) => generated } = options;
  const identity = options.tls ? handoffIdentity(CLUSTER_KEY, file.clusterName) : null;
  const changed = (generated: EnvoyJson[]) => {
    const kept = wasmPath === null ? withoutFilter(generated) : generated;
    return settingsAs(options.listenersAs?.(kept) ?? kept);
  };
  const ecds = wasmPath === null ? {} : { ecds: filterOf(file, self, 1, wasmPath) };
  const { prefix = [] } = options;
  return startEnvoy({
    file,
    self,
    identity,
    prefix,
    openFilesMax: OPEN_FILES_MAX,
    listenersAs: changed,
    clustersAs: settingsAs,
    bootstrapAs: settingsAs,
    ...ecds,
  });
}

/** All hosts of a cluster. */
export function startNlbCluster(options: Omit<NlbEnvoy, 'self'>): Promise<RunningEnvoy[]> {
  return Promise.all(options.file.hosts.map(({ name }) => startNlbEnvoy({ ...options, self: name })));
}

/** An Envoy of ours as any other proxy. */
export function proxyOf(envoy: RunningEnvoy): ProxyProcess {
  return { pid: envoy.pid(), stop: () => envoy.stop() };
}

/** Where clients reach the rule on each host. */
export function entriesOf(file: ClusterFile): Place[] {
  const port = file.portRules[0]!.portFirst;
  return file.hosts.map(({ dedicatedIp }) => ({ host: dedicatedIp, port }));
}

const CLUSTER_KEY = randomBytes(32);

interface Listener extends EnvoyJson {
  filter_chains: { filters: { name: string }[] }[];
}

function withoutFilter(generated: EnvoyJson[]): EnvoyJson[] {
  return (structuredClone(generated) as Listener[]).map((listener) => {
    for (const chain of listener.filter_chains) {
      chain.filters = chain.filters.filter(({ name }) => name !== DECISION_RESOURCE);
    }
    return listener;
  });
}
