/**
 * Mode arp: a host whose Envoy does not listen yet, or not any more, refuses nobody. Its kernel would answer a SYN with a reset
 * (the one whose sequence number is 0, for nothing was said before), and the client would give up. Without an answer it asks
 * again a second later: then Envoy listens, or the view has given the client to its next owner.
 *
 * Ports of rules alone: whatever no rule covers is refused as on any machine. What starts on this host is answered, too.
 */
import type { ClusterFile } from '../protocol/types.js';

export const REFUSAL_FAMILY = 'inet';

/** The ports of all rules that listen, in order and without overlaps, as nftables wants a set. */
export function portsOf({ portRules }: Pick<ClusterFile, 'portRules'>): string[] {
  const listening = portRules.filter(
    ({ filteringMode, protocol }) => filteringMode !== 'disabled' && protocol !== 'udp',
  );
  const ranges: { first: number; last: number }[] = [];
  for (const { portFirst, portLast } of listening.sort((a, b) => a.portFirst - b.portFirst)) {
    const before = ranges.at(-1);
    if (before !== undefined && portFirst <= before.last + 1) before.last = Math.max(before.last, portLast);
    else ranges.push({ first: portFirst, last: portLast });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
}

/** Makes the table anew, or only takes it away where there is nothing to say. One transaction. */
export function refusalTable(name: string, virtualIps: readonly string[], ports: readonly string[]): string {
  const anew = `add table ${REFUSAL_FAMILY} ${name}\ndelete table ${REFUSAL_FAMILY} ${name}\n`;
  if (ports.length === 0) return anew;
  const families = [
    { word: 'ip', addresses: virtualIps.filter((address) => !address.includes(':')) },
    { word: 'ip6', addresses: virtualIps.filter((address) => address.includes(':')) },
  ].filter(({ addresses }) => addresses.length > 0);
  const reset = 'tcp flags & (syn | rst | ack) == rst | ack tcp sequence 0';
  const rules = families.map(
    ({ word, addresses }) =>
      `  oifname != "lo" ${word} saddr { ${addresses.join(', ')} } tcp sport { ${ports.join(', ')} } ${reset} counter drop\n`,
  );
  return `${anew}table ${REFUSAL_FAMILY} ${name} {
 chain output { type filter hook output priority 0; policy accept;
${rules.join('')} }
}
`;
}
