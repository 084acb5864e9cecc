/** Mode arp: that exactly one host holds the virtual IPs, by what each host says, has, and hears answered. Pure. */
import type { ClusterFile, HostName } from '../protocol/types.js';
import type { DoctorFinding, Examined } from './facts.js';

const TWO_TODO =
  'nlb display --all says who holds them; nlb stop on the other, or nlb cleanup there where no sidecar runs any more';

export function judgeHolder(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  if (file.mode !== 'arp') return [];
  return [
    ...notOnLoopback(file, examined),
    ...holders(examined),
    ...onLinks(file, examined),
    ...answers(file, examined),
  ];
}

function notOnLoopback(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  return examined.flatMap(({ facts: { host, virtualIpsHere, status } }) => {
    // A host that is out on purpose has taken them off.
    if (status.state === 'stopped') return [];
    const there = virtualIpsHere.filter((each) => each.interface === 'lo').map(({ address }) => address);
    const missing = file.virtualIps.filter((address) => !there.includes(address));
    if (missing.length === 0) return [];
    const text = `host ${host} does not have ${missing.join(', ')} on lo, so it cannot answer clients that are passed on to it`;
    return [{ check: 'holder', host, text, todo: `nlb display on ${host} says what is missing there` }];
  });
}

function holders(examined: readonly Examined[]): DoctorFinding[] {
  const holding = examined.filter(({ facts }) => facts.status.virtualIp?.isHeldHere === true);
  const names = holding.map(({ facts }) => facts.host);
  if (names.length === 1 || examined.length === 0) return [];
  const text =
    names.length === 0
      ? 'no host that answers holds the virtual IPs'
      : `the virtual IPs are held by ${names.join(' and ')}, expected one host`;
  return [
    { check: 'holder', host: null, text, todo: names.length === 0 ? 'nlb display --all says why not' : TWO_TODO },
  ];
}

/** An address that is on the link of a host without being held there is what a dead sidecar left. */
function onLinks(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  return file.virtualIps.flatMap((address) =>
    examined.flatMap(({ facts }) => {
      const there = facts.virtualIpsHere.find((each) => each.address === address && each.interface !== 'lo');
      if (there === undefined || facts.status.virtualIp?.isHeldHere === true) return [];
      const text = `host ${facts.host} has ${address} on ${there.interface} and does not hold it`;
      const todo = `if it is still there in a minute: ip address del ${address} dev ${there.interface}`;
      return [{ check: 'leftover', host: facts.host, text, todo }];
    }),
  );
}

function answers(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  const hostOf = new Map<string, HostName>();
  for (const { facts } of examined) if (facts.mac != null) hostOf.set(facts.mac, facts.host);
  return file.virtualIps.flatMap((address): DoctorFinding[] => {
    const told = examined.flatMap(({ facts }) => facts.virtualIpAnswers ?? []);
    const macs = new Set(told.filter((each) => each.address === address).map(({ mac }) => mac));
    const who = [...macs].map((mac) => `${mac} (${hostOf.get(mac) ?? 'no host of this cluster that answers'})`).sort();
    if (who.length < 2) return [];
    return [
      { check: 'holder', host: null, text: `${address} is answered for by ${who.join(' and by ')}`, todo: TWO_TODO },
    ];
  });
}
