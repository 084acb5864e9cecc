/**
 * The body of heartbeat, probe, answer and leave: what its sender is, and the newest row it knows of every other host
 * (R1). One layout for all four types, so that each of them brings everything. docs/decisions/0005 draws the bytes.
 */
import { asciiBytes, asciiText, ByteReader, ByteWriter } from './bytes.js';
import { checksumHead } from './checksum.js';
import { HOLDER_WISHES, type HolderWish } from './holder-claim.js';
import { isPacked, type RuleState, readRules, writeRules } from './rule-code.js';
import { HEADER_BYTES, PACKET_BYTES_MAX, SEAL_BYTES, type Versions } from './seal.js';
import type { Fingerprint, HostPriority, HostState } from './types.js';

export type { RuleState } from './rule-code.js';

export const ROWS_MAX = 31;
export const ECHOES_MAX = 2;
const SENDER_BYTES = 81;
const ROW_BYTES = 41;
/** Row numbers count down from the highest in the packet; what is further behind is sent as no number at all. */
const BEHIND_MAX = 0x7ff;
/** In the 5 bits of a host that came: 0-2 returning, 3 gathering, 4 its rules are in base 5 or 6 (rule-code.ts). */
const GATHERING = 8;
const PACKED = 16;

const HOST_STATES: readonly HostState[] = ['started', 'draining', 'stopped', 'suspended'];
/** `starting`: confirms no view; `converging`: confirms one; `converged`: it is agreed; `taken`: its Envoy has it. */
export type Phase = 'starting' | 'converging' | 'converged' | 'taken';
const PHASES: readonly Phase[] = ['starting', 'converging', 'converged', 'taken'];

/** What all rows carry, the sender's own and those it passes on. Newer is: same instance, higher sequence. */
export interface Row {
  nameHash: number;
  instance: bigint;
  sequence: number;
  hostState: HostState;
  phase: Phase;
  /** Waits out its damping (R11) and stays outside until then. */
  waiting: boolean;
  leaving: boolean;
  /** Keeps the share of a silent sidecar whose Envoy answers it (R13): of whom in `hears` no sequence advances. */
  holds: boolean;
  /** The sender vouches that it is fresh (R7). An unproven row is an echo, nothing else. */
  proven: boolean;
  /** 1-7: its host has come back and takes its weights in eighths; 0: it has all of them. */
  returning: number;
  /** The cluster came up with its host a short while ago: who comes now is no later comer (standby.ts). */
  gathering: boolean;
  /** First 4 hex digits of the fingerprint in force, and of the offered one (0000 for none). */
  file: string;
  offered: string;
  /** 0 where no view is confirmed. */
  confirmedNumber: number;
  /** First 32 bits of its checksum. */
  confirmedHead: number;
  /**
   * Bit (priority - 1): heard directly and fresh, or silent with an answering Envoy (R13). The bit of the row's own host, who
   * need not say that it hears itself: it holds the virtual IPs (mode arp).
   */
  hears: number;
  speaks: Versions;
  /** 32 of them; those beyond the file's rules are `up`. */
  rules: readonly RuleState[];
  /** Host priority of whom its host stands in for, in the rules that say so; 0 for nobody. */
  standsInFor: number;
}

export interface Heartbeat {
  row: Row;
  /** Empty where the packet had no room for it: the header has its hash. */
  name: string;
  priority: HostPriority;
  /** Mode arp; two bits of the byte of the priority. */
  wish: HolderWish;
  /** Config revision (R8) of the file in force. */
  revision: number;
  fingerprint: Fingerprint;
  /** 16 zeros where nothing is offered. */
  offered: Fingerprint;
  confirmedChecksum: string;
  /** Identity of (view, lostSince); number 0 for none. */
  inForceNumber: number;
  inForceChecksum: string;
  /** hash32 of the host that a probe asks to ask; 0 where the receiver itself is meant. */
  about: number;
  /** Instances that were heard but are not fresh yet (R7). */
  echoes: bigint[];
  rows: Row[];
}

