/**
 * Mode multicast: what an administrator enters where a router does not take a group address from an ARP answer (RFC 1812,
 * 3.3.2), and where a switch is not to flood it. The usual systems; `eth0`, `Vlan10` and the ports stand for the site's own.
 */

/**
 * @param mac         `03-BF-0A-00-00-64`, of the first virtual IP
 * @param virtualIps  all of them have that one
 */
export function staticLines(mac: string, virtualIps: readonly string[]): string {
  const colons = mac.toLowerCase().replaceAll('-', ':');
  const dotted = mac
    .toLowerCase()
    .replaceAll('-', '')
    .replace(/(.{4})(?=.)/g, '$1.');
  const dashed = mac.toLowerCase();
  const each = (line: (address: string, isV6: boolean) => string) =>
    virtualIps.map((address) => `    ${line(address, address.includes(':'))}`);
  return `${[
    `In mode multicast all virtual IPs have ${mac}. Where a router does not learn it:`,
    '  Linux',
    ...each((address) => `ip neigh replace ${address} lladdr ${colons} nud permanent dev eth0`),
    '  Windows',
    ...each(
      (address, isV6) => `netsh interface ${isV6 ? 'ipv6' : 'ipv4'} add neighbors "Ethernet" ${address} ${dashed}`,
    ),
    '  Cisco IOS, the router',
    ...each((address, isV6) => (isV6 ? `ipv6 neighbor ${address} Vlan10 ${dotted}` : `arp ${address} ${dotted} ARPA`)),
    '  Cisco IOS, a switch that is to spare the ports without a host',
    `    mac address-table static ${dotted} vlan 10 interface Gi1/0/1 Gi1/0/2`,
  ].join('\n')}\n`;
}
