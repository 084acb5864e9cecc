/** What the doctor could not find out, so that nobody takes silence for health. Once where it is the same on several hosts. Pure. */
import type { ClusterFile, HostName } from '../protocol/types.js';
import { dnsNotKnown } from './judge-dns.js';
import { type DnsFacts, type Examined, type HostFacts, hostsText, type NotKnown } from './facts.js';

interface Open {
  check: string;
  what: string;
}

export function notKnownOf(file: ClusterFile, examined: readonly Examined[], dns: DnsFacts | null): NotKnown[] {
  const hostsByText = new Map<string, { open: Open; hosts: HostName[] }>();
  for (const { facts } of examined) {
    for (const open of ofHost(facts)) {
      const known = hostsByText.get(open.what) ?? { open, hosts: [] };
      known.hosts.push(facts.host);
      hostsByText.set(open.what, known);
    }
  }
  const ofHosts = [...hostsByText.values()].map(({ open: { check, what }, hosts }) => ({
    check,
    host: hosts.length === 1 ? hosts[0]! : null,
    text: `${hostsText(hosts)}: ${what}`,
  }));
  return [...(dns === null ? [] : dnsNotKnown(file, dns)), ...ofHosts];
}

function ofHost({ services, answersUnknown, left, leftUnknown }: HostFacts): Open[] {
  const open: Open[] = services.flatMap(({ rule, smtp }) => {
    if (smtp === null || smtp.relays !== null) return [];
    const why = smtp.relayUnknown ?? 'it did not say so';
    return [{ check: 'relay', what: `whether the service of rule ${rule} relays for strangers: ${why}` }];
  });
  if (answersUnknown !== undefined) {
    open.push({ check: 'virtualIp', what: `who answers for the virtual IPs on the link: ${answersUnknown}` });
  }
  if (leftUnknown !== undefined) {
    open.push({ check: 'leftover', what: `which nftables tables an earlier mode left: ${leftUnknown}` });
  } else if (left === undefined) {
    open.push({ check: 'leftover', what: 'what earlier files and modes left: its sidecar is of an earlier version' });
  }
  return open;
}
