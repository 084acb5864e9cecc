/**
 * The kernel as an oracle: real packets of chosen clients reach a host, nftables marks them there, and a set remembers
 * (client address, client port, mark) of each. The set is then read back.
 *
 *      cl: sockets of any address ── SYN or datagram ──> n1: prerouting: mark, remember, drop
 *
 * The first thing a packet meets is our chain, and nothing answers it, so that the host's own addresses play no part.
 */
import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Network, nft } from './network.js';
import type { Client, Family } from './oracle-clients.js';

const PORT = 25;
const TABLE = 'inet oracle';
/** Neighbours are found out on the way, and a loaded machine may drop a packet: who was not seen is sent again. */
const ROUNDS_MAX = 10;
const SENDER = fileURLToPath(new URL('oracle-send.py', import.meta.url));

/** One way in which the kernel is to mark the packets of a family. */
export interface Marking {
  /** A set's name in nftables. */
  name: string;
  family: Family;
  /** The statements that set `meta mark`, for packets of one protocol. */
  statements(protocol: 'tcp' | 'udp'): string;
}

export interface Question {
  markings: readonly Marking[];
  /** Sent until each was seen. */
  clients: readonly Client[];
  /** nftables maps that the markings look into. */
  maps?: string;
  /** Rules that go before the markings. */
  before?: readonly string[];
  /** Sent ahead of the others, and not waited for. */
  perhapsSeen?: readonly Client[];
}

/** Mark by `clientId`. */
export type Marks = Map<string, number>;

/** One name for a client however its address is written: nft shortens IPv6. */
export function clientId({ address, port }: { address: string; port: number }): string {
  const canonical = address.includes(':') ? new URL(`http://[${address}]`).hostname : address;
  return `${canonical} ${port}`;
}

interface ListedSet {
  name: string;
  elem?: { concat: [string, number, number] }[];
}

function rulesetOf({ markings, maps = '', before = [] }: Question): string {
  const sets = markings.map(
    ({ name, family }) => `set ${name} { typeof ${family} saddr . udp sport . meta mark; flags dynamic; size 65535; }`,
  );
  const rules = markings.flatMap(({ name, family, statements }) => {
    const only = `meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'}`;
    return [
      `${only} meta l4proto tcp ${statements('tcp')}`,
      `${only} meta l4proto udp ${statements('udp')}`,
      `${only} add @${name} { ${family} saddr . th sport . meta mark }`,
    ];
  });
  const chain = [
    'type filter hook prerouting priority raw',
    'meta l4proto != { tcp, udp } accept',
    ...before,
    ...rules,
    'drop',
  ];
  return `table ${TABLE} {\n${maps}\n${sets.join('\n')}\nchain seen {\n${chain.join('\n')}\n}\n}\n`;
}

/** Everything the sets remember, by their names. */
async function readSets(namespace: string): Promise<Map<string, Marks>> {
  const args = ['netns', 'exec', namespace, 'nft', '-j', 'list', 'sets', 'table', ...TABLE.split(' ')];
  const { stdout } = await promisify(execFile)('ip', args, { maxBuffer: 256 << 20 });
  const { nftables } = JSON.parse(stdout) as { nftables: { set?: ListedSet }[] };
  return new Map(nftables.flatMap(({ set }) => (set ? [[set.name, marksOf(set)] as const] : [])));
}

function marksOf({ name, elem = [] }: ListedSet): Marks {
  const marks: Marks = new Map();
  for (const { concat } of elem) {
    const [address, port, mark] = concat;
    const id = clientId({ address, port });
    if (marks.has(id)) throw new Error(`Set ${name} has ${id} twice, expected one mark for one client`);
    marks.set(id, mark);
  }
  return marks;
}

function send({ hosts, client }: Network, clients: readonly Client[]): Promise<void> {
  const { address, address6 } = hosts[0]!;
  const args = ['netns', 'exec', client.namespace, 'python3', SENDER, address, address6, String(PORT)];
  return new Promise((resolve, reject) => {
    const sender = spawn('ip', args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    sender.stderr.on('data', (text: Buffer) => {
      complaint += text.toString();
    });
    sender.on('error', reject);
    sender.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`oracle-send.py failed: ${complaint}`))));
    sender.stdin.end(clients.map((c) => `${c.protocol} ${c.address} ${c.port}\n`).join(''));
  });
}

/**
 * What the kernel of the first host marks packets of these clients with.
 *
 * @returns  for each marking by its name, one mark for each client of its family that was seen
 */
export async function askKernel(network: Network, question: Question): Promise<Map<string, Marks>> {
  const { clients, perhapsSeen = [] } = question;
  const { namespace } = network.hosts[0]!;
  nft(namespace, rulesetOf(question));
  try {
    let missing = clients;
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      await send(network, [...perhapsSeen, ...missing]);
      const answers = await readSets(namespace);
      const seen = new Set([...answers.values()].flatMap((marks) => [...marks.keys()]));
      missing = missing.filter((client) => !seen.has(clientId(client)));
      if (missing.length === 0) return answers;
    }
    throw new Error(
      `Cannot see ${missing.length} of ${clients.length} clients in the kernel, sent ${ROUNDS_MAX} times`,
    );
  } finally {
    nft(namespace, `delete table ${TABLE}\n`);
  }
}
