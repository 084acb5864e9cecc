/**
 * NLB's settings that have no like here, with the value that everybody had and why it is left behind. Whoever changed one is
 * told; at its default it says nothing. Names and defaults: docs/windows-nlb.md.
 */
import type { NlbSetting } from './source.js';

interface LeftBehind {
  /** Values that nobody set on purpose. */
  usual: readonly string[];
  why: string;
}

const NO_DRIVER = 'there is no driver here whose tables it would size';
const NO_MAC = 'in mode multicast the MAC address follows from the first virtual IP, in the others none is shared';
const OWN_MAC = "frames leave with the card's own address here";
const ICMP = 'echo requests are answered by the default host in mode multicast, else by whoever has the address';
const TRACKING = 'open connections stay where they are by themselves and need no tracking time';
const TEAMING = 'reverse hashing of a firewall between two clusters is not supported';
const REMOTE = 'it is off here; a shared password over UDP is never spoken';

const LEFT_BEHIND: Readonly<Record<string, LeftBehind>> = {
  IPToMACEnable: { usual: ['ENABLED'], why: NO_MAC },
  McastIPAddress: { usual: ['0.0.0.0', ''], why: 'no host joins an IGMP group here' },
  MulticastARPEnable: { usual: ['ENABLED'], why: 'mode multicast always answers ARP with its MAC address' },
  MaskSourceMAC: { usual: ['ENABLED'], why: OWN_MAC },
  MaskSourceMac: { usual: ['True'], why: OWN_MAC },
  UnicastInterHostCommSupport: { usual: ['DISABLED', '0'], why: 'hosts always reach each other here' },
  NumActions: { usual: ['100', '50'], why: NO_DRIVER },
  NumPackets: { usual: ['200'], why: NO_DRIVER },
  NumAliveMsgs: { usual: ['66'], why: NO_DRIVER },
  DescriptorsPerAlloc: { usual: ['512'], why: NO_DRIVER },
  MaxDescriptorAllocs: { usual: ['512'], why: NO_DRIVER },
  TCPConnectionTimeout: { usual: ['60'], why: TRACKING },
  IPSecConnectionTimeout: { usual: ['86400'], why: 'IPSec is not carried' },
  GreDescriptorTimeout: { usual: ['10'], why: 'GRE is not carried' },
  FilterICMP: { usual: ['DISABLED'], why: ICMP },
  FilterIcmp: { usual: ['0', 'False'], why: ICMP },
  IcmpFilteringEnabled: { usual: ['False'], why: ICMP },
  MaxConnectionDescriptors: { usual: ['262144'], why: NO_DRIVER },
  ScaleSingleClient: { usual: ['DISABLED'], why: 'affinity none spreads the connections of one client' },
  NBTSupportEnable: { usual: ['ENABLED'], why: 'NetBIOS is not carried' },
  NetmonAliveMsgs: { usual: ['DISABLED'], why: 'heartbeats are plain UDP packets that tcpdump shows' },
  IPChangeDelay: { usual: ['60000'], why: 'the virtual IP is not changed by another program here' },
  ConnectionCleanupDelay: { usual: ['300000'], why: TRACKING },
  RemoteControlEnabled: { usual: ['DISABLED'], why: REMOTE },
  RemoteControlUDPPort: { usual: ['2504'], why: REMOTE },
  RemoteControlCode: { usual: ['00000000'], why: REMOTE },
  RemoteMaintenanceEnabled: { usual: ['00000000'], why: REMOTE },
  BDATeaming: { usual: ['NO'], why: TEAMING },
  TeamID: { usual: [''], why: TEAMING },
  Master: { usual: ['NO'], why: TEAMING },
  ReverseHash: { usual: ['NO'], why: TEAMING },
  IdentityHeartbeatPeriod: { usual: ['10000'], why: 'every heartbeat names its host' },
  IdentityHeartbeatEnabled: { usual: ['ENABLED'], why: 'every heartbeat names its host' },
};

/** What an output says of itself and its network; nothing to carry. */
const FACTS = new Set(
  (
    'ParametersVersion CurrentVersion EffectiveVersion InstallDate ClusterNetworkMask DedicatedNetworkMask ' +
    'ClusterNetworkAddress SubnetMask'
  ).split(' '),
);
/** Carried over elsewhere. */
const CARRIED = new Set(['AliveMsgPeriod', 'AliveMsgTolerance']);

/** Why a setting is left behind, or null where it is carried or says nothing. */
export function whyLeftBehind({ name, value }: NlbSetting): string | null {
  if (FACTS.has(name) || CARRIED.has(name)) return null;
  const known = LEFT_BEHIND[name];
  if (known === undefined) return 'nlb import does not know it';
  return known.usual.some((usual) => usual.toLowerCase() === value.toLowerCase()) ? null : known.why;
}
