/**
 * A service as mail servers are: it speaks first (`220 NAME client=ADDRESS:PORT to=ADDRESS:PORT`), then echoes. With
 * PROXY protocol it reads the header itself, so that what it shows is what a mail server would log.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { parseProxyHeader } from './proxy-header.js';

export interface TestService {
  name: string;
  /** Greetings sent, one for each connection that got as far as a service sees it. */
  greetedCount(): number;
  /** Connections accepted, also those that never sent a header. */
  acceptedCount(): number;
  openCount(): number;
  /** Stops listening, so that connects are refused; open connections stay. */
  refuse(): Promise<void>;
  /** Listens again. */
  accept(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  name: string;
  /** `127.0.30.1:3525` as listen() takes it, or a path. */
  listen: { host: string; port: number } | { path: string };
  proxyProtocol: 'v1' | 'v2' | 'none';
}

export async function startService(options: ServiceOptions): Promise<TestService> {
  const open = new Set<Socket>();
  let greetedCount = 0;
  let acceptedCount = 0;
  let server: Server | null = null;
  const onConnection = (socket: Socket) => {
    acceptedCount++;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    greet(options, socket, () => greetedCount++);
  };
  const accept = async () => {
    server = createServer(onConnection);
    await listening(server, options.listen);
  };
  const refuse = async () => {
    server?.close();
    server = null;
  };
  const stop = async () => {
    await refuse();
    for (const socket of open) socket.destroy();
  };
  await accept();
  return {
    name: options.name,
    greetedCount: () => greetedCount,
    acceptedCount: () => acceptedCount,
    openCount: () => open.size,
    refuse,
    accept,
    stop,
  };
}

function greet(options: ServiceOptions, socket: Socket, onGreeted: () => void): void {
  const say = (client: string, to: string) => {
    onGreeted();
    socket.write(`220 ${options.name} client=${client} to=${to}\r\n`);
    socket.on('data', (chunk) => socket.write(chunk));
  };
  if (options.proxyProtocol === 'none') {
    say(`${socket.remoteAddress ?? 'unix'}:${socket.remotePort ?? 0}`, `${socket.localAddress ?? 'unix'}:0`);
    return;
  }
  let received = Buffer.alloc(0);
  const onHeader = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const header = parseProxyHeader(received);
    if (header === 'more') return;
    socket.off('data', onHeader);
    if (header === 'none' || header.version !== options.proxyProtocol) return void socket.destroy();
    say(header.client, header.to);
    const rest = received.subarray(header.length);
    if (rest.length > 0) socket.write(rest);
  };
  socket.on('data', onHeader);
}

function listening(server: Server, listen: ServiceOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...listen, backlog: 4096 }, () => resolve());
  });
}
