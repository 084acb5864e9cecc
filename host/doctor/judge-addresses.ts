/** Virtual IPs where they belong and nowhere else, what earlier files and modes left, and strangers that answer for one. Pure. */
import { multicastMac } from '../protocol/cluster-mac.js';
import type { ClusterFile } from '../protocol/types.js';
import { type DoctorFinding, type Examined, hostsText, type HostFacts, listText } from './facts.js';

export function judgeAddresses(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  return [...examined.flatMap(({ facts }) => [...ofMode(file, facts), ...left(facts)]), ...strangers(file, examined)];
}

/** Mode arp is judge-holder's. */
function ofMode(file: ClusterFile, facts: HostFacts): DoctorFinding[] {
  if (file.mode === 'multicast') return inMulticast(file, facts);
  if (file.mode !== 'routed') return [];
  const { host, virtualIpsHere } = facts;
  if (file.listenOn === 'virtualIp') return file.virtualIps.flatMap((address) => onLoopback(address, facts));
  return virtualIpsHere.map((each) => ({
    check: 'leftover',
    host,
    text: `host ${host} has ${each.address} on ${each.interface}, and no rule listens there (listenOn: dedicatedIp)`,
    todo: `take it off if it is left over: ${removal(each)}`,
  }));
}

function onLoopback(address: string, { host, virtualIpsHere }: HostFacts): DoctorFinding[] {
  const here = virtualIpsHere.filter((each) => each.address === address);
  const links = here.filter((each) => each.interface !== 'lo');
  if (here.length === links.length) {
    const where = links.length > 0 ? 'not on lo, but on another interface: hosts fight for it' : 'nowhere';
    const text = `host ${host} has the virtual IP ${address} ${where}`;
    return [{ check: 'virtualIp', host, text, todo: `each host needs it on lo: ip address add ${address} dev lo` }];
  }
  if (links.length === 0) return here.some(({ isOfMode }) => isOfMode) ? [ofEarlierMode(address, host)] : [];
  return links.map((each) => ({
    check: 'leftover',
    host,
    text: `host ${host} has the virtual IP ${address} on ${each.interface} beside lo: hosts fight for it on that link`,
    todo: `take it off there: ${removal(each)}`,
  }));
}

/** After a change of mode it stays for what is open there, and nobody puts it back when the machine starts. */
function ofEarlierMode(address: string, host: string): DoctorFinding {
  const text = `host ${host} has ${address} on lo from an earlier mode: it is gone when the machine is started anew`;
  const again = `ip address del ${address}/32 dev lo && ip address add ${address}/32 dev lo`;
  const lasting = `put it, and arp_ignore 1 and arp_announce 2 of the link, into the network configuration of ${host}`;
  return { check: 'leftover', host, text, todo: `${lasting}; then once: ${again}` };
}

function inMulticast(file: ClusterFile, { host, status, virtualIpsHere }: HostFacts): DoctorFinding[] {
  // A host that is out on purpose has taken them off, and one that is outside answers for none.
  const isOutside = status.hosts.some(({ name, state }) => name === host && state === 'outside');
  if (status.state === 'stopped' || isOutside) return [];
  const there = virtualIpsHere.filter((each) => each.interface !== 'lo').map(({ address }) => address);
  const missing = file.virtualIps.filter((address) => !there.includes(address));
  if (missing.length === 0) return [];
  const device = status.virtualIp?.device ?? 'its interface';
  const text = `host ${host} does not have ${missing.join(', ')} on ${device}, so it takes no packet for ${missing.length === 1 ? 'it' : 'them'}`;
  return [{ check: 'virtualIp', host, text, todo: `nlb display on ${host} says what is missing there` }];
}

/** What a file or a mode before this one put there. */
function left({ host, left: found }: HostFacts): DoctorFinding[] {
  if (found === undefined) return [];
  const say = (text: string, todo: string): DoctorFinding => ({ check: 'leftover', host, text, todo });
  return [
    ...found.addresses.map((each) => {
      const why = each.wasInFile ? 'an earlier cluster file had as virtual IP' : 'is marked as a virtual IP of nlb';
      const text = `host ${host} has ${each.address} on ${each.interface}, which ${why} and the one in force does not list`;
      return say(text, `take it off unless another cluster on this machine has it: ${removal(each)}`);
    }),
    ...found.tables.map((table) =>
      say(
        `host ${host} has the nftables table ${table}, which mode ${found.mode} does not use: it still works on packets`,
        `take it out: nft delete table ${table}`,
      ),
    ),
  ];
}

/** Asked on the link of each host; in mode arp who holds them is judged with it (judge-holder). */
function strangers(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  if (file.mode === 'arp') return [];
  const own = new Set(examined.map(({ facts }) => facts.mac));
  if (file.mode === 'multicast') own.add(multicastMac(file.virtualIps));
  const names = examined.map(({ facts }) => facts.host);
  return file.virtualIps.flatMap((address) => {
    const told = examined.flatMap(({ facts }) => facts.virtualIpAnswers ?? []);
    const macs = new Set(told.filter((each) => each.address === address && !own.has(each.mac)).map(({ mac }) => mac));
    if (macs.size === 0) return [];
    const text = `${address} is answered for by ${listText([...macs].sort())}, which is none of ${hostsText(names)}`;
    const todo = `find the machine (ip neigh, the switch's table) and take ${address} off it`;
    return [{ check: 'virtualIp', host: null, text, todo }];
  });
}

function removal({ address, interface: device }: { address: string; interface: string }): string {
  return `ip address del ${address} dev ${device}`;
}
