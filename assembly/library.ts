/**
 * Build 2, decision.wasm: the decision as plain numbers and bytes. host/edge/decision.ts is its only caller.
 *
 * The caller puts text or a view's bytes at input(), calls, and reads what it asked for at endpoint(), key() or table().
 * Everything stays until the next call of the same kind. Nothing here checks an argument twice: the caller is ours.
 */
import { ENDPOINT_PORT, parseAddress, parseEndpoint } from './decision/address';
import { asksForClient, decide, mayServeInstead } from './decision/decide';
import { Fault, faultAt, faultCode, faultValue } from './decision/fault';
import { jhash } from './decision/jhash';
import { keptHostOf } from './decision/kept';
import { writeKey } from './decision/key';
import { VIEW_SIZE_MAX } from './decision/limits';
import { negativeLogarithm } from './decision/logarithm';
import {
  DECISION_VERSION,
  hostDraw,
  nextOwnerOf,
  ownerOf,
  writeHost,
} from './decision/rendezvous';
import { ruleFor } from './decision/rule';
import { View, decodeView, freeView } from './decision/view';

export { logarithmEntry } from './decision/logarithm';

/** The largest view, which is more than any text that is worth reading. */
const INPUT_SIZE: u32 = VIEW_SIZE_MAX;
const INPUT: usize = heap.alloc(VIEW_SIZE_MAX);
/** ENDPOINT_SIZE bytes each: the client, and where it connected to. */
const CLIENT: usize = memory.data(18, 8);
const DESTINATION: usize = memory.data(18, 8);
/** KEY_SIZE_MAX bytes. */
const KEY: usize = memory.data(20, 8);
/** HOSTS_MAX hosts of WEIGHTED_HOST_SIZE bytes. */
const HOSTS: usize = memory.data(32 * 20, 8);
/** One byte for each bucket. */
const TABLE: usize = memory.data(65536, 8);

/** In a table: nobody takes part. */
const NOBODY: u8 = 255;

let view: View | null = null;
let rule: i32 = -1;

export function decisionVersion(): u32 {
  return DECISION_VERSION;
}

/** Where inputSize() bytes may be written. */
export function input(): usize {
  return INPUT;
}

export function inputSize(): u32 {
  return INPUT_SIZE;
}

/** Where readEndpoint() and readAddress() leave address (16 bytes) and port (u16). */
export function endpoint(): usize {
  return CLIENT;
}

/** Where makeKey() leaves the key. */
export function key(): usize {
  return KEY;
}

/** Where fillTable() leaves one byte for each bucket: the index of its owner, 255 for nobody. */
export function table(): usize {
  return TABLE;
}

/** Reads `address:port` at input(); an ADDRESS_ code of address.ts. */
export function readEndpoint(length: u32): i32 {
  return parseEndpoint(INPUT, length, CLIENT);
}

/** Reads an address without port at input(); an ADDRESS_ code of address.ts. The port becomes 0. */
export function readAddress(length: u32): i32 {
  store<u16>(CLIENT, 0, ENDPOINT_PORT);
  return parseAddress(INPUT, length, CLIENT);
}

/** The key of the endpoint that was read last; its length. */
export function makeKey(affinity: u8, ipv6PrefixLength: u32): u32 {
  return writeKey(affinity, CLIENT, load<u16>(CLIENT, ENDPOINT_PORT), ipv6PrefixLength, KEY);
}

/** jhash of the key that was made last. Its top 16 bits are the bucket. */
export function hashOfKey(length: u32, hashSeed: u32): u32 {
  return jhash(KEY, length, hashSeed);
}

/** jhash of bytes at input(). */
export function hashOfInput(length: u32, hashSeed: u32): u32 {
  return jhash(INPUT, length, hashSeed);
}

/** Sets one host by the name at input(). Hosts stand in the order of their names' bytes. */
export function setHost(index: u32, nameLength: u32, weight: u32, hashSeed: u32): void {
  writeHost(HOSTS, index, INPUT, nameLength, weight, hashSeed);
}

/** Owner of a bucket among the first `hostCount` hosts set; its index or -1. */
export function owner(bucket: u32, hostCount: u32): i32 {
  return ownerOf(bucket, HOSTS, hostCount);
}

/** Who would own the bucket without its owner; index or -1. */
export function nextOwner(bucket: u32, hostCount: u32, ownerIndex: i32): i32 {
  return nextOwnerOf(bucket, HOSTS, hostCount, ownerIndex);
}

/** What a host draws for a bucket, as u32 in an i32. */
export function draw(bucket: u32, index: u32): u32 {
  return hostDraw(bucket, HOSTS, index);
}

/** L of a draw in units of 2^-31: an integer up to 2^36, so a number of JavaScript holds it. */
export function logarithm(drawn: u32): f64 {
  return f64(negativeLogarithm(drawn));
}

/** Owners of the buckets from `first` on into table(): a slice at a time, so that an event loop goes on turning. */
export function fillTable(first: u32, count: u32, hostCount: u32): void {
  for (let bucket = first; bucket < first + count; bucket++) {
    const index = ownerOf(bucket, HOSTS, hostCount);
    store<u8>(TABLE + bucket, index < 0 ? NOBODY : u8(index));
  }
}

/** Checks the view at input() and keeps it for decideFor(): 0, or the fault's code (decision/fault.ts). */
export function openView(length: u32): i32 {
  const last = view;
  if (last) freeView(last);
  view = decodeView(INPUT, length);
  return view ? 0 : i32(faultCode);
}

/** The code of a view that is longer than inputSize(), or shorter than its counts ask for. */
export function faultSize(): i32 {
  return i32(Fault.size);
}

/** Which host or rule of the refused view, or -1. */
export function faultPlace(): i32 {
  return faultAt;
}

/** The value that was found there. */
export function faultNumber(): u32 {
  return faultValue;
}

/** Keeps the endpoint that was read last as the destination of decideFor(). */
export function setDestination(): void {
  memory.copy(DESTINATION, CLIENT, 18);
}

/** Who takes a connection from the endpoint read last to the destination: host index, or a REFUSE_ code of decide.ts. */
export function decideFor(protocol: u8): i32 {
  const open = view;
  if (!open) return i32.MIN_VALUE;
  rule = ruleFor(open.rules, open.ruleCount, DESTINATION, load<u16>(DESTINATION, ENDPOINT_PORT), protocol);
  return decide(open, rule, CLIENT, load<u16>(CLIENT, ENDPOINT_PORT));
}

/** The rule that decideFor() found, or -1. */
export function ruleFound(): i32 {
  return rule;
}

/** Did decideFor() find the client among the kept ones? */
export function wasKept(): bool {
  const open = view;
  if (!open || open.kept == 0 || !asksForClient(open, rule)) return false;
  const port = load<u16>(CLIENT, ENDPOINT_PORT);
  const size = writeKey(open.rule(rule).affinity, CLIENT, port, open.ipv6PrefixLength, KEY);
  return keptHostOf(open, rule, jhash(KEY, size, open.hashSeed)) >= 0;
}

/** May the view's own host serve in the owner's stead under that rule? */
export function mayFallBack(): bool {
  const open = view;
  return open ? mayServeInstead(open, rule) : false;
}
