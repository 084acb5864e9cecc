/**
 * PROXY protocol headers that this machine says itself: of a connection that speaks for nobody (what a check sends to a service
 * or to a handoff listener), and of a stranger's (what `nlb doctor` asks a mail server as). Source: HAProxy's
 * proxy-protocol.txt, sections 2.1 (v1) and 2.2 (v2).
 *
 *     v2 LOCAL   0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a | 20 version 2, command LOCAL | 00 family | 00 00 length
 *     v2 PROXY   the same 12 bytes | 21 | 11 TCP over IPv4, 21 over IPv6 | 00 0c or 00 24 | from, to, their ports
 *     v1         "PROXY UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 10.0.0.11 4711 25\r\n"
 */
import { parseAddress } from '../protocol/config/index.js';

const LOCAL_V2 = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
const UNKNOWN_V1 = Buffer.from('PROXY UNKNOWN\r\n', 'latin1');

/** Addresses of documentation, which nobody trusts: RFC 5737, RFC 3849. */
const STRANGERS = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const STRANGERS_PORT = 4711;
const MAIL_PORT = 25;

export function localProxyHeader(version: 'v1' | 'v2'): Buffer {
  return version === 'v2' ? LOCAL_V2 : UNKNOWN_V1;
}

/**
 * A stranger's connection to `to`, in the family of that address. One that spoke for nobody would be taken for this machine's
 * own, which a mail server may trust.
 */
export function strangerHeader(version: 'v1' | 'v2', to: string): Buffer {
  const target = parseAddress(to);
  if (target === null) throw new Error(`${to} is no address, expected IPv4 or IPv6`);
  const { family, bytes, text } = target;
  const stranger = STRANGERS[family];
  if (version === 'v1') {
    return Buffer.from(`PROXY TCP${family} ${stranger} ${text} ${STRANGERS_PORT} ${MAIL_PORT}\r\n`, 'latin1');
  }
  const from = parseAddress(stranger)!.bytes;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(STRANGERS_PORT, 0);
  ports.writeUInt16BE(MAIL_PORT, 2);
  const length = 2 * from.length + ports.length;
  const head = Buffer.from([0x21, family === 4 ? 0x11 : 0x21, 0, length]);
  return Buffer.concat([LOCAL_V2.subarray(0, 12), head, Buffer.from([...from, ...bytes]), ports]);
}
