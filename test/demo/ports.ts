/** Whether the demo's addresses are free, asked before anything is started; whoever has one is named. */
import { createSocket } from 'node:dgram';
import { takenPorts as takenTcpPorts } from '../../host/edge/listening.js';
import type { Layout } from './layout.js';

/** One sentence for each address that is taken, e.g. `127.0.1.1:2525 is taken by node (process 812)`. */
export async function takenPorts({ hosts, ports }: Layout): Promise<string[]> {
  const tcp = [ports.smtp, ports.service, ports.handoff, ports.channel, ports.page];
  const wanted = hosts.flatMap(({ address }) => tcp.map((port) => ({ address, port })));
  const taken = await takenTcpPorts(wanted);
  for (const { address } of hosts) {
    if (await udpTaken(address, ports.heartbeat)) taken.push(`${address} UDP port ${ports.heartbeat} is taken`);
  }
  return taken;
}

function udpTaken(address: string, port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(true);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(false)));
  });
}
