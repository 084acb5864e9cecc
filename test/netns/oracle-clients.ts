/**
 * Clients drawn from one seed: address, port and protocol, as different as a hash could wish to be fooled by.
 *
 * A quarter each: any address at all; a neighbour of the client before (same /24 or /64); its very address at another
 * port; an address with few bits set. No two have the same address and port.
 */
import { pick, type Random } from '../sim/random.js';

export type Family = 'ip' | 'ip6';
export const FAMILIES: readonly Family[] = ['ip', 'ip6'];

export interface Client {
  family: Family;
  /** `raw`: UDP in an IPv6 packet made by hand, for sources that no socket would take. */
  protocol: 'tcp' | 'udp' | 'raw';
  address: string;
  /** 1-65535 */
  port: number;
}

/** Ports whose bytes are the same both ways round, at an edge, or tell the two orders apart. */
const TELLING_PORTS = [1, 255, 256, 257, 25, 6400, 32768, 65280, 65535];

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const bytesOf = (random: Random, count: number): number[] => Array.from({ length: count }, () => below(random, 256));

function addressText(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const group = (i: number) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16);
  return Array.from({ length: 8 }, (_, i) => group(i)).join(':');
}

/** Addresses a socket can be bound to and that a host takes in: no loopback, multicast or link-local ones. */
function isOrdinary(bytes: readonly number[]): boolean {
  const [first, second] = bytes as [number, number];
  if (bytes.length === 16) return first >= 0x20 && first < 0xfe && !(first === 0xfd && second === 0x77);
  return first >= 1 && first < 224 && first !== 127 && !(first === 10 && second === 77);
}

function drawBytes(random: Random, family: Family, before: readonly number[]): number[] {
  const length = family === 'ip' ? 4 : 16;
  const kept = length === 4 ? 3 : 8;
  const kind = before.length === 0 ? 0 : below(random, 4);
  if (kind === 1) return [...before.slice(0, kept), ...bytesOf(random, length - kept)];
  if (kind === 2) return [...before];
  const bytes = bytesOf(random, length);
  return kind === 3 ? bytes.map((byte, i) => (i > 0 && random() < 0.7 ? 0 : byte)) : bytes;
}

export function drawClients(random: Random, family: Family, count: number): Client[] {
  const clients = new Map<string, Client>();
  let before: number[] = [];
  while (clients.size < count) {
    const bytes = drawBytes(random, family, before);
    if (!isOrdinary(bytes)) continue;
    before = bytes;
    const port = random() < 0.1 ? pick(random, TELLING_PORTS) : 1 + below(random, 65_535);
    const protocol = pick(random, ['tcp', 'udp'] as const);
    const address = addressText(bytes);
    clients.set(`${address} ${port}`, { family, protocol, address, port });
  }
  return [...clients.values()];
}
