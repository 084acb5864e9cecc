/**
 * How a sidecar says to its own kernel that it lives: datagrams to a port of loopback that a rule takes
 * (multicast-ruleset.ts). It costs no process, and comes from the very clock that others count by. docs/decisions/0021.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';

/** Discard (RFC 863): nothing listens there, and what is sent to it is dropped before it could arrive. */
const PORT = 9;

export class LifeSign {
  /** What says that a renewal begins, and what renews. */
  private readonly tokens = { begin: randomBytes(8), renew: randomBytes(8) };
  private socket: Socket | null = null;

  /** As the rules need it. */
  get renewal(): { port: number; begin: string; renew: string } {
    const { begin, renew } = this.tokens;
    return { port: PORT, begin: begin.toString('hex'), renew: renew.toString('hex') };
  }

  /** Connected, so that a datagram is in the kernel before `send` returns. What the rules drop is an error of its callback. */
  async open(): Promise<void> {
    const socket = createSocket('udp4');
    socket.unref();
    // Where the rules are gone the port answers that nobody listens.
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.connect(PORT, '127.0.0.1', resolve));
    this.socket = socket;
  }

  begin(): void {
    this.socket?.send(this.tokens.begin, () => {});
  }

  /** @param onThrough  no rule took it */
  renew(onThrough: () => void): void {
    this.socket?.send(this.tokens.renew, (error) => {
      // The rule that takes it drops it, and says so.
      if (error === null) onThrough();
    });
  }

  close(): void {
    this.socket?.close();
    this.socket = null;
  }
}
