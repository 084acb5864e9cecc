/** `nlb ip2mac`: the Ethernet addresses of a virtual IP, as Windows NLB made them. */
import { lookup } from 'node:dns/promises';
import { clusterMac, igmpGroup } from '../protocol/cluster-mac.js';
import { parseAddress } from '../protocol/config/address.js';
import type { InForce } from '../protocol/types.js';
import { SIDECAR_OPTIONS, type Call, type Verb } from './args.js';
import { ask, saidBy } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, wrapped } from './output.js';
import { staticLines } from './static-arp.js';
import type { Terminal } from './terminal.js';

interface Macs {
  virtualIp: string;
  unicast: string | null;
  multicast: string | null;
  /** Null for IPv6. */
  igmp: string | null;
  igmpGroup: string | null;
}

export const verb: Verb = {
  usage: 'nlb ip2mac [ADDRESS|NAME ...] [--host NAME|N] [--state-dir DIR] [--json]',
  help: `
Tells the MAC addresses that a virtual IP has where hosts share one (modes
unicast, multicast and igmp), e.g. for a static ARP entry in a router. Without
an argument: those of the cluster's virtual IPs, from the running sidecar; in
mode multicast with the lines that routers and switches may need.

Exit code 0: told. 1: the cluster has no virtual IP. 2: no such address or name.
3: no sidecar answers.`,
  options: SIDECAR_OPTIONS,
  positionals: { min: 0, max: 32 },
  async run(call, terminal) {
    if (call.positionals.length > 0) {
      const addresses = await Promise.all(call.positionals.map(addressesOf));
      return say(call, terminal, null, addresses.flat().map(macsOf));
    }
    const { file } = await inForce(call, terminal);
    return say(call, terminal, file.mode, file.virtualIps.map(macsOf));
  },
};

function macsOf(virtualIp: string): Macs {
  const address = parseAddress(virtualIp)!;
  return {
    virtualIp,
    unicast: clusterMac(address, 'unicast'),
    multicast: clusterMac(address, 'multicast'),
    igmp: clusterMac(address, 'igmp'),
    igmpGroup: igmpGroup(address),
  };
}

function say(call: Call, terminal: Terminal, mode: string | null, macs: Macs[]): number {
  if (call.flag('json')) terminal.out(jsonText({ mode, addresses: macs }));
  else {
    const first = macs[0];
    const lines =
      mode === 'multicast' && first !== undefined
        ? staticLines(
            first.multicast!,
            macs.map((each) => each.virtualIp),
          )
        : '';
    terminal.out([...macs.map(macsText), modeText(mode, macs), lines].filter((text) => text !== '').join('\n'));
  }
  return macs.length > 0 ? EXIT.yes : EXIT.no;
}

function macsText({ virtualIp, unicast, multicast, igmp, igmpGroup: group }: Macs): string {
  const lines = [`Virtual IP ${virtualIp}`, `  Unicast    ${unicast}`, `  Multicast  ${multicast}`];
  lines.push(igmp === null ? '  IGMP       none: its groups are IPv4' : `  IGMP       ${igmp}, group ${group}`);
  return `${lines.join('\n')}\n`;
}

function modeText(mode: string | null, macs: readonly Macs[]): string {
  if (macs.length === 0)
    return wrapped(`The cluster has no virtual IP (virtualIps), so there is no MAC address of one`);
  if (mode !== 'routed' && mode !== 'arp') return '';
  return wrapped(
    `The cluster is in mode ${mode}: its hosts share no MAC address, each card keeps its own. These are what it would have.`,
  );
}

async function addressesOf(text: string): Promise<string[]> {
  const address = parseAddress(text);
  if (address !== null) return [address.text];
  try {
    const found = await lookup(text, { all: true });
    return found.map((each) => parseAddress(each.address)!.text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(EXIT.usage, `${text} is no IP address, and DNS knows no host of that name (${code})`);
  }
}

async function inForce(call: Call, terminal: Terminal): Promise<InForce> {
  const { code, body } = await ask(await findSidecar(call, terminal), 'GET', '/in-force');
  if (code === 200) return body as InForce;
  throw new CliError(EXIT.refused, saidBy(body));
}
