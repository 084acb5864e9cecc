/** The cluster file that `nlb init` writes: short, with the words an administrator needs to change it. */
import type { InitAnswers, Named } from './init-answers.js';

/** Ports whose service greets with 220: the check reads that far. */
const BANNER_PORTS = new Set(['25', '587']);

export function clusterFileText(answers: InitAnswers, hashSeed: number): string {
  const { cluster, hosts, rules } = answers;
  return [
    '# Cluster file of envoy-nlb: the same on every host. After a change: nlb check, then nlb reload on each.',
    `cluster: ${quoted(cluster)}`,
    ...modeLines(answers),
    `hashSeed: 0x${hashSeed.toString(16).padStart(8, '0')}    # another one moves nearly every client`,
    'keyFile: cluster.key',
    'hosts:',
    ...hosts.map(hostLine),
    'portRules:',
    ...rules.flatMap((rule) => ruleLines(rule, answers)),
    '',
  ].join('\n');
}

/** How clients come to the hosts. */
function modeLines({ mode, virtualIps }: InitAnswers): string[] {
  const addresses = `virtualIps: [${virtualIps.map(quoted).join(', ')}]`;
  const why = MODE_COMMENTS[mode];
  if (mode !== 'routed') return [`mode: ${quoted(mode)}${why === undefined ? '' : `    # ${why}`}`, addresses];
  if (virtualIps.length === 0) return ['mode: routed', 'listenOn: dedicatedIp     # DNS has one address for each host'];
  return [
    'mode: routed',
    'listenOn: virtualIp       # each host has the virtual IPs on lo; a router spreads clients',
    addresses,
  ];
}

const MODE_COMMENTS: Record<string, string> = {
  arp: 'one host holds the virtual IPs on the link and passes connections on to their owners',
  multicast: 'every host receives every packet for the virtual IPs',
};

function hostLine({ name, value }: Named, index: number): string {
  return `  - {name: ${quoted(name)}, priority: ${index + 1}, dedicatedIp: ${quoted(value)}}`;
}

function ruleLines({ name, value }: Named, { service, proxyProtocol, affinity }: InitAnswers): string[] {
  const check = BANNER_PORTS.has(value) ? "{kind: banner, expect: '220'}" : '{kind: connect}';
  return [
    `  - name: ${quoted(name)}`,
    `    ports: ${/^[0-9]+$/.test(value) ? value : quoted(value)}`,
    '    protocol: tcp',
    '    filteringMode: multiple',
    `    affinity: ${quoted(affinity)}`,
    '    loadWeight: equal',
    '    service:',
    `      address: ${quoted(service)}`,
    `      proxyProtocol: ${quoted(proxyProtocol)}`,
    `      check: ${check}`,
  ];
}

/** As it is where YAML reads it as the same text, in quotes otherwise; a typed answer never becomes YAML of its own. */
function quoted(text: string): string {
  const plain = /^[A-Za-z][A-Za-z0-9./-]*$/.test(text) && !/^(true|false|null)$/i.test(text);
  const address = /^[0-9]+(\.[0-9]+){3}$/.test(text);
  return plain || address ? text : JSON.stringify(text);
}
