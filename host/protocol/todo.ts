/** What to do about each thing that an administrator has to mend; and why packets are dropped, in words. */
import type { DropReason } from './events.js';
import type { ProtocolState } from './state.js';
import type { HostName } from './types.js';

export const TODO = {
  /** @param isReadAtStart  mode or ports: a sidecar opens those once, and a change of them goes from host to host */
  difference: (host: HostName, isThisHostOdd: boolean, isReadAtStart: boolean): string => {
    const [put, there] = isThisHostOdd
      ? [`put the cluster file of ${host} here`, '']
      : [`put the cluster file of this host on ${host}`, ' there'];
    if (!isReadAtStart) return `${put} and run nlb reload${there}`;
    return `${put} and systemctl restart envoy-nlb${there}; or, where it is to change, go on with the other hosts`;
  },
  unlisted: (host: HostName): string =>
    `nlb apply a file that lists ${host}, or stop its sidecar: systemctl disable --now envoy-nlb`,
  claimedName: (address: string): string =>
    `stop one of the two (at ${address}: systemctl stop envoy-nlb); each host needs a name and an address of its own`,
  disagreement: 'nlb reload on both, and please report it with the output of nlb display of both',
  lost: 'look after the machine and its network',
  standby: (port: number): string =>
    `nlb enable ${port} gives it its part of these clients, nlb start --now that of all rules`,
  alone: 'look at the network between this host and the others: nlb doctor',
  deaf: (host: HostName, port: number): string => `let ${port}/udp through to ${host}`,
  speechless: 'upgrade the older of the two releases',
  stateCopied: 'nothing now, this host has begun anew; give every host a state directory of its own',
  outside: 'nlb display names the difference; this host comes in by itself when it is gone',
  unverified: (reason: DropReason): string => {
    if (reason === 'wrongMac' || reason === 'unknownKey') {
      return 'make the key files the same (scp -p); a sidecar reads a changed one by itself';
    }
    if (reason === 'otherCluster')
      return 'take the address out of one of the two cluster files, or make `cluster` the same';
    if (reason === 'protocolVersion') return 'upgrade the older of the two releases';
    return 'keep others off the heartbeat port, or give it another number (ports.heartbeat)';
  },
} as const;

export const DROP_TEXTS: Partial<Record<DropReason, (keyId: number, state: ProtocolState) => string>> = {
  wrongMac: (keyId) => `they are sealed with another cluster key than this host's key ${keyId}`,
  unknownKey: (keyId, state) =>
    `they are sealed with cluster key ${keyId}, which is not known here (this host seals with ${state.authenticator.keyId})`,
  otherCluster: (_keyId, state) => `they belong to another cluster, this host's is ${state.known.file.clusterName}`,
  protocolVersion: () => 'no protocol version is spoken by both',
};
