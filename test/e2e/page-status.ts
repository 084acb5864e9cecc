/** Statuses for the tests of the page, in the shape the sidecar serves (host/admin/status.ts). */
import type { ClusterStatus, HostStatus, RuleHostStatus, RuleStatus } from '../../host/admin/status.js';
import type { SeenState } from '../../host/protocol/events.js';

const AN_HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString();

/** One host for each state given, in this order, by the names mail1, mail2 ... */
export function statusOf(states: SeenState[], ruleCount = 1): ClusterStatus {
  const hosts = states.map(hostOf);
  const serving = states.filter(servesIn).length;
  return {
    clusterName: 'mail.example.org',
    mode: 'routed',
    thisHost: 'mail1',
    state: states.includes('converging') ? 'converging' : 'converged',
    view: {
      number: 7,
      checksum: '0123456789abcdef',
      fingerprint: 'fedcba9876543210',
      since: AN_HOUR_AGO,
      cause: 'mail2 was heard',
    },
    drain: null,
    lostSince: [],
    hosts,
    rules: Array.from({ length: ruleCount }, (_, index) => ruleOf(index, states, serving)),
    virtualIp: null,
    envoy: { state: 'serving', pid: 4711, version: '1.40.0', tookConfiguration: true, detail: null },
    file: {
      path: '/etc/envoy-nlb/cluster.yaml',
      fingerprint: 'fedcba9876543210',
      revision: 0,
      offered: null,
      detail: null,
    },
    droppedPackets: { unverified: 3, replayed: 0 },
    problems: states.includes('outside')
      ? [
          {
            since: AN_HOUR_AGO,
            text: 'host mail4: port rule 25/tcp has affinity none, the cluster has single',
            cause: 'contradiction',
            host: 'mail4',
            todo: 'put the cluster file of this host on mail4 and run nlb reload there',
          },
        ]
      : [],
    startedAt: AN_HOUR_AGO,
  };
}

function servesIn(state: SeenState): boolean {
  return state === 'converged' || state === 'sidecarSilent';
}

function hostOf(state: SeenState, index: number): HostStatus {
  return {
    name: `mail${index + 1}`,
    priority: index + 1,
    dedicatedIp: `10.0.0.${11 + index}`,
    state,
    since: new Date(Date.now() - 95_000).toISOString(),
    isDefaultHost: index === 0,
    isThisHost: index === 0,
    detail: state === 'outside' ? 'port rule 25/tcp has affinity none, the cluster has single' : null,
  };
}

function ruleOf(index: number, states: SeenState[], serving: number): RuleStatus {
  return {
    name: index === 0 ? 'smtp' : `rule-${index}-of-a-long-name`.slice(0, 24),
    virtualIp: null,
    portFirst: 25 + index * 100,
    portLast: index === 0 ? 25 : 99 + index * 100,
    protocol: 'tcp',
    filteringMode: 'multiple',
    affinity: 'single',
    hosts: states.map((state, host) => partOf(state, host, serving)),
    fallbackCount: 2,
    refusedCounts: { disabled: 0, no_host: 1 },
    control: 'enabled',
    handedToUsCount: 0,
    openCount: 12,
    servedOpenCount: 9,
  };
}

function partOf(state: SeenState, host: number, serving: number): RuleHostStatus {
  const takesPart = servesIn(state);
  return {
    host: `mail${host + 1}`,
    takesPart,
    control: 'enabled',
    absence: takesPart ? null : state === 'draining' || state === 'stopped' ? state : 'lost',
    loadWeight: takesPart ? 50 : 0,
    handlingPriority: 0,
    expectedShare: takesPart ? 1 / serving : 0,
    connectionCount: takesPart ? 340 + host * 9 : 21,
    measuredShare: takesPart ? 1 / serving - 0.004 * host : 0.02,
  };
}
