/**
 * A network of its own for tests: one namespace a host and one that is the switch.
 *
 *      n1 eth0 10.77.0.1, fd77::1 ──┐
 *      n2 eth0 10.77.0.2, fd77::2 ──┼── br0 (namespace sw) ── eth0 10.77.0.250, fd77::250 cl
 *      n3 eth0 10.77.0.3, fd77::3 ──┘
 *
 * Names carry the pid of the test, nothing is routed to the outside, and no packet of it ever leaves these namespaces.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface NetworkHost {
  name: string;
  namespace: string;
  address: string;
  /** The same last number in IPv6, as it is written: 10.77.0.12 has fd77::12. */
  address6: string;
}

/** Addresses that clients of these tests may have, all of them at `cl`: 198.18.0.0/15 (RFC 2544) and fd98::/16. */
export const CLIENT_NETWORKS = ['198.18.0.0/15', 'fd98::/16'];

export interface Network {
  hosts: NetworkHost[];
  client: NetworkHost;
  /** Takes the link of a host down at the switch (the host itself sees no carrier), or up again. */
  setLink(host: NetworkHost, up: boolean): void;
  /** Drops everything between a host and the switch in silence, the link staying up; or ends that. */
  setSilent(host: NetworkHost, silent: boolean): void;
  /** Drops everything between two hosts in silence, both ways, the client seeing both; or ends that. */
  setCut(one: NetworkHost, other: NetworkHost, cut: boolean): void;
  /** Loses a part of all packets, 0-1, at the switch. */
  setLoss(part: number): void;
  /** Gives a host a virtual IP: as its holder, or as one that has it without announcing it. */
  addVirtualIp(host: NetworkHost, address: string, role: 'holder' | 'other'): void;
  /** Loads a ruleset in a host's namespace. */
  nft(host: NetworkHost, ruleset: string): void;
  /** Starts a program inside a host's namespace. */
  spawn(host: NetworkHost, command: string, args: string[], logFd: number): ChildProcess;
  remove(): void;
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Null where a network can be made, else why not. */
export function whyNoNetwork(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const probe = `nlb-probe-${process.pid}`;
  try {
    ip('netns', 'add', probe);
    ip('netns', 'del', probe);
    execFileSync('nft', ['--version'], { stdio: 'ignore' });
    return null;
  } catch (error) {
    return `network namespaces cannot be made here: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** In a container /proc/sys is mounted for reading only; `ip netns exec` has mounts of its own, so only they change. */
export const WITH_SYSCTLS = ['sh', '-c', 'mount -o remount,rw,bind /proc/sys 2>/dev/null; exec "$@"', 'sh'] as const;

function setSysctls(namespace: string, settings: readonly string[]): void {
  execFileSync('ip', ['netns', 'exec', namespace, ...WITH_SYSCTLS, 'sysctl', '-qw', ...settings]);
}

function addHost(sw: string, host: NetworkHost): void {
  const { namespace, name, address, address6 } = host;
  ip('netns', 'add', namespace);
  ip('-n', namespace, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', name, 'netns', sw);
  ip('-n', sw, 'link', 'set', name, 'master', 'br0', 'up');
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  ip('-n', namespace, 'addr', 'add', `${address}/24`, 'brd', '+', 'dev', 'eth0');
  const ipv4 = ['net.ipv4.ip_forward=0', 'net.ipv4.conf.all.arp_announce=2', 'net.ipv4.conf.all.rp_filter=0'];
  // Nobody else is on this network. With duplicate detection even the link-local address, which asks for neighbours,
  // would be of no use for a second or two.
  const ipv6 = ['disable_ipv6', 'accept_dad'].flatMap((s) => [`net.ipv6.conf.all.${s}=0`, `net.ipv6.conf.eth0.${s}=0`]);
  setSysctls(namespace, [...ipv4, ...ipv6]);
  ip('-n', namespace, 'addr', 'add', `${address6}/64`, 'dev', 'eth0');
  ip('-n', namespace, 'link', 'set', 'eth0', 'up');
}

const isIpv6 = (address: string): boolean => address.includes(':');

/** Every client address is at `cl`, and hosts find it there. */
function addClients(hosts: NetworkHost[], client: NetworkHost): void {
  for (const network of CLIENT_NETWORKS) {
    ip('-n', client.namespace, 'route', 'add', 'local', network, 'dev', 'lo');
    const via = isIpv6(network) ? client.address6 : client.address;
    for (const { namespace } of hosts) ip('-n', namespace, 'route', 'add', network, 'via', via, 'dev', 'eth0');
  }
}

function addVirtualIp({ namespace }: NetworkHost, address: string, role: 'holder' | 'other'): void {
  const whole = isIpv6(address) ? `${address}/128` : `${address}/32`;
  const quiet = ['net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'];
  setSysctls(namespace, quiet);
  const [device, off] = role === 'holder' ? ['eth0', 'lo'] : ['lo', 'eth0'];
  // On one of the two, and never on none: open connections go on.
  ip('-n', namespace, 'addr', 'replace', whole, 'dev', device, ...(isIpv6(address) ? ['nodad'] : []));
  try {
    ip('-n', namespace, 'addr', 'del', whole, 'dev', off);
  } catch {
    // it was not there
  }
  if (role === 'holder') announce(namespace, address);
}

/** Tells everybody on the network: gratuitous ARP, or an unsolicited neighbour advertisement (ndisc_notify does it when up). */
function announce(namespace: string, address: string): void {
  const program = fileURLToPath(new URL('announce.py', import.meta.url)).replace('/build/test/', '/test/');
  execFileSync('ip', ['netns', 'exec', namespace, 'python3', program, 'eth0', address]);
}

/** Loads a ruleset in a namespace. Throws with what nft said. */
export function nft(namespace: string, ruleset: string): void {
  execFileSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: ruleset });
}

/**
 * Starts what clears the namespaces away when this process ends without doing it, be it by SIGKILL: the pipe between
 * them closes then. It is detached, so that an interrupt from the terminal does not end it first.
 */
function startCleaner(namespaces: string[]): ChildProcess {
  const script = 'read -r _; for n; do ip netns pids "$n" | xargs -r kill -9; ip netns del "$n"; done';
  const args = ['-c', script, 'cleaner', ...namespaces];
  const cleaner = spawn('sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  cleaner.unref();
  (cleaner.stdin as Socket).unref();
  return cleaner;
}

/** @param hostCount 1-32; the addresses are 10.77.0.1 and up, the client's is 10.77.0.250 */
export function createNetwork(hostCount: number): Network {
  const prefix = `nlb${process.pid}`;
  const sw = `${prefix}-sw`;
  const made = (name: string, last: number): NetworkHost => ({
    name,
    namespace: `${prefix}-${name}`,
    address: `10.77.0.${last}`,
    address6: `fd77::${last}`,
  });
  const hosts = Array.from({ length: hostCount }, (_, i) => made(`n${i + 1}`, i + 1));
  const client = made('cl', 250);
  const namespaces = [...[...hosts, client].map((h) => h.namespace), sw];
  const cleaner = startCleaner(namespaces);
  const remove = () => {
    // First of all: the next network of this process has the same names.
    cleaner.kill('SIGKILL');
    for (const namespace of namespaces) {
      try {
        ip('netns', 'del', namespace);
      } catch {
        // never made, or gone already
      }
    }
  };
  try {
    ip('netns', 'add', sw);
    ip('-n', sw, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    ip('-n', sw, 'link', 'set', 'br0', 'up');
    for (const host of [...hosts, client]) addHost(sw, host);
    addClients(hosts, client);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    hosts,
    client,
    setLink: (host, up) => ip('-n', sw, 'link', 'set', host.name, up ? 'up' : 'down'),
    setSilent: (host, silent) => {
      const table = `table bridge silent_${host.name}`;
      const chain = (hook: string, key: string) =>
        `chain ${hook} { type filter hook ${hook} priority 0; ${key} "${host.name}" drop\n }`;
      nft(sw, `add ${table}\ndelete ${table}\n`);
      if (silent) nft(sw, `${table} {\n${chain('prerouting', 'iifname')}\n${chain('postrouting', 'oifname')}\n}\n`);
    },
    setCut: (one, other, cut) => {
      const table = `table bridge cut_${one.name}_${other.name}`;
      nft(sw, `add ${table}\ndelete ${table}\n`);
      const drop = (from: NetworkHost, to: NetworkHost) => `iifname "${from.name}" oifname "${to.name}" drop`;
      const chain = `chain forward { type filter hook forward priority 0; ${drop(one, other)}; ${drop(other, one)}\n }`;
      if (cut) nft(sw, `${table} {\n${chain}\n}\n`);
    },
    setLoss: (part) => {
      nft(sw, 'add table bridge loss\ndelete table bridge loss\n');
      const rule = `numgen random mod 1000 < ${Math.round(part * 1000)} drop`;
      if (part > 0)
        nft(sw, `table bridge loss {\nchain forward { type filter hook forward priority 0; ${rule}\n }\n}\n`);
    },
    addVirtualIp,
    nft: (host, ruleset) => nft(host.namespace, ruleset),
    spawn: (host, command, args, logFd) =>
      spawn('ip', ['netns', 'exec', host.namespace, command, ...args], { stdio: ['ignore', logFd, logFd] }),
    remove,
  };
}
