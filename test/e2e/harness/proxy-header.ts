/**
 * Reading and writing PROXY protocol headers, apart from the code under test. Source: HAProxy's proxy-protocol.txt, 2.1 and 2.2.
 *
 *     v2   0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a | 21 version 2, PROXY | 11 TCP4, 21 TCP6 | length | src dst sport dport
 */
import { isIPv6 } from 'node:net';

export interface ProxyHeader {
  version: 'v1' | 'v2';
  /** `127.77.0.1:4000` or `[fd00::1]:4000`; `local` for a header that speaks for nobody. */
  client: string;
  to: string;
  /** Bytes of the header. */
  length: number;
}

const SIGNATURE_V2 = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'none' {
  const v2 = bytes.subarray(0, 12).equals(SIGNATURE_V2.subarray(0, Math.min(12, bytes.length)));
  if (v2) return parseV2(bytes);
  if (!'PROXY '.startsWith(bytes.toString('latin1', 0, 6))) return 'none';
  const end = bytes.indexOf('\r\n');
  if (end < 0) return bytes.length > 107 ? 'none' : 'more';
  const [, family, source = '', target = '', sourcePort = '', targetPort = ''] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  if (family === 'UNKNOWN') return { version: 'v1', client: 'local', to: 'local', length };
  return { version: 'v1', client: joined(source, Number(sourcePort)), to: joined(target, Number(targetPort)), length };
}

function parseV2(bytes: Buffer): ProxyHeader | 'more' {
  if (bytes.length < 16) return 'more';
  const length = 16 + bytes.readUInt16BE(14);
  if (bytes.length < length) return 'more';
  if (bytes[12] === 0x20) return { version: 'v2', client: 'local', to: 'local', length };
  const size = bytes[13] === 0x21 ? 16 : 4;
  const [source, target] = [bytes.subarray(16, 16 + size), bytes.subarray(16 + size, 16 + 2 * size)];
  const client = joined(textOf(source), bytes.readUInt16BE(16 + 2 * size));
  return { version: 'v2', client, to: joined(textOf(target), bytes.readUInt16BE(18 + 2 * size)), length };
}

function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

const joined = (address: string, port: number): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;

/** A v2 header that claims an IPv4 client, as a host of the cluster or a liar would send it. */
export function proxyHeaderV2(client: string, clientPort: number, to: string, toPort: number): Buffer {
  const header = Buffer.alloc(28);
  SIGNATURE_V2.copy(header);
  header.writeUInt16BE(0x2111, 12);
  header.writeUInt16BE(12, 14);
  for (const [offset, address] of [
    [16, client],
    [20, to],
  ] as const) {
    for (const [i, byte] of address.split('.').entries()) header[offset + i] = Number(byte);
  }
  header.writeUInt16BE(clientPort, 24);
  header.writeUInt16BE(toPort, 26);
  return header;
}

/** A v2 header that speaks for nobody: what Envoy's checks send. */
export const PROXY_LOCAL_V2 = Buffer.concat([SIGNATURE_V2, Buffer.from([0x20, 0, 0, 0])]);
