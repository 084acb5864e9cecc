/** Starts the clients in the client's namespace and gives them orders. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Network } from '../netns/network.js';
import type { Attempt, LoadAnswer, LoadOrder, LoadSettings, Session } from './records.js';

/** A program of this folder as it was compiled, also for a test that runs from the sources. */
export function program(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.includes('/build/') ? join(here, name) : join(here, '../../build/test/faults', name);
}

/** `10.78.0.1` and up: all of 10.78/16 is the client's own. */
export function clientAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `10.78.${(i + 1) >> 8}.${(i + 1) & 255}`);
}

/** Makes 10.78/16 local to the client, and reachable from every host. */
function routeClients(network: Network): void {
  const route = (namespace: string, ...args: string[]) =>
    execFileSync('ip', ['-n', namespace, 'route', 'add', ...args], { stdio: 'pipe' });
  route(network.client.namespace, 'local', '10.78.0.0/16', 'dev', 'lo');
  for (const host of network.hosts) route(host.namespace, '10.78.0.0/16', 'via', network.client.address);
}

export interface Load {
  /** New connections come in through these from now on; held ones stay where they are. */
  useEntries(names: string[]): void;
  end(): Promise<{ attempts: Attempt[]; sessions: Session[] }>;
}

/** Resolves when all sessions are open and the new connections have begun. */
export async function startLoad(network: Network, settings: LoadSettings): Promise<Load> {
  routeClients(network);
  const args = ['netns', 'exec', network.client.namespace, process.execPath, program('load-process.js')];
  const child = spawn('ip', [...args, JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await answerOf(child, 'ready');
  const tell = (order: LoadOrder) => child.send(order);
  return {
    useEntries: (names) => void tell({ kind: 'entries', names }),
    end: async () => {
      const answer = answerOf(child, 'done');
      tell({ kind: 'end' });
      const { attempts, sessions } = (await answer) as LoadAnswer & { kind: 'done' };
      return { attempts, sessions };
    },
  };
}

async function answerOf(child: ChildProcess, kind: LoadAnswer['kind']): Promise<LoadAnswer> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the load ended with ${code}, expected it to say ${kind}`);
  });
  ended.catch(() => undefined);
  const [answer] = (await Promise.race([once(child, 'message'), ended])) as [LoadAnswer];
  return answer;
}
