/** `ip` and `ss` of iproute2: interfaces, neighbours and open connections, in JSON where they speak it. */
import { EdgeError } from './edge-error.js';
import { complaintOf, runProgram } from './nft.js';

export interface Interface {
  name: string;
  /** Of this very interface: one that went and came back has another. */
  index: number;
  /** Ethernet address; null for an interface that has none, as a tunnel. */
  mac: string | null;
  isUp: boolean;
  addresses: { address: string; prefixLength: number }[];
}

interface ListedInterface {
  ifname: string;
  ifindex: number;
  link_type: string;
  address?: string;
  flags: string[];
  addr_info?: { local?: string; prefixlen: number }[];
}

interface ListedNeighbour {
  dst: string;
  dev: string;
  lladdr?: string;
}

/** A TCP connection of this host; addresses as ss prints them, without brackets. */
export interface OpenConnection {
  local: string;
  localPort: number;
  remote: string;
  remotePort: number;
}

export class Ip {
  /** @param prefix  what goes before `ip`, for tests in a namespace */
  constructor(private readonly prefix: readonly string[] = []) {}

  /** `ip ARGS`. Throws KERNEL_REFUSED with what ip said. */
  async run(...args: string[]): Promise<string> {
    const result = await runProgram([...this.prefix, 'ip', ...args]);
    if (result.code === 0) return result.stdout;
    const complaint = /not installed/.test(result.stderr)
      ? 'ip is not installed: install iproute2'
      : complaintOf(result);
    throw new EdgeError('KERNEL_REFUSED', `Cannot do "ip ${args.join(' ')}": ${complaint}`);
  }

  private async json<T>(...args: string[]): Promise<T[]> {
    const text = await this.run('-j', ...args);
    return text.trim() === '' ? [] : (JSON.parse(text) as T[]);
  }

  async interfaces(): Promise<Interface[]> {
    const listed = await this.json<Partial<ListedInterface>>('addr', 'show');
    return listed.flatMap((one) => (one.ifname === undefined ? [] : [interfaceOf(one as ListedInterface)]));
  }

  /** MAC address by address, of the neighbours known on an interface. */
  async neighbours(device: string): Promise<Map<string, string>> {
    const listed = await this.json<ListedNeighbour>('neigh', 'show', 'dev', device);
    return new Map(listed.flatMap(({ dst, lladdr }) => (lladdr ? [[dst, lladdr] as const] : [])));
  }

  /** The TCP connections of these local addresses that are or were established; those half open count too. */
  async connections(addresses: readonly string[]): Promise<OpenConnection[]> {
    if (addresses.length === 0) return [];
    const written = addresses.map((address) => (address.includes(':') ? `[${address}]` : address));
    const filter = written.flatMap((address, i) => (i === 0 ? [] : ['or']).concat('src', address));
    const command = [...this.prefix, 'ss', '-Htan', '(', ...filter, ')'];
    const result = await runProgram(command);
    if (result.code !== 0) {
      throw new EdgeError('KERNEL_REFUSED', `Cannot list open connections with ss: ${complaintOf(result)}`);
    }
    return result.stdout.split('\n').flatMap((line) => connectionOf(line) ?? []);
  }
}

function interfaceOf({ ifname, ifindex, link_type, address, flags, addr_info = [] }: ListedInterface): Interface {
  return {
    name: ifname,
    index: ifindex,
    mac: link_type === 'ether' && address ? address : null,
    isUp: flags.includes('UP') && flags.includes('LOWER_UP'),
    addresses: addr_info.flatMap(({ local, prefixlen }) =>
      local === undefined ? [] : [{ address: local, prefixLength: prefixlen }],
    ),
  };
}

/** `ESTAB 0 0 10.0.0.100:25 192.0.2.1:40000`; IPv6 in brackets, with `%eth0` behind an address of one link. */
function connectionOf(line: string): OpenConnection | null {
  const [state, , , local, remote] = line.trim().split(/\s+/);
  if (!local || !remote || state === 'LISTEN') return null;
  const [localAddress, localPort] = endpointOf(local);
  const [remoteAddress, remotePort] = endpointOf(remote);
  return { local: localAddress, localPort, remote: remoteAddress, remotePort };
}

function endpointOf(text: string): [string, number] {
  const colon = text.lastIndexOf(':');
  const address = text
    .slice(0, colon)
    .replace(/[[\]]/g, '')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/, '');
  return [address, Number(text.slice(colon + 1))];
}
