/** Small clusters on loopback for the tests: a checked ClusterFile without its YAML, and owners chosen by the test. */
import type { ClusterFile, PortRule, Service } from '../../../host/protocol/types.js';
import { DECISION_RESOURCE, type EnvoyJson } from '../../../host/protocol/xds/index.js';

export const RULE_PORT = 2525;
export const SERVICE_PORT = 3525;
export const HANDOFF_PORT = 7620;

/** `mail1` .. `mailN` on `PREFIX.1` .. `PREFIX.N`, one rule `smtp` at port 2525. */
export function clusterFile(prefix: string, hostCount: number, rules: Partial<PortRule>[] = [{}]): ClusterFile {
  const hosts = Array.from({ length: hostCount }, (_, i) => ({
    name: `mail${i + 1}`,
    priority: i + 1,
    dedicatedIp: `${prefix}.${i + 1}`,
  }));
  return {
    clusterName: 'mail.example.org',
    mode: 'routed',
    listenOn: 'dedicatedIp',
    virtualIps: [],
    hashSeed: 0x5eed1234,
    ipv6PrefixLength: 64,
    heartbeat: { periodMs: 1000, missedMax: 5 },
    ports: { heartbeat: 7620, handoff: HANDOFF_PORT, channel: 7621, page: 7622 },
    keyFile: 'cluster.key',
    hosts,
    portRules: rules.map((changes) => ({ ...smtpRule(hosts.map((host) => host.name)), ...changes })),
  };
}

export function smtpRule(hosts: string[]): PortRule {
  return {
    name: 'smtp',
    virtualIp: null,
    portFirst: RULE_PORT,
    portLast: RULE_PORT,
    protocol: 'tcp',
    filteringMode: 'multiple',
    affinity: 'single',
    loadWeights: Object.fromEntries(hosts.map((host) => [host, 50])),
    handlingPriorities: {},
    ownerPatienceMs: 1000,
    service: service(`{dedicatedIp}:${SERVICE_PORT}`),
  };
}

export function service(address: string, proxyProtocol: Service['proxyProtocol'] = 'v2'): Service {
  const check = { kind: 'banner', expect: '220', periodMs: 1000, timeoutMs: 1000, failuresMax: 3 } as const;
  return { address, proxyProtocol, trustsNobodyByAddress: false, check };
}

/**
 * The generated rule listeners with the decision filter replaced by a fixed choice: all connections go to `envoyCluster`.
 * Null leaves the choice to tcp_proxy: the own service. So the rest is tested apart from the decision.
 */
export function chosenOwner(envoyCluster: string | null): (generated: EnvoyJson[]) => EnvoyJson[] {
  return (generated) =>
    (JSON.parse(JSON.stringify(generated)) as GeneratedListener[]).map((listener) => {
      for (const chain of listener.filter_chains) {
        chain.filters = chain.filters.flatMap((filter) => {
          if (filter.name !== DECISION_RESOURCE) return [filter];
          return envoyCluster === null ? [] : [setFilterState(envoyCluster)];
        });
      }
      return listener;
    });
}

interface GeneratedListener extends EnvoyJson {
  filter_chains: { filters: { name: string }[] }[];
}

function setFilterState(envoyCluster: string): { name: string } & EnvoyJson {
  return {
    name: 'envoy.filters.network.set_filter_state',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config',
      on_new_connection: [
        {
          object_key: 'envoy.tcp_proxy.cluster',
          format_string: { text_format_source: { inline_string: envoyCluster } },
        },
      ],
    },
  };
}
