/** The cluster file of what was imported: the same form as `nlb init` writes. */
import { followsPort } from '../protocol/config/index.js';
import type { Imported } from './carry.js';
import type { ImportedRule } from './carry-rules.js';

export function importedFileText(imported: Imported, hashSeed: number): string {
  const { cluster, mode, listenOn, virtualIps, heartbeat, hosts, rules } = imported;
  return [
    '# Cluster file of envoy-nlb, imported from Windows NLB: the same on every host. Look it through, then: nlb check.',
    `cluster: ${quoted(cluster)}`,
    `mode: ${mode}`,
    // On a link rules listen on the virtual IPs, always.
    ...(mode === 'routed' ? [`listenOn: ${listenOn}`] : []),
    ...(virtualIps.length > 0 ? [`virtualIps: [${virtualIps.map(quoted).join(', ')}]`] : []),
    `hashSeed: 0x${hashSeed.toString(16).padStart(8, '0')}    # another one moves nearly every client`,
    'keyFile: cluster.key',
    ...heartbeatLines(heartbeat),
    'hosts:',
    ...hosts.map(hostLine),
    'portRules:',
    ...rules.flatMap(ruleLines),
    '',
  ].join('\n');
}

function hostLine({ name, priority, dedicatedIp, initialState, persistedStates }: Imported['hosts'][number]): string {
  const initial = initialState === undefined ? '' : `, initialState: ${initialState}`;
  const kept = persistedStates === undefined ? '' : `, persistedStates: [${persistedStates.join(', ')}]`;
  const more = initial + kept;
  return `  - {name: ${name}, priority: ${priority}, dedicatedIp: ${quoted(dedicatedIp)}${more}}`;
}

function heartbeatLines({ periodMs, missedMax }: Imported['heartbeat']): string[] {
  const parts = [
    ...(periodMs === null || periodMs === 1000 ? [] : [`periodMs: ${periodMs}`]),
    ...(missedMax === null || missedMax === 5 ? [] : [`missedMax: ${missedMax}`]),
  ];
  return parts.length === 0 ? [] : [`heartbeat: {${parts.join(', ')}}`];
}

function ruleLines(rule: ImportedRule): string[] {
  const { first, last, filteringMode, service } = rule;
  return [
    `  - name: ${rule.name}`,
    ...(rule.virtualIp === null ? [] : [`    virtualIp: ${quoted(rule.virtualIp)}`]),
    `    ports: ${first === last ? first : `'${first}-${last}'`}`,
    '    protocol: tcp',
    `    filteringMode: ${filteringMode}`,
    ...(filteringMode === 'multiple' ? [`    affinity: ${rule.affinity}`, `    loadWeight: ${weightText(rule)}`] : []),
    ...(rule.stickForMinutes > 0 ? [`    stickFor: ${rule.stickForMinutes}m`] : []),
    ...(Object.keys(rule.handlingPriorities).length === 0
      ? []
      : [`    handlingPriority: ${mapText(rule.handlingPriorities)}`]),
    ...(service === null
      ? []
      : [
          '    service:',
          `      address: ${quoted(service.address)}`,
          `      proxyProtocol: ${service.proxyProtocol}`,
          ...(first !== last && followsPort(service.address) ? ['      check: {kind: none}'] : []),
        ]),
  ];
}

function weightText({ loadWeights }: ImportedRule): string {
  return Object.keys(loadWeights).length === 0 ? 'equal' : mapText(loadWeights);
}

function mapText(values: Record<string, number>): string {
  const parts = Object.entries(values).map(([name, value]) => `${name}: ${value}`);
  return `{${parts.join(', ')}}`;
}

/** What stands in the outputs never becomes YAML of its own. */
function quoted(text: string): string {
  return /^[0-9]+(\.[0-9]+){3}$/.test(text) || /^[a-z][a-z0-9.-]*$/.test(text) ? text : JSON.stringify(text);
}
