/** Views for the filter's tests, made as the sidecar makes them: from what is in force. */
import type { ClusterFile, InForce, PortRule, RulePart } from '../../host/protocol/types.js';
import { checksumOf, encodeView } from '../../host/protocol/view-bytes.js';

export const SELF = 'mail1';
export const HOSTS = ['mail1', 'mail2', 'mail3'];

/** A rule and what each of HOSTS brings to it: load weights or handling priorities, 0 takes no part. */
export interface TestRule extends Partial<PortRule> {
  parts: number[];
}

export function portRule(changes: Partial<PortRule> = {}): PortRule {
  return {
    name: 'smtp',
    virtualIp: null,
    portFirst: 25,
    portLast: 25,
    protocol: 'tcp',
    filteringMode: 'multiple',
    affinity: 'single',
    loadWeights: {},
    handlingPriorities: {},
    ownerPatienceMs: 1000,
    service: null,
    ...changes,
  };
}

/** Hosts of priority 1, 2, ... in the order given. */
export function inForceOf(rules: TestRule[], hosts: string[] = HOSTS, lostSince: string[] = []): InForce {
  const portRules = rules.map(({ parts: _, ...changes }) => portRule(changes));
  const file = { hashSeed: 0x5eed1234, ipv6PrefixLength: 64, portRules } as unknown as ClusterFile;
  const part = (rule: number, host: number): RulePart => {
    const value = rules[rule]?.parts[host] ?? 0;
    const isSingle = portRules[rule]?.filteringMode === 'single';
    const absence = value === 0 ? 'weightZero' : null;
    return { loadWeight: isSingle ? 0 : value, handlingPriority: isSingle ? value : 0, absence };
  };
  const view = {
    number: 7,
    checksum: '0123456789abcdef',
    fingerprint: '',
    decisionVersion: 1,
    protocolVersion: 1,
    hosts: hosts.map((name, host) => ({ name, priority: host + 1, rules: rules.map((_, rule) => part(rule, host)) })),
  };
  return { file, view, lostSince };
}

export function viewOf(rules: TestRule[], self = SELF, hosts: string[] = HOSTS): Uint8Array {
  return encodeView(inForceOf(rules, hosts), self);
}

/** The same bytes with one changed and the checksum made right again: only the checks of the content can find it. */
export function altered(view: Uint8Array, at: number, value: number): Uint8Array {
  const bytes = Uint8Array.from(view);
  bytes[at] = value;
  return sealed(bytes);
}

export function sealed(bytes: Uint8Array): Uint8Array {
  const data = new DataView(bytes.buffer);
  if (bytes.length >= 16) data.setUint32(12, checksumOf(bytes.subarray(16)), true);
  return bytes;
}
