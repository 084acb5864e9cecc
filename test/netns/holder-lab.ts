/** What tests of the holder ask of a machine's kernel. */
import { VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { inside } from './inside.js';
import type { NetworkHost } from './network.js';

/** The neighbour that a machine has for an address, asked anew. */
export function neighbourOf(client: NetworkHost, address: string): string | null {
  inside(
    client,
    'sh',
    '-c',
    `ip neigh flush to ${address} dev eth0; ip neigh replace ${address} dev eth0 use; sleep 0.1`,
  );
  const [entry] = JSON.parse(inside(client, 'ip', '-j', 'neigh', 'show', address, 'dev', 'eth0')) as {
    lladdr?: string;
  }[];
  return entry?.lladdr ?? null;
}

/**
 * What of ours is in the kernel of a host. Tables are found by their chains: for `list tables` nft fetches every element, and begins
 * anew whenever a lease is renewed meanwhile.
 */
export function leftovers(host: NetworkHost): string[] {
  const lists = [
    ['nft', 'list', 'chains'],
    ['ip', '-o', 'addr'],
    ['ip', 'maddr'],
  ];
  const lines = lists.flatMap((command) => inside(host, ...command).split('\n'));
  const marks = ['envoy_nlb', ':nlb', '03:bf', VIRTUAL_IP, VIRTUAL_IP6];
  return lines.filter((line) => marks.some((mark) => line.includes(mark)));
}
