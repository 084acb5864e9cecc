/** NLB's operation mode into one of ours, with what of it could not come over. */
import type { Mode } from '../protocol/types.js';
import type { ImportFinding } from './carry.js';
import type { NlbSource } from './source.js';

const NEEDS = 'Every host needs nft and CAP_NET_ADMIN; --mode routed needs neither';
/** By NLB's word: ours, and what is another thing with it. `{}` stands for the virtual IPs. */
const CARRIED: Readonly<Record<string, { mode: Mode; text: string }>> = {
  unicast: {
    mode: 'arp',
    text: `becomes arp: one host holds {} and its kernel passes each packet to the owner; no MAC address is shared and no switch flooded. ${NEEDS}`,
  },
  multicast: {
    mode: 'multicast',
    text: `stays multicast: {} keeps its MAC address, and routers their static ARP lines (nlb ip2mac). ${NEEDS}`,
  },
  igmpmulticast: {
    mode: 'multicast',
    text: `becomes multicast: no host joins an IGMP group, so a switch floods or needs static lines, and the MAC address of {} is another one (nlb ip2mac). ${NEEDS}`,
  },
};

/**
 * @param wanted          what the person chose; null to go by NLB's
 * @param needsVirtualIp  some rule can be carried on virtual IPs alone
 */
export function carryMode(
  { modes, clusterIps }: NlbSource,
  wanted: Mode | null,
  needsVirtualIp: boolean,
  findings: ImportFinding[],
): Mode {
  const say = (kind: ImportFinding['kind'], text: string): void =>
    void findings.push({ item: 'operation mode', kind, text });
  if (modes.length > 1) say('contradiction', `is ${modes.join(' and ')} on different hosts: took ${modes[0]}`);
  const was = modes[0] ?? '';
  const carried = CARRIED[was];
  const addresses = clusterIps.join(', ') || 'the cluster IP';
  if (wanted === null && carried !== undefined && clusterIps.length > 0) {
    say('assumed', `${was} ${carried.text.replace('{}', addresses)}`);
    return carried.mode;
  }
  if (wanted !== null && wanted !== 'routed') {
    if (clusterIps.length === 0) say('missing', `${wanted} needs the virtual IPs; add the output of Get-NlbCluster`);
    return wanted;
  }
  const how = needsVirtualIp
    ? `each host has ${addresses} on lo and a router spreads clients (rules of one virtual IP and wide ranges need that)`
    : `give the cluster's name one DNS address for each host instead of ${addresses}`;
  const why = wanted === null && carried === undefined ? ', as Get-NlbCluster is not in what was given' : '';
  say('assumed', `${was === '' ? 'is' : `${was} becomes`} routed${why}: ${how}`);
  return 'routed';
}
