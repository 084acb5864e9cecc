/** Clients of any address and services that say which host they are on, in the namespaces of a test network: sessions.py. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NetworkHost } from './network.js';

const PROGRAM = fileURLToPath(new URL('sessions.py', import.meta.url)).replace('/build/test/', '/test/');

export interface Greeting {
  /** Absent where the connection failed. */
  host?: string;
  /** The client's address and port as the service saw them. */
  seen?: string;
  seenPort?: number;
  error?: string;
}

export interface Asked {
  from: string;
  to: string;
  port: number;
  /** The client's port; 0: any. */
  sport?: number;
  /** Seconds until it counts as failed. */
  wait?: number;
  /** Asks as HTTP does. */
  http?: boolean;
}

function start(host: NetworkHost, args: string[]): ChildProcess {
  return spawn('ip', ['netns', 'exec', host.namespace, 'python3', PROGRAM, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

/**
 * A service on every one of `addresses`, ready when this resolves.
 *
 * @param proxied  a PROXY v2 header tells it the client
 */
export async function startService(
  host: NetworkHost,
  addresses: string[],
  ports: number[],
  proxied = false,
): Promise<ChildProcess> {
  const child = start(host, ['serve', host.name, ...(proxied ? ['proxied'] : []), ...addresses, ...ports.map(String)]);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the service on ${host.name} ended with exit code ${code}`)));
  });
  return child;
}

export class Clients {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (answer: object) => void>();
  private last = 0;

  constructor(host: NetworkHost) {
    this.child = start(host, ['clients']);
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const answer = JSON.parse(line) as { id: number };
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    });
  }

  /** One connection, closed again. */
  connect(asked: Asked): Promise<Greeting> {
    return this.command({ verb: 'connect', ...asked }) as Promise<Greeting>;
  }

  /** A connection that stays open; `session` names it for the other verbs. */
  async hold(asked: Asked): Promise<Greeting & { session: number }> {
    const session = this.last + 1;
    return { ...((await this.command({ verb: 'connect', hold: true, ...asked })) as Greeting), session };
  }

  async isAlive(session: number, wait?: number): Promise<boolean> {
    const answer = (await this.command({ verb: 'ask', session, wait })) as { alive?: boolean };
    return answer.alive === true;
  }

  /** Bytes for ever. */
  async bulk(session: number): Promise<void> {
    await this.command({ verb: 'bulk', session });
  }

  async bytes(session: number): Promise<{ bytes: number; ended: string | null }> {
    return (await this.command({ verb: 'count', session })) as { bytes: number; ended: string | null };
  }

  async drop(session: number): Promise<void> {
    await this.command({ verb: 'drop', session });
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private command(command: object): Promise<object> {
    const id = ++this.last;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
}