/** @param heartbeat at most 31 rows and 2 echoes: 1,400 bytes with frame */
export function encodeHeartbeat(heartbeat: Heartbeat): Uint8Array {
  const lengthUnnamed = SENDER_BYTES + heartbeat.echoes.length * 8 + heartbeat.rows.length * ROW_BYTES;
  if (heartbeat.rows.length > ROWS_MAX || heartbeat.echoes.length > ECHOES_MAX || heartbeat.name.length > 32) {
    throw new Error(`Cannot encode a heartbeat: ${heartbeat.rows.length} rows, expected at most ${ROWS_MAX}`);
  }
  const hasRoom = HEADER_BYTES + lengthUnnamed + heartbeat.name.length + SEAL_BYTES <= PACKET_BYTES_MAX;
  const name = asciiBytes(hasRoom ? heartbeat.name : '');
  const body = new Uint8Array(lengthUnnamed + name.length);
  const out = new ByteWriter(body);
  const { row } = heartbeat;
  out.u64(row.instance);
  out.u32(row.sequence);
  out.hex64(heartbeat.fingerprint);
  out.hex64(heartbeat.offered);
  out.u32(row.confirmedNumber);
  out.hex64(heartbeat.confirmedChecksum);
  out.u32(heartbeat.inForceNumber);
  out.hex64(heartbeat.inForceChecksum);
  out.u32(heartbeat.revision);
  out.u32(heartbeat.about);
  out.u32(row.hears);
  out.u8(stateByte(row));
  out.u8(heartbeat.priority | (HOLDER_WISHES.indexOf(heartbeat.wish) << 6));
  out.u8(comingBits(row));
  writeRules(out, row);
  out.u8((heartbeat.echoes.length << 6) | heartbeat.rows.length);
  out.u8(name.length);
  out.raw(name);
  for (const echo of heartbeat.echoes) out.u64(echo);
  const highest = heartbeat.rows.reduce((most, each) => Math.max(most, each.confirmedNumber), 0);
  out.u32(highest);
  for (const each of heartbeat.rows) writeRow(out, each, highest);
  return body;
}

