/**
 * The redirect of many ports to one listener, as an nftables ruleset:
 *
 *     table inet envoy_nlb_redirect_mail_example_org_mail1 {
 *       chain prerouting {
 *         type nat hook prerouting priority dstnat; policy accept;
 *         iif lo return
 *         ip daddr 10.0.0.100 tcp dport { 1-24, 26-65535 } dnat ip to 10.0.0.100:7624
 *       }
 *     }
 *
 * The address stays, so that the answer comes from it and nothing needs route_localnet. Connection tracking remembers where
 * the client wanted to (Envoy asks for it, SO_ORIGINAL_DST) and keeps open connections when the table changes or goes. What
 * this host itself connects to is left alone: that is how its Envoy reaches the program behind a port.
 */
import type { PortRange } from '../protocol/config/ports.js';
import type { Redirect } from '../protocol/xds/index.js';
import { tableName } from './names.js';

export const REDIRECT_FAMILY = 'inet';

/** Hosts of one cluster may share a machine (a test cluster), so the host's name is part of it. */
export function redirectTable(clusterName: string, hostName: string): string {
  return tableName('redirect', `${clusterName} ${hostName}`);
}

/** One transaction: what was there is replaced, and at no moment is there neither. */
export function redirectRuleset(table: string, redirects: readonly Redirect[]): string {
  const name = `${REDIRECT_FAMILY} ${table}`;
  const fresh = `add table ${name}\ndelete table ${name}\n`;
  if (redirects.length === 0) return fresh;
  return `${fresh}table ${name} {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iif lo return
${redirects.map((redirect) => `    ${ruleOf(redirect)}\n`).join('')}  }
}
`;
}

function ruleOf({ address, ranges, toPort }: Redirect): string {
  const ports = ranges.map(portsText).join(', ');
  if (address.includes(':')) return `ip6 daddr ${address} tcp dport { ${ports} } dnat ip6 to [${address}]:${toPort}`;
  return `ip daddr ${address} tcp dport { ${ports} } dnat ip to ${address}:${toPort}`;
}

function portsText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}
