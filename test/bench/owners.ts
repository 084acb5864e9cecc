/** Client addresses by their owner, asked of the same decision.wasm that the sidecar asks. */
import { type KeyQuestion, loadDecision, type ScoredHost } from '../../host/edge/decision.js';
import type { ClusterFile, HostName } from '../../host/protocol/types.js';

export function clientsOwnedBy(owner: HostName, file: ClusterFile, clients: string[]): Promise<string[]> {
  const { affinity, loadWeights } = file.portRules[0]!;
  const hosts = file.hosts.map(({ name }) => ({ name, loadWeight: loadWeights[name] ?? 0 }));
  const { hashSeed, ipv6PrefixLength } = file;
  return ownedAmong(owner, hosts, { affinity, hashSeed, ipv6PrefixLength }, clients);
}

export async function ownedAmong(
  owner: HostName,
  hosts: readonly ScoredHost[],
  settings: Omit<KeyQuestion, 'address' | 'port'>,
  clients: string[],
): Promise<string[]> {
  const decision = await loadDecision();
  return clients.filter((address) => {
    const bucket = decision.bucket({ ...settings, address, port: 0 });
    return decision.owners(bucket, hosts, settings.hashSeed).owner === owner;
  });
}
