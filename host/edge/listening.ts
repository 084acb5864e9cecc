/**
 * Who listens on a TCP port of this machine. A second Envoy binds the same port without an error (SO_REUSEPORT) and takes
 * half the clients on a stale view; Node.js binds without that option, so its bind is refused where anybody listens.
 * Only then /proc is read, for the names: with tens of thousands of connections that takes a second.
 */
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, isIPv4 } from 'node:net';
import { textAt } from './text-at.js';

export interface Endpoint {
  address: string;
  port: number;
}

export interface Listening extends Endpoint {
  /** Identifies the socket in /proc/<pid>/fd. */
  inode: string;
}

/** All listening TCP sockets of this network namespace, IPv4-mapped ones as IPv4. */
export async function listeningSockets(): Promise<Listening[]> {
  const texts = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(listeningLines));
  return texts.flatMap(parseProcNet);
}

/** The kernel gives some 27 lines at once, however much is asked for. */
const CHUNK_BYTES = 4096;
const OTHER_LINE = /^ *\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4} (?!0A)[0-9A-F]{2} /m;

/**
 * Down to the first line that is no listening socket; the rest is a line for each connection, and on a busy machine takes a
 * hundred times as long. Listening ones come first: Linux, Documentation/networking/proc_net_tcp.rst. Read beside the event
 * loop, because the kernel goes through its whole table of connections where there are none. Exported for tests.
 */
export async function listeningLines(path: string): Promise<string> {
  let file: FileHandle | null = null;
  try {
    file = await open(path);
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let text = '';
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      const part = chunk.toString('latin1', 0, bytesRead);
      text += part;
      if (bytesRead === 0 || OTHER_LINE.test(part)) return text;
    }
  } catch {
    // No IPv6, or no /proc.
    return '';
  } finally {
    await file?.close();
  }
}

/** sl, local address and port, remote, state 0A (listening), queues, timer, retransmits, uid, timeout, inode. */
const LISTENING_LINE = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A (?:\S+ +){5}(\d+)/gm;

/**
 * Lines as `0: 0100007F:1DC4 00000000:0000 0A ... inode ...`; the address is in words of the machine's byte order, which
 * is little-endian on every machine Envoy is built for. Source: proc(5).
 */
export function parseProcNet(text: string): Listening[] {
  return [...text.matchAll(LISTENING_LINE)].map(([, address = '', port = '', inode = '']) => ({
    address: addressText(address),
    port: Number.parseInt(port, 16),
    inode,
  }));
}

/** The address of /proc/net/tcp and tcp6; an IPv4-mapped one is its IPv4 address. */
export function addressText(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    for (let i = 6; i >= 0; i -= 2) bytes.push(Number.parseInt(hex.slice(word + i, word + i + 2), 16));
  }
  if (bytes.length === 4) return bytes.join('.');
  const isMapped = bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes.slice(12).join('.') : ipv6Text(bytes);
}

/** The form `new URL` gives: shortest, lower case, as the cluster file's addresses are compared in. */
function ipv6Text(bytes: number[]): string {
  const words = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return canonicalIpv6(words.join(':'));
}

function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The sockets that take connections meant for one of `wanted`: the same address and port, or all addresses. */
export function takenBy(wanted: readonly Endpoint[], sockets: readonly Listening[]): Listening[] {
  const names = new Set(
    wanted.map(({ address, port }) => `${isIPv4(address) ? address : canonicalIpv6(address)} ${port}`),
  );
  const ports4 = new Set(wanted.filter((w) => isIPv4(w.address)).map((w) => w.port));
  const ports = new Set(wanted.map((w) => w.port));
  return sockets.filter(
    (s) =>
      names.has(`${s.address} ${s.port}`) ||
      (s.address === '0.0.0.0' && ports4.has(s.port)) ||
      // A socket on :: takes IPv4 too unless it says otherwise, which /proc does not show.
      (s.address === '::' && ports.has(s.port)),
  );
}

/** One sentence for each of `wanted` that somebody listens on: `10.0.0.11 TCP port 25 is taken by master (process 812)`. */
export async function takenPorts(wanted: readonly Endpoint[]): Promise<string[]> {
  const taken: Endpoint[] = [];
  for (const endpoint of wanted) if (await isTaken(endpoint)) taken.push(endpoint);
  if (taken.length === 0) return [];
  const sockets = await listeningSockets();
  return taken.map((endpoint) => {
    const [socket] = takenBy([endpoint], sockets);
    const holder = socket ? holderOf(socket) : 'a process that ended meanwhile';
    return `${endpoint.address} TCP port ${endpoint.port} is taken by ${holder}`;
  });
}

/** Other refusals (no right to a low port, an address that is not here) are for Envoy to say. */
async function isTaken({ address, port }: Endpoint): Promise<boolean> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen({ host: address, port, exclusive: true });
    await once(server, 'listening');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

/** `postfix master (process 812)`, or `an unknown process` where /proc does not show it to this user. */
export function holderOf(socket: Listening): string {
  const pid = pidsHolding(socket.inode)[0];
  if (pid === undefined) return 'an unknown process';
  const name = textAt(`/proc/${pid}/comm`)?.trim();
  return `${name || 'a process'} (process ${pid})`;
}

export function pidsHolding(inode: string): number[] {
  const link = `socket:[${inode}]`;
  return processes().filter((pid) => descriptors(pid).includes(link));
}

export function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}
