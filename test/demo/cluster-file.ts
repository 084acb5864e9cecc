/** The cluster file of the demo. It is meant to be copied: change the addresses, the port and the service. */
import type { Layout } from './layout.js';

/** Fixed, so that the same client addresses go to the same hosts in every run and a failure can be looked at again. */
const HASH_SEED = 0x5eed1234;

export function clusterFileText({ hosts, ports }: Layout): string {
  const hostLines = hosts.map((h) => `  - {name: ${h.name}, priority: ${h.priority}, dedicatedIp: ${h.address}}`);
  return `# The cluster of \`npm start\`: the same file on every host. To make it yours: own names and addresses,
# port 25 in place of ${ports.smtp}, and the address of your mail server.
cluster: mail.example.org

# How clients reach the hosts: here by the hosts' own addresses (DNS with one address a host).
mode: routed
listenOn: dedicatedIp

# The seed of all hashes; \`nlb init\` makes one. Another seed gives clients other hosts.
hashSeed: 0x${HASH_SEED.toString(16)}

# Authenticates the hosts to each other. Mode 0600, the same on every host, nobody else's.
keyFile: cluster.key

ports: {heartbeat: ${ports.heartbeat}, handoff: ${ports.handoff}, channel: ${ports.channel}, page: ${ports.page}}

# Load and owners follow from the names; the priority only orders the hosts.
hosts:
${hostLines.join('\n')}

portRules:
  - name: smtp
    ports: ${ports.smtp}
    protocol: tcp
    filteringMode: multiple   # all hosts take clients, by weight
    affinity: single          # a client address stays with one host
    loadWeight: equal
    service:
      # The mail server of each host, beside its Envoy. It reads the client's own address from a PROXY header, version 1.
      address: '{dedicatedIp}:${ports.service}'
      proxyProtocol: v1
      # A host whose mail server does not greet with 220 leaves the rule until it does.
      check: {kind: banner, expect: '220'}
`;
}
