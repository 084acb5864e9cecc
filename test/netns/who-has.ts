/** Who answers for an IPv4 virtual IP, asked by a client twenty times a second with one small program: who-has.py. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { macOf } from './arp-watch.js';
import type { NetworkHost } from './network.js';

export interface WhoHas {
  askedCount: number;
  /** Names of the hosts that answered, in their order, a name again only after another. */
  answered: string[];
  /** Moments in which two answered. Expected to be empty. */
  doubles: string[][];
}

const PROGRAM = fileURLToPath(new URL('who-has.py', import.meta.url)).replace('/build/test/', '/test/');

/** @param shared  an Ethernet address with which several hosts answer, told as `shared` */
export async function whoHas(
  client: NetworkHost,
  hosts: readonly NetworkHost[],
  address: string,
  shared: string,
): Promise<{ end(): Promise<WhoHas> }> {
  const names = new Map([...hosts.map((host) => [macOf(host), host.name] as const), [shared, 'shared'] as const]);
  const command = ['netns', 'exec', client.namespace, 'python3', PROGRAM, 'eth0', address];
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return {
    end: async () => {
      const told = once(lines, 'line');
      child.stdin.end();
      const [line] = (await told) as [string];
      const { asked, doubles, answered } = JSON.parse(line) as {
        asked: number;
        doubles: string[][];
        answered: string[];
      };
      const nameOf = (mac: string) => names.get(mac) ?? mac;
      return { askedCount: asked, doubles: doubles.map((macs) => macs.map(nameOf)), answered: answered.map(nameOf) };
    },
  };
}
