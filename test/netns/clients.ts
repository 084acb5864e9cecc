/** `clients.py` in the client's namespace: many client addresses, IPv4 10.78.0.0/16 and IPv6 fd78::/64, on one machine. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Network } from './network.js';

const PROGRAM = fileURLToPath(new URL('clients.py', import.meta.url));

export interface Clients {
  /** By client address, the first line that greeted it; empty where none did within the time. */
  ask(address: string, port: number, clients: readonly string[], seconds?: number): Promise<Map<string, string>>;
  /** As `ask`, and the sessions stay open. */
  hold(address: string, port: number, clients: readonly string[], seconds?: number): Promise<Map<string, string>>;
  /** By client address, whether its held session still repeats what it is told. */
  check(seconds?: number): Promise<Map<string, boolean>>;
  drop(): Promise<void>;
  end(): void;
}

/** `count` addresses of a family, spread over several /24. */
export function clientAddresses(family: 4 | 6, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    family === 4 ? `10.78.${1 + (i % 40)}.${1 + ((i * 7) % 250)}` : `fd78::${(i + 1).toString(16)}`,
  );
}

/** Routes for the answers to client addresses; every host sends them to the client's machine. */
function addRoutes({ hosts, client }: Network): void {
  const ip = (namespace: string, ...args: string[]) => execFileSync('ip', ['-n', namespace, ...args]);
  for (const host of hosts) {
    ip(host.namespace, 'route', 'add', '10.78.0.0/16', 'via', client.address);
    ip(host.namespace, '-6', 'route', 'add', 'fd78::/64', 'via', client.address6);
  }
  ip(client.namespace, 'route', 'add', 'local', '10.78.0.0/16', 'dev', 'lo');
  ip(client.namespace, '-6', 'route', 'add', 'local', 'fd78::/64', 'dev', 'lo');
}

export function startClients(network: Network): Clients {
  addRoutes(network);
  const args = ['netns', 'exec', network.client.namespace, 'python3', PROGRAM];
  const program: ChildProcess = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: program.stdout! }).on('line', (line) => waiting.shift()?.(line));
  const command = <Value>(...words: (string | number)[]): Promise<Map<string, Value>> =>
    new Promise((resolve) => {
      waiting.push((line) => resolve(new Map(Object.entries(JSON.parse(line) as Record<string, Value>))));
      program.stdin!.write(`${words.join(' ')}\n`);
    });
  return {
    ask: (address, port, clients, seconds = 8) => command('ask', address, port, seconds, ...clients),
    hold: (address, port, clients, seconds = 8) => command('hold', address, port, seconds, ...clients),
    check: (seconds = 8) => command('check', seconds),
    drop: async () => void (await command('drop')),
    end: () => program.kill('SIGKILL'),
  };
}
