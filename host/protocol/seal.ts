/**
 * The frame around every message: 16 bytes that never change with any version, and a seal at the end.
 *
 *     0   2  magic "NL"
 *     2   1  lowest protocol version spoken      3   1  highest
 *     4   1  lowest decision version spoken      5   1  highest
 *     6   1  message type                        7   1  key id
 *     8   4  hash32 of the cluster's full internet name
 *     12  4  hash32 of the sender's host name
 *     ..     body
 *     -16 16 first half of HMAC-SHA-256 over everything before it (RFC 4868: HMAC-SHA-256-128)
 *
 * Cluster and key id travel in clear, so that a stranger on the same address can be told from a wrong key (R6).
 */
import { hash32 } from './checksum.js';
import type { Authenticator, DropReason } from './events.js';
import type { HostName } from './types.js';

export const HEADER_BYTES = 16;
export const SEAL_BYTES = 16;
/** Fits the 1,500 of Ethernet less IPv6, UDP and a tunnel. */
export const PACKET_BYTES_MAX = 1400;
const MAGIC = 0x4e4c;

export type MessageType = 'heartbeat' | 'probe' | 'answer' | 'leave' | 'file' | 'pulse';
const MESSAGE_TYPES: readonly MessageType[] = ['heartbeat', 'probe', 'answer', 'leave', 'file', 'pulse'];

/** Lowest and highest a host speaks; the view runs at the highest that all speak. */
export interface Versions {
  protocolLow: number;
  protocolHigh: number;
  decisionLow: number;
  decisionHigh: number;
}

/**
 * What this build speaks, each 1-15. Protocol 2: a host can stand in for another one (seats.ts). The decision's follow
 * docs/decision.md: raised with every change of the arithmetic.
 */
export const OWN_VERSIONS: Versions = { protocolLow: 1, protocolHigh: 2, decisionLow: 1, decisionHigh: 1 };

export interface Header {
  versions: Versions;
  type: MessageType;
  senderHash: number;
}

export type Opened = { ok: true; header: Header; body: Uint8Array } | { ok: false; reason: DropReason };

/** @returns the packet: header, body, seal. Throws where the own key is unknown, which is a fault of the caller. */
export function seal(
  args: { clusterName: string; sender: HostName; versions: Versions; type: MessageType; body: Uint8Array },
  authenticator: Authenticator,
): Uint8Array {
  const packet = new Uint8Array(HEADER_BYTES + args.body.length + SEAL_BYTES);
  const view = new DataView(packet.buffer);
  view.setUint16(0, MAGIC);
  view.setUint8(2, args.versions.protocolLow);
  view.setUint8(3, args.versions.protocolHigh);
  view.setUint8(4, args.versions.decisionLow);
  view.setUint8(5, args.versions.decisionHigh);
  view.setUint8(6, MESSAGE_TYPES.indexOf(args.type) + 1);
  view.setUint8(7, authenticator.keyId);
  view.setUint32(8, hash32(args.clusterName));
  view.setUint32(12, hash32(args.sender));
  packet.set(args.body, HEADER_BYTES);
  const end = packet.length - SEAL_BYTES;
  const mac = authenticator.mac(authenticator.keyId, packet.subarray(0, end));
  if (mac === null)
    throw new Error(`Cannot seal a packet: key id ${authenticator.keyId} is unknown, expected the own key`);
  packet.set(mac.subarray(0, SEAL_BYTES), end);
  return packet;
}

/** Checks frame and seal. Never throws; the reason says what was wrong first. */
export function open(
  packet: Uint8Array,
  clusterName: string,
  authenticator: Authenticator,
  own: Versions = OWN_VERSIONS,
): Opened {
  if (packet.length < HEADER_BYTES + SEAL_BYTES || packet.length > PACKET_BYTES_MAX) return drop('length');
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (view.getUint16(0) !== MAGIC) return drop('magic');
  if (view.getUint32(8) !== hash32(clusterName)) return drop('otherCluster');
  const end = packet.length - SEAL_BYTES;
  const mac = authenticator.mac(view.getUint8(7), packet.subarray(0, end));
  if (mac === null) return drop('unknownKey');
  let difference = 0;
  for (let i = 0; i < SEAL_BYTES; i++) difference |= mac[i]! ^ packet[end + i]!;
  if (difference !== 0) return drop('wrongMac');
  const versions = {
    protocolLow: view.getUint8(2),
    protocolHigh: view.getUint8(3),
    decisionLow: view.getUint8(4),
    decisionHigh: view.getUint8(5),
  };
  if (versions.protocolLow > own.protocolHigh || versions.protocolHigh < own.protocolLow) {
    return drop('protocolVersion');
  }
  const type = MESSAGE_TYPES[view.getUint8(6) - 1];
  if (type === undefined) return drop('messageType');
  return {
    ok: true,
    header: { versions, type, senderHash: view.getUint32(12) },
    body: packet.subarray(HEADER_BYTES, end),
  };
}

function drop(reason: DropReason): Opened {
  return { ok: false, reason };
}
