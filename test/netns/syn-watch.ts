/** Who answers each single SYN of many clients: syn-watch.py in the client's namespace. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { macOf } from './arp-watch.js';
import type { NetworkHost } from './network.js';

const PROGRAM = fileURLToPath(new URL('syn-watch.py', import.meta.url));
const EVERY_MS = 4;

interface Fact {
  client: string;
  sport: number;
  /** MAC address of who answered; null: it was sent. */
  host: string | null;
  ms: number;
}

interface Syn {
  client: string;
  sentMs: number;
  /** Names of the hosts that answered. */
  answers: Set<string>;
}

export class SynWatch {
  private readonly child;
  /** BOUNDED: those of one test. */
  private readonly syns = new Map<string, Syn>();

  /** @param targets  virtual IP and the MAC address that clients have for it */
  constructor(client: NetworkHost, hosts: readonly NetworkHost[], port: number, targets: [string, string][]) {
    const names = new Map(hosts.map((host) => [macOf(host), host.name]));
    const places = targets.map(([address, mac]) => `${address}=${mac}`);
    const args = ['netns', 'exec', client.namespace, 'python3', PROGRAM, `${port}`, `${EVERY_MS}`, ...places];
    this.child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.note(JSON.parse(line) as Fact, names));
  }

  /** SYNs that more than one host answered, as `198.18.88.7: n1, n2`. */
  get doubles(): string[] {
    const doubles = [...this.syns.values()].filter(({ answers }) => answers.size > 1);
    return doubles.map(({ client, answers }) => `${client}: ${[...answers].join(', ')}`);
  }

  get answeredCount(): number {
    return [...this.syns.values()].filter(({ answers }) => answers.size > 0).length;
  }

  /** The longest time in which SYNs of one client were sent and none was answered, up to the last that was. */
  get longestSilenceMs(): number {
    const last = new Map<string, number>();
    let longest = 0;
    for (const { client, sentMs, answers } of this.syns.values()) {
      if (answers.size === 0) continue;
      longest = Math.max(longest, sentMs - (last.get(client) ?? sentMs));
      last.set(client, sentMs);
    }
    return Math.round(longest);
  }

  /** Every client has been answered since then. */
  isAnsweredSince(startMs: number): boolean {
    const clients = new Set([...this.syns.values()].map(({ client }) => client));
    for (const { client, sentMs, answers } of this.syns.values()) {
      if (sentMs >= startMs && answers.size > 0) clients.delete(client);
    }
    return clients.size === 0 && this.syns.size > 0;
  }

  /** CLOCK_MONOTONIC, the same for all processes of a machine. */
  static nowMs(): number {
    return Number(process.hrtime.bigint()) / 1e6;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  private note({ client, sport, host, ms }: Fact, names: ReadonlyMap<string, string>): void {
    const key = `${client} ${sport}`;
    if (host === null) this.syns.set(key, { client, sentMs: ms, answers: new Set() });
    else this.syns.get(key)?.answers.add(names.get(host) ?? host);
  }
}
