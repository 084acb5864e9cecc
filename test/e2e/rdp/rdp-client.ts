/** xfreerdp before a screen that nobody sees, at whichever client address: xfreerdp itself cannot choose one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Screen {
  private constructor(
    private readonly xvfb: ChildProcess,
    readonly display: string,
  ) {}

  /** Xvfb chooses a free number and writes it to descriptor 3. */
  static async open(logFile: string): Promise<Screen> {
    const log = openSync(logFile, 'a');
    const args = ['-displayfd', '3', '-screen', '0', '800x600x24', '-nolisten', 'tcp'];
    const xvfb = spawn('Xvfb', args, { stdio: ['ignore', log, log, 'pipe'] });
    closeSync(log);
    const [said] = (await once(xvfb.stdio[3]!, 'data')) as [Buffer];
    return new Screen(xvfb, `:${said.toString().trim()}`);
  }

  async close(): Promise<void> {
    await ended(this.xvfb, 'SIGTERM');
  }
}

export class RdpClient {
  private constructor(
    private readonly client: ChildProcess,
    private readonly relay: Server,
    /** BOUNDED: two for each connection of one client. */
    private readonly sockets: ReadonlySet<Socket>,
  ) {}

  /** Logs in as root. @param from  the address that the cluster sees */
  static async logIn(
    screen: Screen,
    from: string,
    to: { host: string; port: number },
    logFile: string,
  ): Promise<RdpClient> {
    const sockets = new Set<Socket>();
    const relay = createServer((near) => {
      const far = connect({ ...to, localAddress: from });
      for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
        sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
        socket.pipe(other);
      }
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const { port } = relay.address() as AddressInfo;
    const log = openSync(logFile, 'a');
    const login = ['/u:root', '/p:any', '/cert:ignore', '/sec:tls', '/w:640', '/h:480', '/bpp:16', '-clipboard'];
    const env = { ...process.env, DISPLAY: screen.display };
    const client = spawn('xfreerdp', [`/v:127.0.0.1:${port}`, ...login], { env, stdio: ['ignore', log, log] });
    closeSync(log);
    return new RdpClient(client, relay, sockets);
  }

  /** As when its machine loses its power, or its network: nothing is said. */
  async cut(): Promise<void> {
    await ended(this.client, 'SIGKILL');
    for (const socket of this.sockets) socket.destroy();
    this.relay.close();
  }
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
