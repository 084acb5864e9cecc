/**
 * The heartbeat socket: a small interface and a small file. What arrives is an event with its sender, what fails is an
 * event too (EPERM of a firewall, ENETUNREACH of a cable, ENOBUFS): nothing throws in the socket's handlers.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { EdgeError, systemCode } from './edge-error.js';

export interface UdpEvents {
  onPacket(fromAddress: string, fromPort: number, bytes: Uint8Array): void;
  /** A send or receive that failed; `toAddress` is null where the system does not say for which. */
  onError(code: string, toAddress: string | null): void;
}

export interface UdpSocket {
  /** Never throws; a failure comes as `onError`. */
  send(toAddress: string, toPort: number, bytes: Uint8Array): void;
  /** Packets handed to the system and not yet sent. */
  readonly pendingCount: number;
  close(): Promise<void>;
}

/**
 * BOUNDED: sends under way. The system takes a datagram at once or refuses it; more than this many waiting means that the
 * event loop is late, and a heartbeat that waits is worth nothing. 4 rounds to 31 hosts with room for probes.
 */
const PENDING_MAX = 512;

/**
 * Binds the heartbeat port of one host.
 *
 * @throws EdgeError PORT_TAKEN where another process has it (a second sidecar of the same host, most often)
 */
export function openUdp(address: string, port: number, events: UdpEvents): Promise<UdpSocket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', reuseAddr: false });
  let pendingCount = 0;
  let closed = false;

  function send(toAddress: string, toPort: number, bytes: Uint8Array): void {
    if (closed) return;
    if (pendingCount >= PENDING_MAX) {
      events.onError('ENOBUFS', toAddress);
      return;
    }
    pendingCount += 1;
    socket.send(bytes, toPort, toAddress, (error) => {
      pendingCount -= 1;
      if (error && !closed) events.onError(systemCode(error), toAddress);
    });
  }

  function close(): Promise<void> {
    if (closed) return Promise.resolve();
    closed = true;
    return new Promise((resolve) => socket.close(() => resolve()));
  }

  return new Promise((resolve, reject) => {
    const onBindError = (error: Error) => reject(bindError(address, port, error));
    socket.once('error', onBindError);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', onBindError);
      socket.on('error', (error) => events.onError(systemCode(error), null));
      socket.on('message', (bytes, from) => events.onPacket(from.address, from.port, bytes));
      resolve({
        send,
        close,
        get pendingCount() {
          return pendingCount;
        },
      });
    });
  });
}

function bindError(address: string, port: number, error: Error): EdgeError {
  const code = systemCode(error);
  const why: Record<string, string> = {
    EADDRINUSE: 'another process has it; a second sidecar of this host? (ss -ulpn)',
    EADDRNOTAVAIL: `this machine does not have the address ${address} (ip address)`,
    EACCES: 'not permitted',
  };
  const text = `Cannot listen for heartbeats on ${address} UDP port ${port}: ${why[code] ?? code}`;
  return new EdgeError('PORT_TAKEN', text);
}
