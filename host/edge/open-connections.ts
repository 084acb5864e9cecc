/**
 * Who is connected to this host's listeners, read from /proc/net/tcp and tcp6: Envoy counts its connections and names none. A
 * piece at a time between other work, for with ten thousand connections those files are some 1.5 MB. Needs no right and no tool.
 */
import { createReadStream } from 'node:fs';
import type { Endpoint } from './listening.js';
import { addressText } from './listening.js';

export interface OpenConnection {
  local: Endpoint;
  remote: Endpoint;
}

/** One line of at most some 180 bytes; a piece of 64 KiB has about 430. */
const PIECE_BYTES = 64 * 1024;

/**
 * Open: ESTABLISHED, CLOSE_WAIT, and the two FIN_WAITs, where one side has said that it has no more to send. An inode of 0 is a
 * socket that nobody holds any more.
 */
const LINE = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) (?:01|04|05|08) (?:\S+ +){5}(\d+)/;

/** @returns null for a line of another state, of another port, or none at all. Source: proc(5) */
export function parseConnection(line: string, ports: ReadonlySet<number>): OpenConnection | null {
  const match = LINE.exec(line);
  if (match === null || match[5] === '0') return null;
  const [, localAddress = '', localPort = '', remoteAddress = '', remotePort = ''] = match;
  const port = Number.parseInt(localPort, 16);
  if (!ports.has(port)) return null;
  return {
    local: { address: addressText(localAddress), port },
    remote: { address: addressText(remoteAddress), port: Number.parseInt(remotePort, 16) },
  };
}

/** Every connection whose own end has one of `ports`. A file that cannot be read holds none. */
export async function openConnections(
  ports: ReadonlySet<number>,
  see: (connection: OpenConnection) => void,
  paths: readonly string[] = ['/proc/net/tcp', '/proc/net/tcp6'],
): Promise<void> {
  for (const path of paths)
    await readLines(path, (line) => {
      const connection = parseConnection(line, ports);
      if (connection !== null) see(connection);
    });
}

async function readLines(path: string, see: (line: string) => void): Promise<void> {
  let rest = '';
  try {
    for await (const piece of createReadStream(path, { encoding: 'latin1', highWaterMark: PIECE_BYTES })) {
      const lines = (rest + String(piece)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) see(line);
    }
  } catch {
    // No IPv6 here, or no /proc: what is left is then counted by Envoy alone.
  }
  if (rest !== '') see(rest);
}
