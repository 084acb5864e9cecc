/** Client addresses by their owner, asked of the same decision.wasm that the sidecar asks. */
import { loadDecision } from '../../host/edge/decision.js';
import type { ClusterFile, HostName } from '../../host/protocol/types.js';

export async function clientsOwnedBy(owner: HostName, file: ClusterFile, clients: string[]): Promise<string[]> {
  const decision = await loadDecision();
  const { affinity, loadWeights } = file.portRules[0]!;
  const hosts = file.hosts.map(({ name }) => ({ name, loadWeight: loadWeights[name] ?? 0 }));
  const { hashSeed, ipv6PrefixLength } = file;
  return clients.filter((address) => {
    const bucket = decision.bucket({ affinity, address, port: 0, hashSeed, ipv6PrefixLength });
    return decision.owners(bucket, hosts, hashSeed).owner === owner;
  });
}