/** @returns null where the bytes are no heartbeat: too short, too long, or a value that none can have */
export function decodeHeartbeat(body: Uint8Array, senderHash: number, speaks: Versions): Heartbeat | null {
  if (body.length + HEADER_BYTES + SEAL_BYTES > PACKET_BYTES_MAX) return null;
  try {
    return readHeartbeat(new ByteReader(body), senderHash, speaks);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readHeartbeat(from: ByteReader, senderHash: number, speaks: Versions): Heartbeat | null {
  const instance = from.u64();
  const sequence = from.u32();
  const fingerprint = from.hex64();
  const offered = from.hex64();
  const confirmedNumber = from.u32();
  const confirmedChecksum = from.hex64();
  const inForceNumber = from.u32();
  const inForceChecksum = from.hex64();
  const revision = from.u32();
  const about = from.u32();
  const hears = from.u32();
  const state = readState(from.u8());
  const priorityByte = from.u8();
  const priority = priorityByte & 63;
  const wish = HOLDER_WISHES[priorityByte >> 6];
  const coming = from.u8();
  const { rules, standsInFor } = readRules(from, (coming & PACKED) !== 0);
  const counts = from.u8();
  const nameLength = from.u8();
  if (wish === undefined || priority < 1 || priority > 32 || nameLength > 32) return null;
  const name = asciiText(from.raw(nameLength));
  const echoes: bigint[] = [];
  for (let i = 0; i < counts >> 6; i++) echoes.push(from.u64());
  const highest = from.u32();
  const rows: Row[] = [];
  for (let i = 0; i < (counts & 63); i++) {
    const row = readRow(from, highest);
    if (row === null) return null;
    rows.push(row);
  }
  if (from.left !== 0 || echoes.length > ECHOES_MAX || rows.length > ROWS_MAX || instance === 0n) return null;
  const confirmedHead = checksumHead(confirmedChecksum);
  const row: Row = {
    ...state,
    nameHash: senderHash,
    instance,
    sequence,
    returning: coming & 7,
    gathering: (coming & GATHERING) !== 0,
    file: fingerprint.slice(0, 4),
    offered: offered.slice(0, 4),
    confirmedNumber,
    confirmedHead,
    hears,
    speaks,
    rules,
    standsInFor,
  };
  return {
    row,
    name,
    priority,
    wish,
    revision,
    fingerprint,
    offered,
    confirmedChecksum,
    inForceNumber,
    inForceChecksum,
    about,
    echoes,
    rows,
  };
}

function writeRow(out: ByteWriter, row: Row, highest: number): void {
  const behind = row.confirmedNumber === 0 ? BEHIND_MAX : Math.min(BEHIND_MAX, highest - row.confirmedNumber);
  out.u32(row.nameHash);
  out.u64(row.instance);
  out.u32(row.sequence);
  out.u8(stateByte(row));
  out.u8((row.speaks.protocolLow << 4) | row.speaks.protocolHigh);
  out.u8((row.speaks.decisionLow << 4) | row.speaks.decisionHigh);
  out.u16(Number.parseInt(row.file, 16));
  out.u16(Number.parseInt(row.offered, 16));
  out.u16((comingBits(row) << 11) | behind);
  out.u32(row.confirmedHead);
  out.u32(row.hears);
  writeRules(out, row);
}

function readRow(from: ByteReader, highest: number): Row | null {
  const nameHash = from.u32();
  const instance = from.u64();
  const sequence = from.u32();
  const state = readState(from.u8());
  const protocol = from.u8();
  const decision = from.u8();
  const file = hex16(from.u16());
  const offered = hex16(from.u16());
  const comingAndBehind = from.u16();
  const coming = comingAndBehind >> 11;
  const behind = comingAndBehind & BEHIND_MAX;
  const confirmedHead = from.u32();
  const hears = from.u32();
  const { rules, standsInFor } = readRules(from, (coming & PACKED) !== 0);
  if (instance === 0n || (behind !== BEHIND_MAX && behind >= highest)) return null;
  const confirmedNumber = behind === BEHIND_MAX ? 0 : highest - behind;
  const speaks: Versions = {
    protocolLow: protocol >> 4,
    protocolHigh: protocol & 15,
    decisionLow: decision >> 4,
    decisionHigh: decision & 15,
  };
  // Written out: 31 rows come with every packet, and a spread of `state` took three quarters of all CPU at 32 hosts.
  return {
    hostState: state.hostState,
    phase: state.phase,
    waiting: state.waiting,
    leaving: state.leaving,
    holds: state.holds,
    proven: state.proven,
    returning: coming & 7,
    gathering: (coming & GATHERING) !== 0,
    speaks,
    nameHash,
    instance,
    sequence,
    file,
    offered,
    confirmedNumber,
    confirmedHead,
    hears,
    rules,
    standsInFor,
  };
}

function comingBits(row: Row): number {
  return row.returning | (row.gathering ? GATHERING : 0) | (isPacked(row.rules) ? PACKED : 0);
}

/** Bits 0-1 host state, 2 waiting, 3 leaving, 4-5 phase, 6 proven, 7 holds. */
function stateByte(row: Row): number {
  const flags = (row.waiting ? 4 : 0) | (row.leaving ? 8 : 0) | (row.proven ? 64 : 0) | (row.holds ? 128 : 0);
  return HOST_STATES.indexOf(row.hostState) | flags | (PHASES.indexOf(row.phase) << 4);
}

function readState(byte: number): Pick<Row, 'hostState' | 'phase' | 'waiting' | 'leaving' | 'proven' | 'holds'> {
  const hostState = HOST_STATES[byte & 3]!;
  const phase = PHASES[(byte >> 4) & 3]!;
  return {
    hostState,
    phase,
    waiting: (byte & 4) !== 0,
    leaving: (byte & 8) !== 0,
    proven: (byte & 64) !== 0,
    holds: (byte & 128) !== 0,
  };
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, '0');
}
