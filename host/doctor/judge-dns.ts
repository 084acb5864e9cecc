/** What DNS says of a cluster against its file: the name forward, and each address back to a name that leads forward to it. Pure. */
import type { ClusterFile } from '../protocol/types.js';
import {
  type DnsFacts,
  type DoctorFinding,
  isNoSuchName,
  listText,
  type NotKnown,
  type ReverseFacts,
} from './facts.js';

const PTR_TODO = 'ask whoever gave you the address for a PTR record; mail servers refuse senders without';

export function judgeDns(file: ClusterFile, dns: DnsFacts): DoctorFinding[] {
  return [...forward(file, dns), ...dns.reverse.flatMap(back)];
}

function forward(file: ClusterFile, dns: DnsFacts): DoctorFinding[] {
  const expected = file.listenOn === 'dedicatedIp' ? file.hosts.map((host) => host.dedicatedIp) : file.virtualIps;
  const what = file.listenOn === 'dedicatedIp' ? 'one address for each host' : 'the virtual IPs';
  if (dns.addresses === null) {
    if (dns.failure !== null && !isNoSuchName(dns.failure)) return [];
    const text = `${file.clusterName} has no address in DNS: ${dns.failure}`;
    return [finding(text, `give it ${what}: ${expected.join(', ')}`)];
  }
  const missing = expected.filter((address) => !dns.addresses!.includes(address));
  const strange = dns.addresses.filter((address) => !expected.includes(address));
  const found: DoctorFinding[] = [];
  if (missing.length > 0) {
    const text = `${file.clusterName} does not lead to ${missing.join(', ')} in DNS`;
    found.push(finding(text, `add the addresses: it needs ${what}`));
  }
  if (strange.length > 0) {
    const text = `${file.clusterName} leads to ${strange.join(', ')} in DNS, which no host of the cluster has`;
    found.push(finding(text, 'take them out, or add the host to the cluster file'));
  }
  return found;
}

/** One name that leads back is enough, as it is for receivers of mail. */
function back({ address, names, failure }: ReverseFacts): DoctorFinding[] {
  if (names.length === 0) {
    if (failure !== null && !isNoSuchName(failure)) return [];
    return [finding(`${address} leads to no name in DNS (PTR): ${failure ?? 'no answer'}`, PTR_TODO)];
  }
  if (names.some(({ addresses }) => addresses?.includes(address))) return [];
  // While one of them could not be looked up, it is not known whether that one leads back.
  if (names.some((each) => each.failure !== null && !isNoSuchName(each.failure))) return [];
  const where = names.map(
    ({ name, addresses }) => `${name}, which leads to ${listText(addresses ?? []) || 'no address'}`,
  );
  const text = `${address} leads to ${where.join('; to ')} (PTR in DNS), and not back to ${address}`;
  const todo = `give ${names[0]!.name} that address, or the address another PTR record; mail servers refuse senders whose name does not lead back`;
  return [finding(text, todo)];
}

/** Questions that DNS did not answer. */
export function dnsNotKnown(file: ClusterFile, { addresses, failure, reverse, notAsked }: DnsFacts): NotKnown[] {
  const texts: string[] = [];
  if (addresses === null && failure !== null && !isNoSuchName(failure)) {
    texts.push(`where ${file.clusterName} leads to in DNS: ${failure}`);
  }
  for (const { address, names, failure: why } of reverse) {
    if (why !== null && !isNoSuchName(why)) texts.push(`which name ${address} has in DNS (PTR): ${why}`);
    if (names.some((each) => each.addresses?.includes(address))) continue;
    for (const each of names) {
      if (each.failure === null || isNoSuchName(each.failure)) continue;
      texts.push(`whether ${each.name}, the name of ${address}, leads back to it: ${each.failure}`);
    }
  }
  if (notAsked !== undefined) texts.push(`the names of ${notAsked.join(', ')} (PTR): too many to ask at once`);
  return texts.map((text) => ({ check: 'dns', host: null, text }));
}

function finding(text: string, todo: string): DoctorFinding {
  return { check: 'dns', host: null, text, todo };
}
