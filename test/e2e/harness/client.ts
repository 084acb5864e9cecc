/** Clients with a chosen source address: all of 127/8 is ours on loopback, no interface is needed. */
import { connect, type Socket } from 'node:net';

export interface TestClient {
  /** All bytes received so far. */
  received(): string;
  /** Resolves with the first line, or with how the connection ended without one: `closed`, `refused ECONNREFUSED`. */
  firstLine(): Promise<string>;
  /** Resolves when `text` came back, rejects where the connection ends before. */
  echo(text: string): Promise<void>;
  isOpen(): boolean;
  /** Resolves when the connection has ended, by whomever. */
  ended(): Promise<void>;
  send(bytes: Buffer | string): void;
  close(): void;
  /** The port this client connected from. */
  port(): number;
}

export interface ClientOptions {
  from: string;
  to: { host: string; port: number };
  /** Sent as soon as connected. */
  first?: Buffer;
}

export function openClient(options: ClientOptions): TestClient {
  const socket = connect({ ...options.to, localAddress: options.from });
  let received = '';
  let end: string | null = null;
  const onChange = new Set<() => void>();
  const changed = () => {
    for (const listener of [...onChange]) listener();
  };
  socket.on('connect', () => options.first && socket.write(options.first));
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    changed();
  });
  socket.on('end', () => socket.destroy());
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end ??= `refused ${error.code}`;
    changed();
  });
  socket.on('close', () => {
    end ??= 'closed';
    changed();
  });
  const until = <T>(answer: () => T | null): Promise<T> =>
    new Promise((resolve) => {
      const ask = () => {
        const found = answer();
        if (found === null) return;
        onChange.delete(ask);
        resolve(found);
      };
      onChange.add(ask);
      ask();
    });
  return clientOf(
    socket,
    () => received,
    () => end,
    until,
  );
}

function clientOf(
  socket: Socket,
  received: () => string,
  end: () => string | null,
  until: <T>(answer: () => T | null) => Promise<T>,
): TestClient {
  return {
    received,
    firstLine: () => until(() => (received().includes('\n') ? received().split('\r\n')[0]! : end())),
    echo: async (text) => {
      const from = received().length;
      socket.write(text);
      const answer = await until(() => (received().indexOf(text, from) >= 0 ? 'echoed' : end()));
      if (answer !== 'echoed') throw new Error(`expected the echo of ${text}, the connection was ${answer}`);
    },
    isOpen: () => end() === null,
    ended: () => until(() => (end() === null ? null : true)).then(() => undefined),
    send: (bytes) => void socket.write(bytes),
    close: () => socket.destroy(),
    port: () => socket.localPort ?? 0,
  };
}

/** One connection's greeting; the connection is closed again. */
export async function greeting(from: string, to: { host: string; port: number }): Promise<string> {
  const client = openClient({ from, to });
  const line = await client.firstLine();
  client.close();
  return line;
}
