/** Which port rules a person means with a port and a virtual IP, as nlb.exe's `[vip:|ALL:](port|ALL)`. Pure. */
import { parseAddress } from '../protocol/config/address.js';
import type { PortRule } from '../protocol/types.js';

type Held = Pick<PortRule, 'name' | 'portFirst' | 'portLast' | 'virtualIp'>;

/** `isLawful`: the question was, and no rule holds that port. */
export type RulesMeant<Rule> = { ok: true; rules: Rule[] } | { ok: false; isLawful: boolean; text: string };

/**
 * @param port  `25`, or `all`
 * @param vip   null: whatever the virtual IP. An address: the rule that takes what comes to it, its own or the one of all.
 *              `all`: rules of all virtual IPs alone
 */
export function rulesMeant<Rule extends Held>(
  file: { virtualIps: readonly string[]; portRules: readonly Rule[] },
  port: string,
  vip: string | null,
): RulesMeant<Rule> {
  const wanted = port.toLowerCase() === 'all' ? null : Number(port);
  if (wanted !== null && !(/^[0-9]{1,5}$/.test(port) && wanted <= 65535)) {
    return { ok: false, isLawful: false, text: `port is ${port}, expected 0-65535 or all` };
  }
  const held = file.portRules.filter(
    (rule) => wanted === null || (rule.portFirst <= wanted && wanted <= rule.portLast),
  );
  const rules = vip === null ? held : ofVirtualIp(file, held, vip, wanted !== null);
  if (rules === null) return { ok: false, isLawful: false, text: `vip is ${vip}, expected all${virtualIpList(file)}` };
  if (rules.length > 0) return { ok: true, rules };
  const at = vip === null ? '' : ` of virtual IP ${vip}`;
  return {
    ok: false,
    isLawful: true,
    text: `No port rule holds port ${port}${at}; there are ${file.portRules.map(described).join(', ')}`,
  };
}

/** `smtp (25)`, `web (80-89 of 10.0.0.100)`. */
export function described({ name, portFirst, portLast, virtualIp }: Held): string {
  const ports = portFirst === portLast ? String(portFirst) : `${portFirst}-${portLast}`;
  return `${name} (${ports}${virtualIp === null ? '' : ` of ${virtualIp}`})`;
}

function ofVirtualIp<Rule extends Held>(
  { virtualIps }: { virtualIps: readonly string[] },
  held: Rule[],
  vip: string,
  isOnePort: boolean,
): Rule[] | null {
  const ofAll = held.filter((rule) => rule.virtualIp === null);
  if (vip.toLowerCase() === 'all') return ofAll;
  const address = parseAddress(vip)?.text;
  if (address === undefined || !virtualIps.includes(address)) return null;
  const own = held.filter((rule) => rule.virtualIp === address);
  // A rule of one virtual IP beats one of all; of all ports both have some.
  return own.length > 0 && isOnePort ? own : [...own, ...ofAll];
}

function virtualIpList({ virtualIps }: { virtualIps: readonly string[] }): string {
  return virtualIps.length === 0 ? ' (the cluster has no virtual IP)' : ` or one of ${virtualIps.join(', ')}`;
}
